# SPDX-License-Identifier: BSD-2-Clause

TESTS += test-stress-fan
TESTS_ASAN += test-stress-fan
TESTS_TSAN += test-stress-fan
TESTS_LONG += long-stress-fan

FAN_STRESS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/stress/fan_*.c))
FAN_RANDOM := $(BUILD)/tests/stress/fan_random
FAN_THREADS := $(BUILD)/tests/stress/fan_threads

$(FAN_STRESS): %: %.o $(LIB_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

# A seed that is fixed, for what every change must pass; then as many more as
# there is time for.
test-stress-fan: $(FAN_STRESS)
	@$(RUN) -t 120 '$(FAN_RANDOM) -s 1 -n $(if $(SAN),1000,2000)' \
		'$(FAN_RANDOM) -t 3'

long-stress-fan: $(FAN_STRESS)
	@$(RUN) -t 300 '$(FAN_RANDOM) -t 120'

.PHONY: test-stress-fan long-stress-fan
-include $(FAN_STRESS:=.d)
