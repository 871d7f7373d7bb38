# SPDX-License-Identifier: BSD-2-Clause
#
#   make soak MINUTES=n	random chains and fans while resources fail
#
# Stress programs. Each is built twice: against the library, and against one
# that yields, spins and sleeps at random at the hand-over points.

TESTS += test-stress
TESTS_ASAN += test-stress
TESTS_TSAN += test-stress
TESTS_LONG += long-stress

STRESS_BIN := $(BUILD)/tests/stress
STRESS_SHARED := lab items history spec serial row sides play perturb
STRESS_COMMON := $(STRESS_SHARED:%=$(STRESS_BIN)/%.o)
STRESS_NAMES := chains errors_meet_bounds linear queues flat waits
STRESS	:= $(STRESS_NAMES:%=$(STRESS_BIN)/%)
STRESS_P := $(STRESS:%=%-perturbed)

PERTURBED_OBJ := $(LIB_SRC:%.c=$(BUILD)/perturbed/%.o)
PERTURBED_A := $(BUILD)/perturbed/libleat.a

$(BUILD)/perturbed/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -DLEAT_PERTURB -c -o $@ $<

$(PERTURBED_A): $(PERTURBED_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(STRESS): $(STRESS_BIN)/%: $(STRESS_BIN)/%.o $(STRESS_COMMON) $(LIB_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

$(STRESS_P): $(STRESS_BIN)/%-perturbed: $(STRESS_BIN)/%.o $(STRESS_COMMON) \
	$(PERTURBED_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

# Seconds of random chains: longer under a sanitizer.
STRESS_T = $(if $(SAN),10,4)

# The soak's library also fails on demand; see tests/fault.
SOAK	:= $(STRESS_BIN)/soak
SOAK_A	:= $(STRESS_BIN)/libleat-soak.a
MINUTES	?= 1

$(SOAK_A): $(PERTURBED_A) tests/fault/fault.mk
	@mkdir -p $(@D)
	$(call say,COPY)
	$(Q)$(OBJCOPY) $(FAULT_RENAME) $< $@

$(SOAK): $(SOAK).o $(STRESS_BIN)/fanplay.o $(FAULT_BIN)/fault.o \
	$(STRESS_COMMON) $(SOAK_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

soak: $(SOAK)
	$(SOAK) -m $(MINUTES)

test-stress: $(STRESS) $(STRESS_P) $(SOAK)
	@$(RUN) -t 120 \
		'$(STRESS_BIN)/chains -t $(STRESS_T)' \
		'$(STRESS_BIN)/chains-perturbed -t $(STRESS_T)' \
		'$(STRESS_BIN)/errors_meet_bounds -n $(if $(SAN),32,200) -k 100' \
		'$(STRESS_BIN)/errors_meet_bounds-perturbed -n $(if $(SAN),32,96) -k 500' \
		'$(STRESS_BIN)/queues' \
		'$(STRESS_BIN)/queues-perturbed' \
		'$(STRESS_BIN)/linear -n 5000' \
		'$(STRESS_BIN)/linear-perturbed -n 5000' \
		'$(STRESS_BIN)/waits -b $(if $(SAN)$(LEAT_WRAP),4,48)' \
		'$(STRESS_BIN)/waits-perturbed -b 4' \
		$(if $(SAN),,'$(STRESS_BIN)/flat -n 1000000') \
		'$(SOAK) -t 4'

long-stress: $(STRESS) $(STRESS_P) $(SOAK)
	@$(RUN) -t 600 \
		'$(STRESS_BIN)/chains -t 120' \
		'$(STRESS_BIN)/chains-perturbed -t 120' \
		'$(STRESS_BIN)/errors_meet_bounds -n 10000 -k 1' \
		'$(STRESS_BIN)/errors_meet_bounds-perturbed -n 9600 -k 10' \
		'$(STRESS_BIN)/queues -x 50' \
		'$(STRESS_BIN)/queues-perturbed -x 10' \
		'$(STRESS_BIN)/linear -n 200000' \
		'$(STRESS_BIN)/linear-perturbed -n 200000' \
		'$(STRESS_BIN)/flat -n 10000000' \
		'$(SOAK) -m 3'

.PHONY: test-stress long-stress soak
-include $(STRESS:=.d) $(SOAK).d $(STRESS_BIN)/fanplay.d $(STRESS_COMMON:.o=.d) $(PERTURBED_OBJ:.o=.d)
