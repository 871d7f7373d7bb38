# SPDX-License-Identifier: BSD-2-Clause
#
# The shared library as a part that a program loads, uses and unloads.

TESTS	   += test-unload
TESTS_ASAN += test-unload
TESTS_TSAN += test-unload

UNLOAD := $(BUILD)/tests/unload/unload

$(UNLOAD): $(BUILD)/tests/unload/unload.o
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) -ldl

test-unload: $(UNLOAD) $(LIB_SO)
	@$(RUN) '$(UNLOAD) $(LIB_SO)'

.PHONY: test-unload
-include $(UNLOAD:=.d)
