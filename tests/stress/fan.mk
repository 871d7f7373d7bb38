# SPDX-License-Identifier: BSD-2-Clause
#
# Stress programs of fans, each built twice: see stress.mk.

TESTS += test-stress-fan test-memory-fan
TESTS_ASAN += test-stress-fan
TESTS_TSAN += test-stress-fan
TESTS_LONG += long-stress-fan

FAN_STRESS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/stress/fan_*.c))
FAN_STRESS_P := $(FAN_STRESS:%=%-perturbed)
FAN_BIN	:= $(BUILD)/tests/stress/fan_

$(FAN_STRESS): %: %.o $(LIB_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

$(FAN_STRESS_P): %-perturbed: %.o $(BUILD)/tests/stress/lab.o \
	$(BUILD)/tests/stress/perturb.o $(BUILD)/perturbed/libleat.a
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

# A seed that is fixed, for what every change must pass; then as many more as
# there is time for.
test-stress-fan: $(FAN_STRESS) $(FAN_STRESS_P)
	@$(RUN) -t 120 '$(FAN_BIN)random -s 1 -n $(if $(SAN),1000,2000)' \
		'$(FAN_BIN)random -t 3' '$(FAN_BIN)random-perturbed -t 3' \
		'$(FAN_BIN)threads -t 3' '$(FAN_BIN)threads-perturbed -t 3'

# Not under a sanitizer: it keeps what was freed for a while.
test-memory-fan: $(FAN_STRESS)
	@$(RUN) '$(FAN_BIN)threads -m 1000000'

long-stress-fan: $(FAN_STRESS) $(FAN_STRESS_P)
	@$(RUN) -t 300 '$(FAN_BIN)random -t 60' \
		'$(FAN_BIN)random-perturbed -t 60' '$(FAN_BIN)threads -t 60' \
		'$(FAN_BIN)threads-perturbed -t 60' \
		'$(FAN_BIN)threads -m 10000000'

.PHONY: test-stress-fan test-memory-fan long-stress-fan
-include $(FAN_STRESS:=.d)
