# SPDX-License-Identifier: BSD-2-Clause
#
#   make bench		leat and its peers on the same work
#   make bench QUICK=1	the same within five minutes
#   make bench W="W1 W2" PEERS="tbb go" ROUNDS=9
#   make bench-deps	install the peers that Debian has
#   make bench-curve	over 1, 2, 4, ... workers, into curve.jsonl
#   make bench-report	write RESULTS.md from the last run, and the curve
#   make bench-instructions	W1's instructions per item, against the record
#
# A peer whose package is not installed is left out, and the driver says so.

DEPS_BENCH := $(DEPS_DEMOS) g++ python3 libtbb-dev golang-go libboost-dev \
	      libconcurrentqueue-dev libck-dev cargo \
	      librust-crossbeam-channel-dev libvips-tools python3-pil valgrind

BENCH	:= $(BUILD)/bench
BENCH_H	:= $(wildcard tests/bench/*.h)
BENCH_C	= $(CC) -std=gnu11 -D_GNU_SOURCE= -O2 -g -pthread $(WARN) -Iinclude
BENCH_CXX = $(CXX) -std=c++17 -O2 -g -pthread -Wall -Wextra
BENCH_PROGRAMS :=

# Where a header or a command is, if it is.
header	= $(wildcard $(addsuffix /$(1),/usr/include /usr/local/include))
command	= $(firstword $(wildcard $(addsuffix /$(1),$(subst :, ,$(PATH)))))

# bench_c, bench_cxx: a program's name, its source, its flags.
bench_c	  = $(call bench_program,$(1),$(2),$(3),BENCH_C)
bench_cxx = $(call bench_program,$(1),$(2),$(3),BENCH_CXX)

define bench_program
BENCH_PROGRAMS += $(BENCH)/$(1)
$(BENCH)/$(1): tests/bench/$(2) $(BENCH_H) tests/bench/bench.mk
	@mkdir -p $$(@D)
	$$(call say,BENCH)
	$$(Q)$$($(4)) -o $$@ $$< $(3)
endef

$(eval $(call bench_c,serial,serial.c,))
$(eval $(call bench_c,each,each.c,))
$(eval $(call bench_c,leat,leat.c,$(LIB_A)))
$(eval $(call bench_c,mutex,mutex.c,-DBATCH=1))
$(eval $(call bench_c,mutex-hand,mutex.c,-DBATCH=64))
$(eval $(call bench_c,mutex-inside,mutex.c,-DBATCH=64 -DPATIENT=1))
$(eval $(call bench_c,openmp,openmp.c,-fopenmp))
$(eval $(call bench_cxx,future,future.cpp,-DASYNC=0))
$(eval $(call bench_cxx,async,future.cpp,-DASYNC=1))
ifneq ($(call header,tbb/flow_graph.h),)
$(eval $(call bench_cxx,tbb,tbb.cpp,-ltbb))
$(eval $(call bench_cxx,tbb-flow,tbb-flow.cpp,-ltbb))
endif
ifneq ($(call header,ck_ring.h),)
$(eval $(call bench_c,ck,ck.c,))
endif
ifneq ($(call header,boost/lockfree/queue.hpp),)
$(eval $(call bench_cxx,boost,boost.cpp,))
endif
ifneq ($(call header,concurrentqueue/concurrentqueue.h),)
$(eval $(call bench_cxx,moodycamel,moodycamel.cpp,))
endif
$(BENCH)/leat: $(LIB_A)

ifneq ($(call command,go),)
BENCH_PROGRAMS += $(BENCH)/go $(BENCH)/go-hand
$(BENCH)/go-hand: GO_FLAGS := -ldflags '-X main.hand=yes'
$(BENCH)/go $(BENCH)/go-hand: tests/bench/channels.go
	@mkdir -p $(@D)
	$(call say,GO)
	$(Q)GO111MODULE=off GOCACHE=$(abspath $(BENCH))/gocache \
		go build $(GO_FLAGS) -o $@ $<
endif

CRATES	:= /usr/share/cargo/registry
ifneq ($(and $(call command,cargo),$(wildcard $(CRATES)/crossbeam-channel-*)),)
BENCH_PROGRAMS += $(BENCH)/crossbeam
# In a copy, as cargo writes beside its manifest.
$(BENCH)/crossbeam: $(wildcard tests/bench/crossbeam/*)
	@mkdir -p $(@D)
	$(call say,CARGO)
	$(Q)rm -rf $(BENCH)/crossbeam.d && \
	cp -r tests/bench/crossbeam $(BENCH)/crossbeam.d && \
	cargo build --quiet --release --offline \
		--manifest-path $(BENCH)/crossbeam.d/Cargo.toml \
		--target-dir $(BENCH)/crossbeam.d/target \
		--config 'source.crates-io.replace-with="debian"' \
		--config 'source.debian.directory="$(CRATES)"' && \
	cp $(BENCH)/crossbeam.d/target/release/crossbeam $@
endif

ifneq ($(call header,jpeglib.h),)
BENCH_PROGRAMS += $(DEMO_BIN)/thumbs $(DEMO_OUT)/photo.jpg
endif

bench-programs: $(BENCH_PROGRAMS)

bench: bench-programs
	@/usr/bin/python3 tests/bench/bench.py --build $(BENCH) \
		--thumbs $(DEMO_BIN)/thumbs --photo $(DEMO_OUT)/photo.jpg \
		$(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		--workloads '$(W)' --peers '$(PEERS)'; status=$$?; \
	/usr/bin/python3 tests/bench/picture.py $(BENCH)/results.jsonl \
		$(BENCH)/w2.svg; exit $$status

# A few rows, to see that the benchmark still builds and computes.
TESTS_LONG += bench-short
BENCH_SHORT := --quick --rounds 1 --peers mutex-inside --results short.jsonl \
	       --workloads W1,W3,W5,W6,queue
bench-short: $(addprefix $(BENCH)/,serial leat mutex-inside)
	@$(RUN) 'tests/bench/bench.py --build $(BENCH) $(BENCH_SHORT)'

CURVE	:= tests/bench/curve.jsonl
bench-curve: bench-programs
	@/usr/bin/python3 tests/bench/bench.py --build $(BENCH) \
		--workloads curve --peers 'each mutex-inside go-hand tbb moodycamel' \
		--results $(CURDIR)/$(CURVE)

bench-report:
	@/usr/bin/python3 tests/bench/report.py $(BENCH)/results.jsonl \
		$(CURVE) >tests/bench/RESULTS.md
	@sed -n '/beside/,/^$$/p; /^|/p' tests/bench/RESULTS.md | head -30

# As valgrind slows it down, so does its clock.
$(BENCH)/leat-slowed: tests/bench/leat.c tests/bench/slowed.c $(BENCH_H) $(LIB_A)
	@mkdir -p $(@D)
	$(call say,BENCH)
	$(Q)$(BENCH_C) -o $@ $(filter %.c,$^) $(LIB_A) \
		-Wl,--wrap=clock_gettime,--wrap=syscall

bench-instructions: $(BENCH)/leat-slowed
	@tests/bench/instructions $<

bench-deps:
	@.ci/deps $(DEPS_BENCH)

.PHONY: bench bench-curve bench-programs bench-deps bench-instructions bench-report \
	bench-short
