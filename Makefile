# SPDX-License-Identifier: BSD-2-Clause
#
#   make deps	install what is needed, from Debian's packages
#   make	build the library, static and shared
#   make demo	the main job: 100 thumbnails of one large photograph
#   make test	all tests that a change must pass
#   make help	everything else
#
# Each folder with targets of its own has a fragment, *.mk, included below.
# CONTRIBUTING.md tells how a fragment adds tests and packages.

VERSION	:= 0.1.0
SOVERSION := 0

# `make deps test`: install first, then start make afresh, so that whatever
# the rest asks pkg-config for is there, with -j too.
first	:= $(filter deps deps-%,$(MAKECMDGOALS))
rest	:= $(filter-out $(first),$(MAKECMDGOALS))

ifneq ($(and $(first),$(rest)),)

$(MAKECMDGOALS): deps-then-rest
	@:

deps-then-rest:
	@$(MAKE) --no-print-directory $(first)
	@$(MAKE) --no-print-directory $(rest)

.PHONY: deps-then-rest $(MAKECMDGOALS)

else

# BUILD: where everything that is built goes; one folder per variant.
BUILD	?= build
PREFIX	?= /usr/local
LIBDIR	?= $(PREFIX)/lib
INCDIR	?= $(PREFIX)/include
MANDIR	?= $(PREFIX)/share/man
PCDIR	?= $(LIBDIR)/pkgconfig
INSTALL	?= install

ifeq ($(origin CC),default)
CC	:= gcc
endif
ifeq ($(origin CXX),default)
CXX	:= g++
endif
CFLAGS	?= -O2 -g
WARN	:= -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	   -Wmissing-prototypes -Wvla -Wno-missing-field-initializers
# FORTIFY: 3 where the compiler has it, else 2.
FORTIFY	:= $(shell echo 'int x = __builtin_dynamic_object_size("", 0);' | \
	$(CC) -xc -fsyntax-only - 2>/dev/null && echo 3 || echo 2)
HARDEN	?= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(FORTIFY) \
	   -fstack-protector-strong
LDHARDEN ?= -Wl,-z,relro,-z,now
# Loops begin on a cache line. Elsewhere it is a matter of luck where they do,
# which is worth up to a fifth of what an item costs.
LAYOUT	?= -falign-functions=64 -falign-loops=64
# SAN: compiles and links everything with it; see the sanitizer tiers.
SAN	?=

ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE= -pthread -fPIC -fvisibility=hidden \
	     -fexceptions $(WARN) $(HARDEN) $(LAYOUT) $(CFLAGS) $(SAN) \
	     $(CKINC) -Iinclude -I. \
	     -DLEAT_VERSION='"$(VERSION)"' -MMD -MP
ALL_LDFLAGS = -pthread $(LDHARDEN) $(LDFLAGS) $(SAN)

# make V=1 shows the commands.
ifneq ($(V),1)
Q	:= @
say	= @echo '  $(1)	$(patsubst $(CURDIR)/%,%,$@)'
endif

LIB_SRC	:= $(sort $(wildcard queues/*.c stages/*.c))
LIB_OBJ	:= $(LIB_SRC:%.c=$(BUILD)/%.o)
LIB_A	:= $(BUILD)/libleat.a
LIB_SO	:= $(BUILD)/libleat.so.$(VERSION)
HEADERS	:= $(wildcard include/leat/*.h)
MAN3	:= $(wildcard man/*.3)

# Debian packages: to build the library and to test it; the demos' fragment
# adds DEPS_DEMOS. What a tier beyond these needs has a target deps-* of its
# own.
DEPS_LIB := gcc libc6-dev make pkgconf libck-dev
DEPS_TEST := g++ libcriterion-dev python3
DEPS_LINT := clang-14 clang-format-14 clang-tidy-14 cppcheck mandoc shellcheck
DEPS_COVERAGE := gcovr
DEPS_AARCH64 := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
DEPS_CI	:= valgrind

# Tests: the tiers below run these targets; fragments append to them.
TESTS	:=
TESTS_ASAN :=
TESTS_TSAN :=
TESTS_FAULT :=
TESTS_LONG :=
TESTS_CLANG :=
# Those of TESTS_TSAN that need what there is for this machine only.
TESTS_NATIVE :=
# RUN: how a test target runs its programs.
RUN	= LEAT_LOG=$(BUILD)/log tests/run

all: lib

include $(sort $(wildcard demos/*.mk tests/*.mk tests/*/*.mk))

lib: $(LIB_A) $(LIB_SO) $(BUILD)/leat.pc

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(LIB_A): $(LIB_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(LIB_SO): $(LIB_OBJ) leat.map
	$(call say,LD)
	$(Q)$(CC) -shared -Wl,-soname,libleat.so.$(SOVERSION) \
		-Wl,--version-script=leat.map $(ALL_LDFLAGS) \
		-o $@ $(LIB_OBJ)
	@ln -sf $(@F) $(BUILD)/libleat.so.$(SOVERSION)
	@ln -sf $(@F) $(BUILD)/libleat.so

$(BUILD)/leat.pc: leat.pc.in Makefile FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' \
		-e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
		-e 's|@INCDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCDIR))|' \
		$< >$@

#   make install	copy what programs need; PREFIX=/usr/local, DESTDIR=
#   make uninstall	remove it again

install: lib
	$(INSTALL) -d $(DESTDIR)$(INCDIR)/leat $(DESTDIR)$(LIBDIR) \
		$(DESTDIR)$(PCDIR) $(DESTDIR)$(MANDIR)/man3
	$(INSTALL) -m 644 include/leat.h $(DESTDIR)$(INCDIR)/
	$(INSTALL) -m 644 $(HEADERS) $(DESTDIR)$(INCDIR)/leat/
	$(INSTALL) -m 644 $(LIB_A) $(DESTDIR)$(LIBDIR)/
	$(INSTALL) -m 755 $(LIB_SO) $(DESTDIR)$(LIBDIR)/
	ln -sf libleat.so.$(VERSION) \
		$(DESTDIR)$(LIBDIR)/libleat.so.$(SOVERSION)
	ln -sf libleat.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libleat.so
	$(INSTALL) -m 644 $(BUILD)/leat.pc $(DESTDIR)$(PCDIR)/
	$(INSTALL) -m 644 $(MAN3) $(DESTDIR)$(MANDIR)/man3/
	@[ -n '$(DESTDIR)' ] || ldconfig 2>/dev/null || \
		echo 'The library is in $(LIBDIR); ldconfig was not run.'

uninstall:
	rm -f $(DESTDIR)$(INCDIR)/leat.h \
		$(HEADERS:include/%=$(DESTDIR)$(INCDIR)/%) \
		$(DESTDIR)$(LIBDIR)/libleat.a \
		$(DESTDIR)$(LIBDIR)/libleat.so \
		$(DESTDIR)$(LIBDIR)/libleat.so.$(SOVERSION) \
		$(DESTDIR)$(LIBDIR)/libleat.so.$(VERSION) \
		$(DESTDIR)$(PCDIR)/leat.pc \
		$(MAN3:man/%=$(DESTDIR)$(MANDIR)/man3/%)
	-rmdir $(DESTDIR)$(INCDIR)/leat

# Packages.

deps:
	@.ci/deps $(DEPS_LIB) $(DEPS_TEST) $(DEPS_DEMOS)
deps-lint:
	@.ci/deps $(DEPS_LINT)
deps-coverage:
	@.ci/deps $(DEPS_COVERAGE)
deps-aarch64:
	@.ci/deps $(DEPS_AARCH64)
deps-ci:
	@.ci/deps $(DEPS_CI) $(DEPS_LINT) $(DEPS_COVERAGE) $(DEPS_AARCH64)

# Tiers. Each sanitizer has its own build folder. -O1 keeps stacks readable.
#
#   make test-asan	tests under AddressSanitizer
#   make test-ubsan	tests under UndefinedBehaviorSanitizer
#   make test-tsan	tests under ThreadSanitizer
#   make test-fault	every resource call made to fail in turn
#   make test-clang	tests, compiled by clang (after make deps-ci)
#   make test-long	the long versions
#   make test-aarch64	tests under qemu-user (after make deps-aarch64)
#   make coverage	lines that the tests run (after make deps-coverage)
#   make lint	format, layers, analysers (after make deps-lint)
#   make clean	remove what was built

ASAN	:= -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	   -fno-omit-frame-pointer
UBSAN	:= -fsanitize=undefined -fno-sanitize-recover=undefined
TSAN	:= -fsanitize=thread -fno-omit-frame-pointer
tier	= +@LEAT_LOG=$(BUILD)/log MAKE='$(MAKE)' tests/tier
variant	= CFLAGS='-O1 -g' HARDEN= $(MAKE) --no-print-directory

test: lib
	$(tier) $(TESTS)
test-asan:
	+@LEAT_REPORTS=$(CURDIR)/$(BUILD)/asan/reports $(variant) \
		BUILD=$(BUILD)/asan SAN='$(ASAN)' tier TIER='$(TESTS_ASAN)'
test-ubsan:
	+@LEAT_REPORTS=$(CURDIR)/$(BUILD)/ubsan/reports $(variant) \
		BUILD=$(BUILD)/ubsan SAN='$(UBSAN)' tier TIER='$(TESTS_ASAN)'
test-tsan:
	+@LEAT_REPORTS=$(CURDIR)/$(BUILD)/tsan/reports $(variant) \
		BUILD=$(BUILD)/tsan SAN='$(TSAN)' tier TIER='$(TESTS_TSAN)'
test-fault: lib
	$(tier) $(TESTS_FAULT)
test-clang:
	+@$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=clang-14 \
		CXX=clang++-14 tier TIER='$(TESTS_CLANG)'
test-long: lib
	$(tier) $(TESTS_LONG)
tier: lib
	$(tier) $(TIER)

# CK's headers of an x86 Debian differ from those of an arm64 one in a single
# fact that matters: the memory model that ck_md.h states.
AARCH64	:= aarch64-linux-gnu
QEMU	:= qemu-aarch64 -L /usr/$(AARCH64)
test-aarch64: $(BUILD)/aarch64/ck/ck_md.h
	+@LEAT_WRAP='$(QEMU)' LEAT_SLOW=10 $(MAKE) --no-print-directory \
		BUILD=$(BUILD)/aarch64 CC=$(AARCH64)-gcc AR=$(AARCH64)-ar \
		CKINC='-isystem $(BUILD)/aarch64/ck' \
		tier TIER='$(filter-out $(TESTS_NATIVE),$(TESTS_TSAN))'

$(BUILD)/aarch64/ck/ck_md.h: /usr/include/ck_md.h
	@mkdir -p $(@D)
	cp -r /usr/include/ck_*.h /usr/include/gcc /usr/include/spinlock $(@D)
	sed 's/CK_MD_TSO/CK_MD_RMO/' $< >$@
	grep -q 'define CK_MD_RMO' $@

lint:
	@CC='$(CC)' tests/lint

# Tests of what is not built here, or runs as somebody else, count no lines.
# Those at random cover nothing that the others do not, or not every time.
COVERING = $(filter-out test-demos test-abi test-header test-install \
	   test-self test-stress%, $(TESTS)) test-abi-sizes test-demos-plain
coverage:
	@rm -rf $(BUILD)/cov
	+@$(variant) BUILD=$(BUILD)/cov \
		SAN='-O0 --coverage -fprofile-update=atomic' \
		tier TIER='$(COVERING) $(TESTS_FAULT)'
	@gcovr --root . --object-directory $(BUILD)/cov \
		--filter 'queues/' --filter 'stages/' --print-summary \
		--fail-under-line 95 --txt $(BUILD)/cov/report.txt || \
		{ cat $(BUILD)/cov/report.txt; exit 1; }

clean:
	rm -rf $(BUILD)

# What the comments of this file and of the fragments say of targets.
help:
	@sed -n 's/^#   make/make/p' $(filter Makefile %.mk,$(MAKEFILE_LIST)) | \
		awk -F '\t+' 'NF < 2 { print "   " $$0; next } \
			{ printf "   %-25s%s\n", $$1, $$2 } \
			END { print "   .ci/run                  " \
				"everything that a change must pass" }'

FORCE:

.PHONY: all lib install uninstall clean help lint coverage tier test \
	test-asan test-ubsan test-tsan test-clang test-fault test-long \
	test-aarch64 deps deps-lint deps-coverage deps-aarch64 deps-ci FORCE

-include $(LIB_OBJ:.o=.d)

endif
