# SPDX-License-Identifier: BSD-2-Clause
#
# The demos of fans; see demos.mk. Only download needs a library.

DEPS_DEMOS += libcurl4-openssl-dev

DEMO_FANS := $(addprefix $(DEMO_BIN)/,primes climate nbody)
DEMO_CURL := $(DEMO_BIN)/download

TESTS += test-demos-fans test-download
TESTS_ASAN += test-demos-fans
TESTS_TSAN += test-demos-fans

demos: $(DEMO_FANS) $(DEMO_CURL)

$(DEMO_FANS): $(DEMO_BIN)/%: $(BUILD)/demos/%.o $(LIB_A)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm

# The smallest program has no line to spare for (void)w.
$(BUILD)/demos/primes.o: ALL_CFLAGS += -Wno-unused-parameter
$(BUILD)/demos/download.o: ALL_CFLAGS += $(shell pkg-config --cflags libcurl)

$(DEMO_CURL): $(DEMO_BIN)/%: $(BUILD)/demos/%.o $(LIB_A)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs libcurl)

test-demos-fans: $(DEMO_FANS)
	@$(RUN) 'demos/test-primes $(DEMO_BIN)/primes README.md' \
		'$(DEMO_BIN)/climate $(if $(SAN),15,6)' \
		'$(DEMO_BIN)/nbody $(if $(SAN),100,400) 10' \
		'demos/test-usage $(DEMO_FANS)'

test-download: $(DEMO_CURL)
	@$(RUN) '$(DEMO_CURL) 40 40' '$(DEMO_CURL) 7 2' \
		'demos/test-usage $(DEMO_CURL)'

.PHONY: test-demos-fans test-download
