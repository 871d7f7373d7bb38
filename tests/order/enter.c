/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers that wait for their turn in an order, all of them all the time. A
 * wake for the next one that somebody else took would stop them for ever. Both
 * ways to finish a run are mixed: entering, and giving.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include "queues/order.h"

#define WORKERS	  6
#define POSITIONS 20000
#define SIZE	  64

static struct order o;
static struct park credit;
static bool all;	/* enter, never give */
static uint64_t handed; /* under the order's lock */
static uint64_t wrong;

static void sink(void *ctx, void *const *items, size_t m)
{
	(void)ctx;
	for (size_t i = 0; i < m; i++)
		if ((uint64_t)(uintptr_t)items[i] != handed++)
			wrong++;
}

static void finish(uint64_t pos, bool enter)
{
	void *item = (void *)(uintptr_t)pos;

	if (!enter) {
		order_give(&o, pos, 1, &item, 1, sink, NULL);
	} else if (order_enter(&o, pos) == 0) {
		sink(NULL, &item, 1);
		order_leave(&o, pos, 1, sink, NULL);
	}
}

/* Worker i has the positions i, i + WORKERS, ..., so nobody can go on alone. */
static void *work(void *arg)
{
	uint64_t first = *(const uint64_t *)arg;

	for (uint64_t pos = first; pos < POSITIONS; pos += WORKERS) {
		while (pos >= order_limit(&o))
			sched_yield();
		finish(pos, all || pos % 5 != 0);
	}
	return NULL;
}

static void run(void)
{
	pthread_t thread[WORKERS];
	uint64_t first[WORKERS];

	handed = 0;
	if (order_init(&o, SIZE, &credit) < 0)
		exit(1);
	for (int i = 0; i < WORKERS; i++)
		first[i] = (uint64_t)i;
	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&thread[i], NULL, work, &first[i]) != 0)
			exit(1);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
	if (handed != POSITIONS || wrong != 0) {
		fprintf(stderr, "%llu of %d handed on, %llu out of order\n",
			(unsigned long long)handed, POSITIONS,
			(unsigned long long)wrong);
		exit(1);
	}
	order_fini(&o, sink, NULL);
}

int main(void)
{
	for (int i = 0; i < 4; i++) {
		all = i % 2;
		run();
	}
	return 0;
}
