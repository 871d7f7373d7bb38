# SPDX-License-Identifier: BSD-2-Clause

TESTS += test-unit-fan
TESTS_ASAN += test-unit-fan

FAN_UNIT := $(BUILD)/tests/unit/fan

$(FAN_UNIT): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/unit/fan*.c)) $(LIB_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) -lcriterion

test-unit-fan: $(FAN_UNIT)
	@$(RUN) -t 120 $(FAN_UNIT)

.PHONY: test-unit-fan
-include $(wildcard $(BUILD)/tests/unit/fan*.d)
