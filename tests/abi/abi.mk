# SPDX-License-Identifier: BSD-2-Clause
#
# Linked against the shared library: what is tested is its binary interface.

TESTS += test-abi
TESTS_ASAN += test-abi-sizes
TESTS_TSAN += test-abi-sizes

ABI	:= $(BUILD)/tests/abi/abi

$(ABI): $(ABI).o $(LIB_SO)
	$(call say,LD)
	$(Q)$(CC) -o $@ $< $(LIB_SO) -Wl,-rpath,'$$ORIGIN/../..' \
		$(ALL_LDFLAGS)

test-abi-sizes: $(ABI)
	@$(RUN) $(ABI)

test-abi: $(ABI) $(LIB_SO)
	@$(RUN) 'tests/abi/symbols $(LIB_SO)' $(ABI)

.PHONY: test-abi test-abi-sizes
-include $(ABI).d
