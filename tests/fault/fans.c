/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fans [PROGRAM]: programs of calls, each run again and again while the first,
 * second, third ... use of a resource fails, until none is left to fail: that
 * use alone, then all from there on. A call may be refused for want of memory,
 * or fail with it; then nothing of it is seen. All others are as they should
 * be, and nothing is left behind.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <leat.h>
#include "tests/fault/fault.h"

enum { CALLS = 100, FEW = 30, LONG_KEY = 40, BIG = 600000, FAILING = 7 };

#define CHECK(cond)                                                        \
	do {                                                               \
		if (!(cond)) {                                             \
			printf("%s, use %" PRIu64 ": line %d: %s\n", name, \
				use, __LINE__, #cond);                     \
			exit(1);                                           \
		}                                                          \
	} while (0)

static const char *name; /* of the program that runs */
static uint64_t use;	 /* that fails */
static uint64_t cell[CALLS], applied[CALLS];
static uint64_t args_there;

struct arg {
	uint64_t n;
	unsigned char fill[56];
};

static void apply(void *table, const void *value, size_t size)
{
	uint64_t *count = table;

	(void)value;
	*count += size;
}

static int run(void *in, void *out, leat_worker *w)
{
	const struct arg *arg = in;
	uint64_t n = arg->n;
	int lost = 0;

	for (uint64_t i = 0; n % 3 == 0 && i < 20; i++)
		lost |= leat_put(w, &cell[n], &n, sizeof(n));
	if (n % 3 == 0)
		lost |= leat_apply(w, apply, &applied[n], &n, 1);
	CHECK(lost == 0 || lost == -ENOMEM);
	if (n % FAILING == 5)
		return leat_error(w, -EIO, "call %d fails", (int)n);
	memcpy(out, &n, sizeof(n));
	return 0;
}

static void free_arg(void *arg)
{
	__atomic_sub_fetch(&args_there, 1, __ATOMIC_RELAXED);
	free(arg);
}

static leat_key key_of(uint64_t n, char *buffer)
{
	if (n % 2)
		return leat_u64(n);
	memset(buffer, 'k', LONG_KEY);
	sprintf(buffer + LONG_KEY, "%" PRIu64, n);
	return leat_str(buffer);
}

/* A call is made by one of several ways. It returns what the fan did. */
static int make(leat_fan *fan, uint64_t n, uint64_t *slot, leat_handle **h)
{
	struct arg arg = {.n = n}, *far;
	leat_call_opts opts = {0};
	char buffer[64];
	leat_key key = key_of(n, buffer);
	int rc;

	opts.slot = n % 5 == 0 ? slot : NULL;
	opts.handle = n % 4 == 0 ? h : NULL;
	if (n % 8 < 6)
		return leat_call_with(fan, key, &arg, sizeof(arg), &opts);
	far = malloc(sizeof(*far));
	CHECK(far != NULL);
	*far = arg;
	__atomic_add_fetch(&args_there, 1, __ATOMIC_RELAXED);
	rc = leat_call_with(fan, key, far, 0, &opts);
	if (rc < 0)
		free_arg(far);
	return rc;
}

static void check_result(leat_fan *fan, uint64_t n, int made, uint64_t slot)
{
	bool is_slot = n % 5 == 0;
	char buffer[64];
	void *out;
	int rc = leat_result(fan, key_of(n, buffer), &out);
	bool ran = rc == 0 || (is_slot && rc == -ENOENT && made == 0);

	if (made < 0) {
		CHECK(made == -ENOMEM && rc == -ENOENT);
	} else if (!ran) {
		CHECK(rc == -EIO || rc == -ENOMEM);
		CHECK(rc != -EIO || n % FAILING == 5);
	} else if (!is_slot) {
		CHECK(memcmp(out, &n, sizeof(n)) == 0);
	}
	ran = ran && made == 0;
	CHECK(slot == (ran && is_slot ? n : UINT64_MAX));
	CHECK(cell[n] == (ran && n % 3 == 0 ? n : UINT64_MAX));
	CHECK(applied[n] == (ran && n % 3 == 0));
}

static void check_texts(leat_fan *fan)
{
	leat_done done = {0};
	char text[32];

	while (leat_each(fan, &done) == 0) {
		snprintf(text, sizeof(text), "call %d fails", (int)done.seq);
		CHECK(done.code == 0 || done.code == -ENOMEM ||
			strncmp(done.text, "call ", 5) == 0 ||
			strcmp(done.text, leat_strerror(done.code)) == 0);
	}
}

/* Slots are as wide as outputs, and only their first word is looked at. */
static void waves(const leat_fan_opts *opts, uint64_t calls)
{
	size_t wide = opts->out_size / sizeof(uint64_t);
	uint64_t *slot = malloc(calls * opts->out_size);
	leat_handle *handle[CALLS] = {0};
	int made[CALLS];
	leat_fan *fan;
	int rc = leat_fan_open(&fan, opts);

	CHECK(slot != NULL);
	CHECK(rc == 0 || rc == -ENOMEM || rc == -EAGAIN);
	for (int wave = 0; wave < 2 && rc == 0; wave++) {
		memset(cell, 0xFF, sizeof(cell));
		memset(applied, 0, sizeof(applied));
		for (uint64_t n = 0; n < calls; n++) {
			slot[n * wide] = UINT64_MAX;
			made[n] = make(fan, n, &slot[n * wide], &handle[n]);
		}
		leat_fan_wait(fan);
		for (uint64_t n = 0; n < calls; n++)
			check_result(fan, n, made[n], slot[n * wide]);
		check_texts(fan);
		for (uint64_t n = 0; n < calls; n += 8) {
			if (made[n] == 0)
				leat_handle_free(handle[n]);
		}
		leat_fan_clear(fan);
	}
	leat_fan_close(fan);
	free(slot);
}

static void next(const leat_fan_opts *opts, uint64_t calls)
{
	leat_done done = {0};
	uint64_t made = 0, given = 0;
	leat_fan *fan;
	int rc = leat_fan_open(&fan, opts);

	CHECK(rc == 0 || rc == -ENOMEM || rc == -EAGAIN);
	for (uint64_t n = 0; n < calls && rc == 0; n++) {
		struct arg arg = {.n = n};

		made += leat_call(fan, leat_u64(n), &arg, sizeof(arg)) == 0;
	}
	while (rc == 0 && leat_next(fan, &done) == 0)
		given++;
	CHECK(given == made);
	leat_fan_close(fan);
}

typedef void program(const leat_fan_opts *opts, uint64_t calls);

static uint64_t fail_each(enum fault_mode mode, program *p,
	const leat_fan_opts *opts, uint64_t calls)
{
	uint64_t hits = 1;

	for (use = 1; hits > 0; use++) {
		fault_arm(mode, use);
		p(opts, calls);
		hits = fault_disarm();
		CHECK(fault_left() == 0);
		CHECK(args_there == 0);
	}
	return use - 2;
}

static void each(
	const char *what, program *p, const leat_fan_opts *opts, uint64_t calls)
{
	uint64_t once, from;

	name = what;
	once = fail_each(FAULT_ONCE, p, opts, calls);
	from = fail_each(FAULT_FROM, p, opts, calls);
	printf("%s: %" PRIu64 " and %" PRIu64 " uses failed\n", what, once,
		from);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	leat_fan_opts plain = {
		.fn = run, .out_size = 8, .free_in = free_arg, .workers = 2};
	leat_fan_opts roomy = plain, large = plain, single = plain;
	int only = argc > 1 ? atoi(argv[1]) : -1;

	roomy.retries = 1;
	roomy.in_size = sizeof(struct arg);
	roomy.key_size = 64;
	large.out_size = BIG;
	single.flags = LEAT_FAN_NEXT;
	if (only < 0 || only == 0)
		each("waves", waves, &plain, CALLS);
	if (only < 0 || only == 1)
		each("roomy records, retries", waves, &roomy, CALLS);
	if (only < 0 || only == 2)
		each("many slabs", waves, &large, FEW);
	if (only < 0 || only == 3)
		each("as completed", next, &single, CALLS);
	printf("%d passed, 0 failed\n", only < 0 ? 4 : 1);
	return 0;
}
