# SPDX-License-Identifier: BSD-2-Clause

TESTS	   += test-order
TESTS_ASAN += test-order
TESTS_TSAN += test-order
TESTS_CLANG += test-order

ORDER_ENTER := $(BUILD)/tests/order/enter

$(ORDER_ENTER): $(BUILD)/tests/order/enter.o $(LIB_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

test-order: $(ORDER_ENTER)
	@$(RUN) $(ORDER_ENTER)

.PHONY: test-order
-include $(ORDER_ENTER:=.d)
