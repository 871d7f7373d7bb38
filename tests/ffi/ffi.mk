# SPDX-License-Identifier: BSD-2-Clause

TESTS += test-ffi

test-ffi: $(LIB_SO)
	@$(RUN) 'tests/ffi/run $(CURDIR)/$(LIB_SO)'

.PHONY: test-ffi
