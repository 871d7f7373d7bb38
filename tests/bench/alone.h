/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue alone: job.workers producers, as many consumers, each with its share
 * of the items, job.k of them at a time. What includes this has
 *
 *	void alone_open(void)
 *	void alone_push(const uint64_t *x, unsigned n)	waits for room
 *	unsigned alone_pop(uint64_t *x, unsigned max)	waits for one
 */
#ifndef ALONE_H
#define ALONE_H

#include <pthread.h>
#include <sched.h>

#include "bench.h"

#define ALONE_BULK 1024
#define SPINS	   10

static void alone_open(void);
static void alone_push(const uint64_t *x, unsigned n);
static unsigned alone_pop(uint64_t *x, unsigned max);

/* relax is how one waits for a queue that does not wait: as leat's do, but
 * without sleep. */
HELPER void relax(unsigned *tries)
{
	if (++*tries > SPINS)
		sched_yield();
#if defined(__x86_64__)
	else
		__builtin_ia32_pause();
#endif
}

struct hand {
	pthread_t thread;
	uint64_t first, end, sum;
};

HELPER unsigned bulk(uint64_t left)
{
	return left < job.k ? (unsigned)left : job.k;
}

/* The hands share cache lines: what changes is kept apart from them. */
static void *produce(void *arg)
{
	const struct hand *h = (struct hand *)arg;
	uint64_t x[ALONE_BULK], end = h->end;

	for (uint64_t i = h->first; i < end;) {
		unsigned n = bulk(end - i);

		for (unsigned j = 0; j < n; j++)
			x[j] = i + j + 1;
		alone_push(x, n);
		i += n;
	}
	return NULL;
}

static void *consume(void *arg)
{
	struct hand *h = (struct hand *)arg;
	uint64_t x[ALONE_BULK], left = h->end - h->first, total = 0;

	while (left) {
		unsigned n = alone_pop(x, bulk(left));

		for (unsigned j = 0; j < n; j++)
			total += x[j];
		left -= n;
	}
	h->sum = total;
	return NULL;
}

static void alone(void)
{
	unsigned n = job.workers;
	struct hand *hands = (struct hand *)calloc(2 * n, sizeof(*hands));

	alone_open();
	begin();
	for (unsigned t = 0; t < 2 * n; t++) {
		hands[t].first = job.n * (t / 2) / n;
		hands[t].end = job.n * (t / 2 + 1) / n;
		pthread_create(&hands[t].thread, NULL,
			t % 2 ? consume : produce, &hands[t]);
	}
	for (unsigned t = 0; t < 2 * n; t++) {
		pthread_join(hands[t].thread, NULL);
		sum += hands[t].sum;
	}
	end();
	free(hands);
}

HELPER int alone_main(int argc, char **argv)
{
	static const struct workload table[] = {{"queue", alone}, {NULL, NULL}};

	return bench(argc, argv, table);
}

#endif
