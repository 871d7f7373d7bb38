# SPDX-License-Identifier: BSD-2-Clause

DEPS_CI	+= valgrind

test-valgrind: demos
	@$(RUN) -t 600 'tests/valgrind/run $(DEMO_BIN)'

.PHONY: test-valgrind
