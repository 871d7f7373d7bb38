/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include "queues/sized.h"
#include "stages/chain.h"

/* Every tally is a row of counters in the same order, so they add up alike. */
#define TALLIES (sizeof(struct tally) / sizeof(uint64_t))

static struct tally add_up(const struct stage *s)
{
	uint64_t sum[TALLIES] = {0};
	struct tally t;

	for (uint32_t i = 0; i < s->workers; i++) {
		const uint64_t *one = (const uint64_t *)&s->worker[i].tally;

		for (size_t k = 0; k < TALLIES; k++)
			sum[k] += load_relaxed(&one[k]);
	}
	memcpy(&t, sum, sizeof(t));
	return t;
}

static void add_queues(const struct edge *e, leat_counts *counts)
{
	leat_queue_counts q;

	for (uint32_t i = 0; i < e->n; i++) {
		leat_queue_stats(e->queue[i], &q);
		counts->depth += q.depth;
		counts->high_water += q.high_water;
		counts->capacity += q.capacity;
	}
}

static leat_counts count(const struct stage *s)
{
	struct tally t = add_up(s);
	leat_counts c = {
		.workers = s->workers,
		.taken = t.taken,
		.done = t.done,
		.dropped = t.dropped,
		.failed = t.failed,
		.cancelled = t.cancelled,
		.retried = t.retried,
		.gave = t.gave,
		.freed = t.freed,
		.busy_ns = t.busy_ns,
		.blocked_in_ns = t.blocked_in_ns,
		.blocked_out_ns = t.blocked_out_ns,
	};

	snprintf(c.stage, sizeof(c.stage), "%s", s->row.name);
	add_queues(s->in, &c);
	return c;
}

size_t leat_stats_sized(
	leat_chain *c, leat_counts *counts, size_t n, size_t size)
{
	unsigned char *to = (unsigned char *)counts;

	for (size_t i = 0; i < n && i < c->n; i++) {
		leat_counts one = count(&c->stage[i]);

		sized_give(to + i * size, size, &one, sizeof(one));
	}
	return c->n;
}
