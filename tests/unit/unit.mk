# SPDX-License-Identifier: BSD-2-Clause
#
#   make test-unit	the unit tests, one program per module
#
# Linked against the objects of the library, since they also test what it does
# not export.

TESTS += test-unit
TESTS_ASAN += test-unit

UNIT_BIN := $(BUILD)/tests/unit
UNIT	:= $(patsubst tests/unit/%.c,$(UNIT_BIN)/%,$(wildcard tests/unit/test_*.c))

$(UNIT): $(UNIT_BIN)/%: $(UNIT_BIN)/%.o $(UNIT_BIN)/unit.o $(LIB_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(UNIT_WRAP) $(ALL_LDFLAGS) -lcriterion

# Files of the kernel, made up.
$(UNIT_BIN)/test_pool: UNIT_WRAP := -Wl,--wrap=fopen

$(UNIT_BIN)/test_memory: UNIT_WRAP := -Wl,--wrap=malloc,--wrap=realloc

# One test at a time: several of them measure time.
test-unit: $(UNIT)
	@$(RUN) -t 120 $(UNIT:%='% -j1')

.PHONY: test-unit
-include $(UNIT:=.d) $(UNIT_BIN)/unit.d
