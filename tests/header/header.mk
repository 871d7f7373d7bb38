# SPDX-License-Identifier: BSD-2-Clause

TESTS += test-header
TESTS_CLANG += test-header

test-header:
	@CC='$(CC)' CXX='$(CXX)' $(RUN) tests/header/run

.PHONY: test-header
