# SPDX-License-Identifier: BSD-2-Clause
#
#   make deps     install what is needed, from Debian's packages
#   make          build the library
#   make demo     the main job: 100 thumbnails of one large photograph
#   make test     all tests that a change must pass
#
# Each folder with targets of its own has a fragment, *.mk, included below.

VERSION	:= 0.1.0
SOVERSION := 0

CC	?= gcc
CXX	?= g++
CFLAGS	?= -O2 -g
WARN	:= -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	   -Wmissing-prototypes -Wvla -Wno-missing-field-initializers
HARDEN	?= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
LDHARDEN ?= -Wl,-z,relro,-z,now
# SAN, set by the sanitizer targets: compiles everything with it.
SAN	?=
# BUILD: where everything that is built goes; one folder per variant.
BUILD	?= build

ALL_CFLAGS = -std=gnu11 -pthread -fPIC -fvisibility=hidden -fexceptions \
	     $(WARN) $(HARDEN) $(CFLAGS) $(SAN) -Iinclude -MMD -MP
ALL_LDFLAGS = -pthread $(LDHARDEN) $(LDFLAGS) $(SAN)

LIB_SRC	:= $(wildcard queues/*.c stages/*.c)
LIB_OBJ	:= $(LIB_SRC:%.c=$(BUILD)/%.o)
LIB_A	:= $(BUILD)/libleat.a
LIB_SO	:= $(BUILD)/libleat.so.$(VERSION)

all: lib

lib: $(LIB_A) $(LIB_SO)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -I. -DLEAT_VERSION='"$(VERSION)"' -c -o $@ $<

$(LIB_A): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(LIB_SO): $(LIB_OBJ)
	$(CC) -shared -Wl,-soname,libleat.so.$(SOVERSION) \
		$(ALL_LDFLAGS) -o $@ $^
	@ln -sf $(@F) $(BUILD)/libleat.so.$(SOVERSION)
	@ln -sf $(@F) $(BUILD)/libleat.so

clean:
	rm -rf build

.PHONY: all lib clean

include $(wildcard demos/*.mk tests/*.mk tests/*/*.mk)

-include $(LIB_OBJ:.o=.d)
