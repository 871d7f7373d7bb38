/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stages that wait for an earlier one: a thread that has come along to run a
 * light stage may be the very one that the function there waits for. The
 * chain must go on all the same, and do what the serial loop does.
 *
 *	waits [-t SECONDS]
 */
#include <leat.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ITEMS 20000
#define WAITS 8	  /* how often a function waits */
#define AHEAD 500 /* for the source to be so many items ahead */
#define ROWS  4
#define LIMIT 60 /* seconds for one chain */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static uint64_t made; /* by the source, under the lock */
static uint64_t sum;

static void advance(uint64_t to)
{
	pthread_mutex_lock(&lock);
	made = to;
	pthread_cond_broadcast(&moved);
	pthread_mutex_unlock(&lock);
}

static void wait_for(uint64_t at)
{
	uint64_t want = at < ITEMS ? at : ITEMS;

	pthread_mutex_lock(&lock);
	while (made < want)
		pthread_cond_wait(&moved, &lock);
	pthread_mutex_unlock(&lock);
}

static int source(void *in, void **out, leat_worker *w)
{
	uint64_t i = leat_seq(w);

	(void)in;
	if (i == ITEMS) {
		advance(ITEMS);
		return LEAT_END;
	}
	if (i % 64 == 0)
		advance(i);
	*out = (void *)(uintptr_t)(i + 1);
	return 0;
}

/* The row whose number is in arg waits now and then, after a run of items
 * that were light. */
static int pass(void *in, void **out, leat_worker *w)
{
	uint64_t i = (uintptr_t)in - 1;

	if (*(const int *)leat_arg(w) &&
		i % (ITEMS / WAITS) == ITEMS / WAITS / 2)
		wait_for(i + AHEAD);
	*out = in;
	return 0;
}

static int add(void *in, void **out, leat_worker *w)
{
	pass(in, out, w);
	*out = NULL;
	__atomic_fetch_add(&sum, (uintptr_t)in, __ATOMIC_RELAXED);
	return LEAT_DROP;
}

static int run(int waiting, uint32_t workers, uint32_t flags)
{
	int waits[ROWS] = {0};
	leat_stage rows[ROWS] = {
		{.name = "source", .source = source},
		{.name = "one", .fn = pass, .arg = &waits[1]},
		{.name = "two", .fn = pass, .arg = &waits[2]},
		{.name = "sink", .fn = add, .arg = &waits[3]},
	};
	uint64_t want = (uint64_t)ITEMS * (ITEMS + 1) / 2;
	int rc;

	waits[waiting] = 1;
	for (int i = 1; i < ROWS; i++) {
		rows[i].workers = i == 3 ? 1 : workers;
		rows[i].flags = flags;
	}
	made = 0;
	sum = 0;
	alarm(LIMIT);
	rc = leat_run(rows, ROWS, NULL);
	alarm(0);
	if (rc == 0 && sum == want)
		return 0;
	fprintf(stderr, "row %d waits, %u workers, flags %u: %s, sum %s\n",
		waiting, workers, flags, leat_strerror(rc),
		sum == want ? "right" : "wrong");
	return 1;
}

static int run_all(void)
{
	int failed = 0;

	for (int waiting = 1; waiting < ROWS; waiting++)
		for (uint32_t workers = 1; workers < 3; workers++)
			for (uint32_t flags = 0; flags < 2; flags++)
				failed += run(waiting, workers, flags);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned long seconds = 1;
	uint64_t until;
	int failed = 0;

	if (argc == 3 && strcmp(argv[1], "-t") == 0)
		seconds = strtoul(argv[2], NULL, 10);
	until = leat_after(seconds * LEAT_S);
	do
		failed += run_all();
	while (failed == 0 && leat_now() < until);
	printf("%d passed, %d failed\n", failed == 0, failed != 0);
	return failed != 0;
}
