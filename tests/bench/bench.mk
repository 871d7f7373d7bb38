# SPDX-License-Identifier: BSD-2-Clause
#
#   make bench		leat and its peers on the same work
#   make bench QUICK=1	the same within five minutes
#   make bench W="W1 W2" PEERS="tbb go"
#   make bench-deps	install the peers that Debian has
#
# A peer whose package is not installed is left out, and the driver says so.

DEPS_BENCH := g++ python3 libtbb-dev golang-go libboost-dev \
	      libconcurrentqueue-dev libck-dev libgomp1 cargo \
	      librust-crossbeam-channel-dev libvips-tools python3-pil valgrind

BENCH	:= $(BUILD)/bench
BENCH_H	:= $(wildcard tests/bench/*.h)
BENCH_C	= $(CC) -std=gnu11 -D_GNU_SOURCE= -O2 -g -pthread $(WARN) -Iinclude
BENCH_CXX = $(CXX) -std=c++17 -D_GNU_SOURCE= -O2 -g -pthread -Wall -Wextra
BENCH_PROGRAMS := $(addprefix $(BENCH)/,serial leat mutex mutex-hand \
	mutex-inside)

$(BENCH)/serial: tests/bench/serial.c $(BENCH_H)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(BENCH_C) -o $@ $<

$(BENCH)/leat: tests/bench/leat.c $(BENCH_H) $(LIB_A)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(BENCH_C) -o $@ $< $(LIB_A)

$(BENCH)/mutex:	       MUTEX := -DBATCH=1
$(BENCH)/mutex-hand:   MUTEX := -DBATCH=64
$(BENCH)/mutex-inside: MUTEX := -DBATCH=64 -DPATIENT=1
$(BENCH)/mutex $(BENCH)/mutex-hand $(BENCH)/mutex-inside: \
		tests/bench/mutex.c $(BENCH_H)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(BENCH_C) $(MUTEX) -o $@ $<

bench-programs: $(BENCH_PROGRAMS)

bench: bench-programs
	@/usr/bin/python3 tests/bench/bench.py --build $(BENCH) \
		$(if $(QUICK),--quick) --workloads '$(W)' --peers '$(PEERS)'

bench-deps:
	@.ci/deps $(DEPS_BENCH)

.PHONY: bench bench-programs bench-deps
