# SPDX-License-Identifier: BSD-2-Clause
#
#   make demos	build all demos
#   make demo-compare	the main job beside processes and the plain loop
#   make test-demos	run every demo and compare with the serial result
#   make test-memcheck	the same under valgrind (after make deps-ci)

DEPS_DEMOS := libjpeg62-turbo-dev libpng-dev libwebp-dev

# Where the programs go: beside their sources, but for special builds.
DEMO_BIN := $(if $(filter build,$(BUILD)),demos,$(BUILD)/demos/bin)
DEMO_OUT := $(BUILD)/demo
DEMO_PLAIN := $(addprefix $(DEMO_BIN)/,wordcount ordered assembly)
DEMO_IMAGE := $(addprefix $(DEMO_BIN)/,thumbs photo samples)
DEMO_IMAGE_O := $(patsubst %.c,$(BUILD)/%.o,$(wildcard demos/image/*.c))

# Asked only when a demo with images is built: the library needs no images.
IMAGE_PKGS := libjpeg libpng libwebp libwebpdemux
IMAGE_CFLAGS = $(shell pkg-config --cflags $(IMAGE_PKGS))
IMAGE_LIBS = $(shell pkg-config --libs $(IMAGE_PKGS)) -lm

TESTS += test-demos
TESTS_ASAN += test-demos
TESTS_CLANG += test-demos
TESTS_LONG += test-memcheck
TESTS_TSAN += test-demos-plain
TESTS_TSAN += test-thumbs
# There are no image libraries for the processor that qemu plays.
TESTS_NATIVE += test-thumbs

demos: $(DEMO_PLAIN) $(DEMO_IMAGE)

$(DEMO_IMAGE_O) $(BUILD)/demos/samples.o: ALL_CFLAGS += $(IMAGE_CFLAGS)
$(BUILD)/demos/image/shrink.o: ALL_CFLAGS += -O3

$(DEMO_PLAIN): $(DEMO_BIN)/%: $(BUILD)/demos/%.o $(LIB_A)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^

$(DEMO_IMAGE): $(DEMO_BIN)/%: $(BUILD)/demos/%.o $(DEMO_IMAGE_O) $(LIB_A)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(IMAGE_LIBS)

$(DEMO_OUT)/photo.jpg: demos/photo.c | $(DEMO_BIN)/photo
	@mkdir -p $(@D)
	@echo "Making $@, a photograph of 6000 x 4000 pixels."
	@$(DEMO_BIN)/photo $@.new && mv $@.new $@

demo: $(DEMO_BIN)/thumbs $(DEMO_OUT)/photo.jpg
	@rm -rf $(DEMO_OUT)/thumbnails
	@echo "100 thumbnails, of 100 to 2080 pixels, of $(DEMO_OUT)/photo.jpg:"
	@$(DEMO_BIN)/thumbs --both --each -v -s 100-2080:20 \
		-o $(DEMO_OUT)/thumbnails $(DEMO_OUT)/photo.jpg

demo-compare: $(DEMO_BIN)/thumbs $(DEMO_OUT)/photo.jpg
	@demos/compare $(DEMO_BIN) $(DEMO_OUT)

test-demos: test-demos-plain test-thumbs

test-demos-plain: $(DEMO_PLAIN)
	@$(RUN) $(DEMO_PLAIN) '$(DEMO_BIN)/wordcount /dev/null' \
		'demos/test-usage $(DEMO_PLAIN)'

test-thumbs: $(DEMO_IMAGE)
	@$(RUN) -t 300 'demos/test-thumbs $(DEMO_BIN)'

# Under valgrind: leaks, and what the sanitizers cannot see into the image
# libraries. Threads take turns fairly, or one that waits would starve.
# libjpeg-turbo's vector code reads past the end of its own rows, which
# memcheck cannot know to be harmless: JSIMD_FORCENONE does without it.
MEMCHECK := valgrind -q --fair-sched=yes --leak-check=full \
	--errors-for-leak-kinds=definite,possible --error-exitcode=9
CARDS := $(DEMO_OUT)/cards
CARDS_CHECKED := --both -j 2 -s 160,81 -o $(DEMO_OUT)/checked $(CARDS)
test-memcheck: demos
	@rm -rf $(CARDS) $(DEMO_OUT)/checked && mkdir -p $(CARDS)
	@$(DEMO_BIN)/samples make $(CARDS)
	@JSIMD_FORCENONE=1 LEAT_WRAP='$(MEMCHECK)' $(RUN) $(DEMO_PLAIN) \
		'$(DEMO_BIN)/thumbs $(CARDS_CHECKED)'

.PHONY: demos demo demo-compare test-demos test-demos-plain test-thumbs \
	test-memcheck

-include $(wildcard $(BUILD)/demos/*.d $(BUILD)/demos/image/*.d)
