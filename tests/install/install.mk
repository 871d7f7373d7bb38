# SPDX-License-Identifier: BSD-2-Clause

TESTS += test-install

test-install: lib
	@MAKE='$(MAKE)' CC='$(CC)' BUILD='$(BUILD)' $(RUN) tests/install/run

.PHONY: test-install
