/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * assembly: chairs are made of planks.
 *
 *	fetch -> inspect x2 -> saw x2 -> paint x4 -> join x2, by chair -> pack
 *
 * inspect is a filter: cracked planks go no further. saw is a splitter: a
 * plank becomes five parts. paint fails now and then, since the nozzle
 * clogs, and is tried again; a part that defies all attempts is laid aside.
 * join keeps parts until a chair is complete.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "twin.h"

enum { PLANKS = 2000, PARTS = 5, RETRIES = 3, JOINERS = 2 };
enum { CLOGGED = -1000 };

struct part {
	int chair, number; /* number 0 of the plank itself */
};

/* What happens to the wood, decided by nothing but its number: a plain loop
 * and the chain must then make the same chairs. */
static unsigned grain(int chair, int number)
{
	unsigned x = (chair * 8u + number + 1) * 2654435761u;

	return (x ^ x >> 15) * 2246822519u >> 16;
}

static int is_cracked(int chair)
{
	return grain(chair, 0) % 7 == 0;
}

/* How many attempts at painting a part fail. */
static int clogs(int chair, int number)
{
	unsigned g = grain(chair, number);

	return g % 500 == 0 ? RETRIES + 1 : g % 9 == 0 ? 1 : 0;
}

struct yard {
	atomic_int refused, laid_aside, painted_again, chairs;
	atomic_uint checksum;
};

static void chair_count(struct yard *yard, int chair)
{
	atomic_fetch_add(&yard->chairs, 1);
	atomic_fetch_add(&yard->checksum, grain(chair, 7));
}

static struct part *part_new(int chair, int number)
{
	struct part *part = malloc(sizeof(*part));

	if (part != NULL)
		*part = (struct part){chair, number};
	return part;
}

static int fetch(void *in, void **out, leat_worker *w)
{
	(void)in;
	if (leat_seq(w) == PLANKS)
		return LEAT_END;
	*out = part_new((int)leat_seq(w), 0);
	return *out != NULL ? 0 : -ENOMEM;
}

static int inspect(void *in, void **out, leat_worker *w)
{
	struct yard *yard = leat_arg(w);
	struct part *plank = in;

	if (is_cracked(plank->chair)) {
		atomic_fetch_add(&yard->refused, 1);
		return LEAT_DROP;
	}
	*out = plank;
	return 0;
}

static int saw(void *in, void **out, leat_worker *w)
{
	struct part *plank = in;

	(void)out;
	for (int i = 1; i <= PARTS; i++) {
		struct part *part = part_new(plank->chair, i);

		if (part == NULL)
			return -ENOMEM;
		leat_emit(w, part);
	}
	return LEAT_DROP;
}

static int paint(void *in, void **out, leat_worker *w)
{
	struct yard *yard = leat_arg(w);
	struct part *part = in;

	if ((int)leat_attempt(w) < clogs(part->chair, part->number))
		return leat_error(w, CLOGGED, "the nozzle is clogged");
	if (leat_attempt(w) > 0)
		atomic_fetch_add(&yard->painted_again, 1);
	*out = part;
	return 0;
}

/* The dead letters of paint: the chair will lack a part. */
static int lay_aside(void *item, const leat_report *report, void *arg)
{
	struct yard *yard = arg;

	(void)item;
	(void)report;
	atomic_fetch_add(&yard->laid_aside, 1);
	return 0;
}

static uint64_t chair_of(const void *item, void *arg)
{
	(void)arg;
	return ((const struct part *)item)->chair;
}

static int bench_open(void **bench, leat_worker *w)
{
	*bench = calloc(PLANKS, 1);
	return *bench != NULL ? 0 : leat_error(w, -ENOMEM, "out of memory");
}

/* All parts of a chair come to the same worker and its bench. */
static int join(void *in, void **out, leat_worker *w)
{
	unsigned char *bench = leat_state(w);
	struct part *part = in;

	if (++bench[part->chair] < PARTS)
		return LEAT_DROP;
	*out = part;
	return 0;
}

static int pack(void *in, void **out, leat_worker *w)
{
	(void)out;
	chair_count(leat_arg(w), ((struct part *)in)->chair);
	return 0;
}

static int by_chain(struct yard *yard)
{
	leat_stage rows[] = {
		{.name = "fetch", .source = fetch, .free_out = free},
		{"inspect", inspect, .arg = yard, .workers = 2},
		{"saw", saw, .workers = 2},
		{"paint", paint, .arg = yard, .workers = 4,
			.on_error = LEAT_SKIP, .retries = RETRIES,
			.backoff_ns = 100 * LEAT_US},
		{"join", join, .key = chair_of, .workers = JOINERS,
			.open = bench_open, .close = free},
		{"pack", pack, .arg = yard, .workers = 1},
	};
	leat_report report;
	leat_opts opts = {
		.failed = lay_aside, .failed_arg = yard, .report = &report};
	int rc = leat_run(rows, 6, &opts);

	if (rc == CLOGGED) /* of a part that was laid aside */
		return 0;
	if (rc < 0)
		fprintf(stderr, "assembly: %s: %s\n", report.stage,
			report.text);
	return rc;
}

static void by_loop(struct yard *yard)
{
	for (int chair = 0; chair < PLANKS; chair++) {
		int lost = 0;

		if (is_cracked(chair)) {
			yard->refused++;
			continue;
		}
		for (int i = 1; i <= PARTS; i++) {
			int n = clogs(chair, i);

			lost += n > RETRIES;
			yard->painted_again += n > 0 && n <= RETRIES;
		}
		yard->laid_aside += lost;
		if (lost == 0)
			chair_count(yard, chair);
	}
}

int main(void)
{
	struct yard chain = {0}, loop = {0};
	int rc = by_chain(&chain);

	by_loop(&loop);
	printf("%d planks: %d cracked; %d parts painted again, %d laid aside; "
	       "%d chairs\n",
		PLANKS, chain.refused, chain.painted_again, chain.laid_aside,
		chain.chairs);
	if (rc < 0)
		return 1;
	if (chain.chairs != loop.chairs || chain.checksum != loop.checksum ||
		chain.refused != loop.refused ||
		chain.painted_again != loop.painted_again ||
		chain.laid_aside != loop.laid_aside) {
		fprintf(stderr, "assembly: a plain loop makes %d chairs\n",
			loop.chairs);
		return 1;
	}
	printf("a plain loop makes the same %d chairs\n", loop.chairs);
	return printed("assembly");
}
