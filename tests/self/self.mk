# SPDX-License-Identifier: BSD-2-Clause

TESTS += test-self

test-self:
	@$(RUN) tests/self/run

.PHONY: test-self
