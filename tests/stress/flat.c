/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flat [-n ITEMS]
 *
 * Memory stays flat: over the last nine tenths of the items that go through a
 * chain, with order, retries and keys, it grows by less than a megabyte.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/stress/lab.h"

#define GROWTH (1 << 20)

static uint64_t items = 1000000;
static uint64_t sum;

static size_t in_use(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static int count(void *in, void **out, leat_worker *w)
{
	(void)in;
	if (leat_seq(w) == items)
		return LEAT_END;
	*out = (void *)(uintptr_t)(leat_seq(w) + 1);
	return 0;
}

static int pass(void *in, void **out, leat_worker *w)
{
	uint64_t n = (uint64_t)(uintptr_t)in;

	if (n % 1000 == 0 && leat_attempt(w) == 0)
		return -EIO;
	*out = in;
	return 0;
}

/* A mean function: bursts of more outputs than inputs, in order. */
static int burst(void *in, void **out, leat_worker *w)
{
	uint64_t n = (uint64_t)(uintptr_t)in;

	for (uint64_t i = 0; n % 1000 == 0 && i < 600; i++)
		leat_emit(w, in);
	*out = in;
	return n % 1000 == 0 ? LEAT_DROP : 0;
}

static uint64_t key(const void *in, void *arg)
{
	(void)arg;
	return (uint64_t)(uintptr_t)in % 64;
}

static int add(void *in, void **out, leat_worker *w)
{
	static uint64_t at_tenth;
	uint64_t n = tick(&sum, 1);

	(void)in;
	(void)out;
	(void)w;
	if (n == items / 10)
		poke(&at_tenth, in_use());
	if (n > items / 10 + 1000 && n % (items / 20) == 0)
		must("flat", in_use() < peek(&at_tenth) + GROWTH,
			"grew from %" PRIu64 " to %zu bytes after %" PRIu64
			" items",
			peek(&at_tenth), in_use(), n);
	return 0;
}

int main(int argc, char **argv)
{
	const leat_stage rows[] = {
		{.name = "count", .source = count, .free_out = leat_keep},
		{.name = "retried",
			.fn = pass,
			.workers = 2,
			.retries = 1,
			.flags = LEAT_ORDERED,
			.backoff_ns = 1000},
		{.name = "burst",
			.fn = burst,
			.workers = 3,
			.flags = LEAT_ORDERED},
		{.name = "keyed",
			.fn = pass,
			.workers = 2,
			.key = key,
			.retries = 1},
		{.name = "add", .fn = add, .workers = 2},
	};
	uint64_t want;
	int opt, rc;

	while ((opt = getopt(argc, argv, "n:")) != -1) {
		if (opt != 'n')
			return 2;
		items = strtoull(optarg, NULL, 0);
	}
	rc = leat_run(rows, sizeof(rows) / sizeof(*rows), NULL);
	want = items + items / 1000 * 599;
	must("flat", rc == 0, "run returned %d", rc);
	must("flat", sum == want, "%" PRIu64 " came out, not %" PRIu64, sum,
		want);
	printf("%" PRIu64 " items, memory flat\n", sum);
	return 0;
}
