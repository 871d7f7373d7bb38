# SPDX-License-Identifier: BSD-2-Clause
#
# What the headers promise to C++ users, used.

TESTS += test-cxx
TESTS_ASAN += test-cxx
TESTS_CLANG += test-cxx

CXX_BIN	:= $(BUILD)/tests/cxx
CXX_TESTS := $(CXX_BIN)/ended $(CXX_BIN)/fan $(CXX_BIN)/throw

$(CXX_TESTS): $(CXX_BIN)/%: tests/cxx/%.cpp $(LIB_A) $(HEADERS)
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) -std=c++11 -Wall -Wextra -Wpedantic -Wshadow -Werror -O2 -g \
		-Iinclude -o $@ $< $(LIB_A) $(ALL_LDFLAGS)

test-cxx: $(CXX_TESTS)
	@$(RUN) $(CXX_TESTS)

.PHONY: test-cxx
