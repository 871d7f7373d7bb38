# SPDX-License-Identifier: BSD-2-Clause
#
#   make fuzz SECONDS=n	look for new inputs (after make deps-lint)
#
# Fuzzing, with clang's libFuzzer (package libclang-rt-14-dev); `make test`
# replays the inputs in the repository.

TESTS += test-fuzz
TESTS_ASAN += test-fuzz
TESTS_TSAN += test-fuzz
DEPS_LINT += libclang-rt-14-dev

FUZZ_BIN := $(BUILD)/tests/fuzz
FUZZ_SHARED := $(FUZZ_BIN)/fuzz_chain.o \
	$(patsubst %,$(BUILD)/tests/stress/%.o,lab items)
FUZZ_REPLAY := $(FUZZ_BIN)/replay
FUZZ_CHAIN := $(FUZZ_BIN)/fuzz_chain
FUZZ_CORPUS := tests/fuzz/corpus
FUZZ_SAN := -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer
SECONDS	?= 60

$(FUZZ_REPLAY): $(FUZZ_BIN)/replay.o $(FUZZ_SHARED) $(LIB_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

$(FUZZ_CHAIN): $(FUZZ_SHARED) $(LIB_A)
	$(call say,LD)
	$(Q)$(CC) -fsanitize=fuzzer -o $@ $^ $(ALL_LDFLAGS)

test-fuzz: $(FUZZ_REPLAY)
	@$(RUN) -t 60 '$(FUZZ_REPLAY) -r 4 -k $(FUZZ_BIN)/failed $(FUZZ_CORPUS)'

# What is found stays in the build folder; a crash also tells its input.
fuzz:
	+@$(variant) CC=clang-14 BUILD=$(BUILD)/fuzz SAN='$(FUZZ_SAN)' \
		SECONDS=$(SECONDS) fuzz-run

fuzz-run: $(FUZZ_CHAIN)
	@mkdir -p $(FUZZ_BIN)/found
	$(FUZZ_CHAIN) -max_len=512 -timeout=25 -max_total_time=$(SECONDS) \
		-artifact_prefix=$(FUZZ_BIN)/ -print_final_stats=1 \
		-verbosity=0 $(FUZZ_BIN)/found $(FUZZ_CORPUS)

.PHONY: test-fuzz fuzz fuzz-run
-include $(FUZZ_SHARED:.o=.d) $(FUZZ_REPLAY).d
