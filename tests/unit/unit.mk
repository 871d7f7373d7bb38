# SPDX-License-Identifier: BSD-2-Clause
#
#   make test-unit	the unit tests, one program per module
#   make test-unit-plain	the same without Criterion
#
# Linked against the objects of the library, since they also test what it does
# not export.

TESTS += test-unit
TESTS_ASAN += test-unit
TESTS_CLANG += test-unit

UNIT_BIN := $(BUILD)/tests/unit
UNIT	:= $(patsubst tests/unit/%.c,$(UNIT_BIN)/%,$(wildcard tests/unit/test_*.c))

$(UNIT): $(UNIT_BIN)/%: $(UNIT_BIN)/%.o $(UNIT_BIN)/unit.o $(LIB_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(UNIT_WRAP) $(ALL_LDFLAGS) -lcriterion

# Files of the kernel, made up.
%/test_pool: UNIT_WRAP := -Wl,--wrap=fopen

%/test_memory: UNIT_WRAP := -Wl,--wrap=malloc,--wrap=realloc

# What tests fences wants the code as users have it: threads hardly meet in slower
# code, and ThreadSanitizer takes no account of fences anyway.
UNIT_UNFENCED := $(filter-out %/test_fences %/test_meetings,$(UNIT))
UNIT_RUN := $(if $(SAN),$(UNIT_UNFENCED),$(UNIT))

# One test at a time: several of them measure time.
test-unit: $(UNIT_RUN)
	@$(RUN) -t 120 $(UNIT_RUN:%='% -j1')

# Without Criterion, for ThreadSanitizer: see tests/unit/plain. Under qemu they
# pass too, but for those that limit memory, or fork, which qemu does not take.
TESTS_TSAN += test-unit-plain
TESTS_NATIVE += test-unit-plain

PLAIN_BIN := $(UNIT_BIN)/plain
PLAIN	:= $(UNIT_UNFENCED:$(UNIT_BIN)/%=$(PLAIN_BIN)/%)

$(PLAIN_BIN)/%.o: tests/unit/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests/unit/plain -c -o $@ $<

$(PLAIN): $(PLAIN_BIN)/%: $(PLAIN_BIN)/%.o $(PLAIN_BIN)/unit.o \
	$(PLAIN_BIN)/plain.o $(LIB_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(UNIT_WRAP) $(ALL_LDFLAGS)

test-unit-plain: $(PLAIN)
	@$(RUN) -t 120 $(PLAIN)

.PHONY: test-unit test-unit-plain
-include $(UNIT:=.d) $(UNIT_BIN)/unit.d $(PLAIN:=.d) $(PLAIN_BIN)/unit.d
