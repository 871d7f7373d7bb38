# SPDX-License-Identifier: BSD-2-Clause
#
#   make demos         build all demos
#   make test-demos    run every demo and compare with the serial result

# Where the programs go: beside their sources, but for special builds.
DEMO_BIN := $(if $(filter build,$(BUILD)),demos,$(BUILD)/demos/bin)
DEMO_PLAIN := $(addprefix $(DEMO_BIN)/,wordcount ordered assembly)

TESTS += test-demos
TESTS_ASAN += test-demos
TESTS_TSAN += test-demos-plain

demos: $(DEMO_PLAIN)

$(DEMO_PLAIN): $(DEMO_BIN)/%: $(BUILD)/demos/%.o $(LIB_A)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^

test-demos: test-demos-plain

test-demos-plain: $(DEMO_PLAIN)
	@$(RUN) $(DEMO_PLAIN)

.PHONY: demos test-demos test-demos-plain

-include $(wildcard $(BUILD)/demos/*.d)
