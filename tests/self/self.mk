# SPDX-License-Identifier: BSD-2-Clause

TESTS += test-self

test-self:
	@CC='$(CC)' $(RUN) tests/self/run

.PHONY: test-self
