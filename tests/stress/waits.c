/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stages that wait for an earlier one: a thread that has come along to run a
 * light stage may be the very one that the function there waits for. The
 * chain must go on all the same, and do what the serial loop does. Several run
 * beside each other: so threads stop for others anywhere.
 *
 *	waits [-t SECONDS] [-b CHAINS_AT_A_TIME]
 */
#include <leat.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ITEMS 20000
#define WAITS 8	  /* how often a function waits */
#define AHEAD 500 /* for the source to be so many items ahead */
#define ROWS  4
#define LIMIT 60 /* seconds for the chains that run at a time */

#define BESIDE_MAX 64

static int beside = 48; /* chains at a time */

struct job {
	pthread_t thread;
	int waiting; /* the row that does */
	uint32_t workers, flags;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	uint64_t made; /* by the source, under the lock */
	uint64_t sum;
	int failed;
};

struct row {
	struct job *job;
	int waits;
};

static void advance(struct job *j, uint64_t to)
{
	pthread_mutex_lock(&j->lock);
	j->made = to;
	pthread_cond_broadcast(&j->moved);
	pthread_mutex_unlock(&j->lock);
}

static void wait_for(struct job *j, uint64_t at)
{
	uint64_t want = at < ITEMS ? at : ITEMS;

	pthread_mutex_lock(&j->lock);
	while (j->made < want)
		pthread_cond_wait(&j->moved, &j->lock);
	pthread_mutex_unlock(&j->lock);
}

static int source(void *in, void **out, leat_worker *w)
{
	const struct row *row = leat_arg(w);
	uint64_t i = leat_seq(w);

	(void)in;
	if (i == ITEMS) {
		advance(row->job, ITEMS);
		return LEAT_END;
	}
	if (i % 64 == 0)
		advance(row->job, i);
	*out = (void *)(uintptr_t)(i + 1);
	return 0;
}

/* A row that waits does so now and then, after a run of items that were
 * light. */
static int pass(void *in, void **out, leat_worker *w)
{
	const struct row *row = leat_arg(w);
	uint64_t i = (uintptr_t)in - 1;

	if (row->waits && i % (ITEMS / WAITS) == ITEMS / WAITS / 2)
		wait_for(row->job, i + AHEAD);
	*out = in;
	return 0;
}

static int add(void *in, void **out, leat_worker *w)
{
	const struct row *row = leat_arg(w);

	pass(in, out, w);
	*out = NULL;
	__atomic_fetch_add(&row->job->sum, (uintptr_t)in, __ATOMIC_RELAXED);
	return LEAT_DROP;
}

static void *run(void *arg)
{
	struct job *j = arg;
	struct row row[ROWS];
	leat_stage rows[ROWS] = {
		{.name = "source", .source = source},
		{.name = "one", .fn = pass},
		{.name = "two", .fn = pass},
		{.name = "sink", .fn = add},
	};
	uint64_t want = (uint64_t)ITEMS * (ITEMS + 1) / 2;
	int rc;

	for (int i = 0; i < ROWS; i++) {
		row[i] = (struct row){j, i == j->waiting};
		rows[i].arg = &row[i];
		rows[i].workers = i == 1 || i == 2 ? j->workers : 1;
		rows[i].flags = i > 0 ? j->flags : 0;
	}
	rc = leat_run(rows, ROWS, NULL);
	j->failed = rc != 0 || j->sum != want;
	if (j->failed)
		fprintf(stderr, "row %d waits, %u workers, flags %u: %s, %s\n",
			j->waiting, j->workers, j->flags, leat_strerror(rc),
			j->sum == want ? "right" : "the sum is wrong");
	return NULL;
}

static int run_beside(int waiting, uint32_t workers, uint32_t flags)
{
	static struct job job[BESIDE_MAX];
	int failed = 0;

	alarm(LIMIT);
	for (int i = 0; i < beside; i++) {
		job[i] = (struct job){.waiting = waiting,
			.workers = workers,
			.flags = flags,
			.lock = PTHREAD_MUTEX_INITIALIZER,
			.moved = PTHREAD_COND_INITIALIZER};
		pthread_create(&job[i].thread, NULL, run, &job[i]);
	}
	for (int i = 0; i < beside; i++) {
		pthread_join(job[i].thread, NULL);
		failed += job[i].failed;
	}
	alarm(0);
	return failed;
}

static int run_all(void)
{
	int failed = 0;

	for (int waiting = 1; waiting < ROWS; waiting++)
		for (uint32_t workers = 1; workers < 3; workers++)
			for (uint32_t flags = 0; flags < 2; flags++)
				failed += run_beside(waiting, workers, flags);
	return failed;
}

int main(int argc, char **argv)
{
	uint64_t seconds = 1, until;
	int failed = 0, option;

	while ((option = getopt(argc, argv, "t:b:")) != -1)
		if (option == 't')
			seconds = strtoul(optarg, NULL, 10);
		else if (option == 'b')
			beside = (int)strtol(optarg, NULL, 10);
		else
			return 2;
	if (beside < 1 || beside > BESIDE_MAX) {
		fprintf(stderr, "waits: -b: 1 to %d\n", BESIDE_MAX);
		return 2;
	}
	until = leat_after(seconds * LEAT_S);
	do
		failed += run_all();
	while (failed == 0 && leat_now() < until);
	printf("%d passed, %d failed\n", failed == 0, failed != 0);
	return failed != 0;
}
