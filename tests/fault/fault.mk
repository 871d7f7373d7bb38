# SPDX-License-Identifier: BSD-2-Clause
#
# Fault injection. The library's calls of the functions below are renamed, in
# a copy of it, to those of fault.c; the test's own calls stay as they are.

TESTS_FAULT += fault-each
TESTS_ASAN += fault-some
TESTS_TSAN += fault-some

# The cross compiler's, or the native one.
OBJCOPY	?= $(if $(filter %-gcc,$(CC)),$(CC:%gcc=%objcopy),objcopy)
FAULT_CALLS := malloc calloc realloc aligned_alloc strdup free fopen fclose \
	pthread_create pthread_join pthread_mutex_init pthread_mutex_destroy \
	pthread_cond_init pthread_cond_destroy pthread_attr_init \
	pthread_attr_destroy pthread_attr_setstacksize pthread_setname_np \
	sched_getaffinity __sched_cpualloc __sched_cpufree madvise syscall \
	clock_gettime
FAULT_RENAME := $(foreach f,$(FAULT_CALLS),--redefine-sym $f=fault_$f)
FAULT_BIN := $(BUILD)/tests/fault
FAULT_SHARED := $(patsubst %,$(BUILD)/tests/stress/%.o,\
	lab items spec serial row sides play fanplay)
FAULT_A	:= $(FAULT_BIN)/libleat.a
FAULT	:= $(FAULT_BIN)/everything
FAULT_FANS := $(FAULT_BIN)/fans

$(FAULT_A): $(LIB_A) tests/fault/fault.mk
	@mkdir -p $(@D)
	$(call say,COPY)
	$(Q)$(OBJCOPY) $(FAULT_RENAME) $< $@

$(FAULT): %: %.o $(FAULT_BIN)/fault.o $(FAULT_SHARED) $(FAULT_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

$(FAULT_FANS): %: %.o $(FAULT_BIN)/fault.o $(FAULT_SHARED) $(FAULT_A)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS)

fault-each: $(FAULT) $(FAULT_FANS)
	@$(RUN) -t 120 'tests/fault/symbols $(LIB_A)' '$(FAULT)' \
		'$(FAULT_FANS)'

# Scenarios with much to fail while running; the sanitizers are slow.
fault-some: $(FAULT) $(FAULT_FANS)
	@$(RUN) -t 120 '$(FAULT) -s 4' '$(FAULT) -s 6' '$(FAULT_FANS) 3'

.PHONY: fault-each fault-some
-include $(FAULT:=.d) $(FAULT_FANS:=.d) $(FAULT_BIN)/fault.d
