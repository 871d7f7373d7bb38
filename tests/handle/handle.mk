# SPDX-License-Identifier: BSD-2-Clause

TESTS	   += test-handle
TESTS_ASAN += test-handle
TESTS_TSAN += test-handle
TESTS_CLANG += test-handle

HANDLE := $(BUILD)/tests/handle/handle

$(HANDLE): $(BUILD)/tests/handle/handle.o $(LIB_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

test-handle: $(HANDLE)
	@$(RUN) $(HANDLE)

.PHONY: test-handle
-include $(HANDLE:=.d)
