/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errors_meet_bounds [-n RUNS] [-k STRIDE] [-o VARIANT]
 *
 * An error in the last row while every queue before it is full: bounds 1, 2
 * and 7, every policy, with and without order, from a source and pushed, with
 * and without results. Whoever is blocked on a full queue must come free: the
 * pusher, the source, the workers in between, who pulls, who waits and who
 * closes.
 *
 * Then one chain, again and again, cancelled after its k-th call, for every
 * k up to 5,000, or every STRIDE-th.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/stress/play.h"

#define ROWS	 4
#define ITEMS	 1000 /* more than all queues, windows and workers hold */
#define FAILED	 -4711
#define VARIANTS 96

struct variant {
	uint32_t bound;
	uint32_t policy;
	uint32_t retries;
	uint32_t flags;
	bool source;
	bool results;
};

struct meeting {
	struct variant v;
	struct watch watch;
	struct ledger ledger;
	leat_chain *chain; /* atomic */
	uint64_t chosen;   /* the item that fails, and 1 more; 0: none yet */
	uint64_t failed;   /* the last row has met full queues, and failed */
	uint64_t made;	   /* a source's items */
	uint64_t pushed, pulled;
};

static leat_chain *chain_of(struct meeting *m)
{
	return __atomic_load_n(&m->chain, __ATOMIC_ACQUIRE);
}

/* Full: every queue, but the first of a chain with a source, which has none. */
static bool all_full(struct meeting *m)
{
	leat_counts c[ROWS];
	leat_chain *chain = chain_of(m);

	if (chain == NULL)
		return false;
	leat_stats(chain, c, ROWS);
	for (int i = 0; i < ROWS; i++)
		if (c[i].depth < c[i].capacity)
			return false;
	return true;
}

static int hand_on(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = in;
	return 0;
}

static int source(void *in, void **out, leat_worker *w)
{
	struct meeting *m = leat_arg(w);
	struct worth worth = {.value = leat_seq(w)};

	(void)in;
	if (leat_seq(w) == ITEMS)
		return LEAT_END;
	*out = item_make(&m->ledger, KIND_A, worth);
	return 0;
}

/* The first item to arrive is the one that fails. Workers overtake each other,
 * so it need not be the first one of all. */
static bool is_chosen(struct meeting *m, uint64_t value)
{
	uint64_t chosen = 0;

	return __atomic_compare_exchange_n(&m->chosen, &chosen, value + 1,
		       false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
	       chosen == value + 1;
}

/* The chosen item waits for the queues to fill up, then fails. */
static int last(void *in, void **out, leat_worker *w)
{
	struct meeting *m = leat_arg(w);

	if (is_chosen(m, item_worth(KIND_A, in).value)) {
		while (leat_attempt(w) == 0 && !all_full(m))
			sched_yield();
		tick(&m->failed, 1);
		return FAILED;
	}
	*out = in;
	return 0;
}

static void *push(void *arg)
{
	struct meeting *m = arg;
	int rc = 0;

	for (uint64_t i = 0; i < ITEMS && rc == 0; i++) {
		struct worth worth = {.value = i};
		void *item = item_make(&m->ledger, KIND_A, worth);

		rc = leat_push(m->chain, item);
		if (rc == 0)
			m->pushed++;
		else
			item_free(item);
	}
	must(m->watch.what, rc == 0 || rc == -ECANCELED, "push returned %d",
		rc);
	return NULL;
}

/* Results are pulled only when all is full: they are part of what is. */
static void *pull(void *arg)
{
	struct meeting *m = arg;
	void *item;
	int rc;

	while (peek(&m->failed) == 0)
		sched_yield();
	while ((rc = leat_pull(m->chain, &item)) == 0) {
		m->pulled++;
		item_free(item);
	}
	must(m->watch.what, rc == LEAT_END || rc == -ECANCELED,
		"pull returned %d", rc);
	return NULL;
}

static void *wait_all(void *arg)
{
	struct meeting *m = arg;
	int rc = leat_wait(m->chain);

	must(m->watch.what, rc == 0 || rc == FAILED || rc == -ECANCELED,
		"wait returned %d", rc);
	return NULL;
}

static int open_meeting(struct meeting *m)
{
	const struct variant *v = &m->v;
	leat_stage rows[ROWS] = {
		{.name = "first", .fn = hand_on, .workers = 2},
		{.name = "second", .fn = hand_on, .workers = 2},
		{.name = "third", .fn = hand_on, .workers = 1},
		{.name = "last", .fn = last, .workers = 2},
	};
	leat_opts opts = {
		.free_in = item_free_a, .results = v->results ? v->bound : 0};
	leat_chain *c;
	int rc;

	for (int i = 0; i < ROWS; i++) {
		rows[i].arg = m;
		rows[i].queue = v->bound;
		rows[i].flags = v->flags;
		rows[i].on_error = v->policy;
	}
	/* With a sink, a second worker would empty the queues meanwhile. */
	rows[ROWS - 1].workers = v->results ? 2 : 1;
	rows[ROWS - 1].retries = v->retries;
	if (v->retries > 0)
		rows[ROWS - 1].backoff_ns = 1000;
	if (v->source)
		rows[0] = (leat_stage){.name = "source",
			.source = source,
			.arg = m,
			.free_out = item_free_a};
	rc = leat_open(&c, rows, ROWS, &opts);
	must(m->watch.what, rc == 0, "open returned %d", rc);
	watch_chain(&m->watch, c);
	__atomic_store_n(&m->chain, c, __ATOMIC_RELEASE);
	return rc;
}

static void check(struct meeting *m, int rc)
{
	bool whole = m->v.policy == LEAT_SKIP;
	uint64_t in = m->v.source ? ITEMS : m->pushed;

	must(m->watch.what, rc == FAILED, "close returned %d", rc);
	must(m->watch.what, peek(&m->failed) == m->v.retries + 1, "%d attempts",
		(int)peek(&m->failed));
	if (whole && m->v.results)
		must(m->watch.what, in == ITEMS && m->pulled == ITEMS - 1,
			"%d in, %d out", (int)in, (int)m->pulled);
	ledger_check(&m->ledger, m->watch.what);
}

static void meet(const struct variant *v, uint64_t n)
{
	struct meeting m = {.v = *v};
	pthread_t pusher = 0, puller = 0, waiter;
	int rc;

	watch_begin(&m.watch, 20,
		"errors_meet_bounds -o %d: bound %u, policy %u, retries %u, "
		"flags %u, %s, %s",
		(int)(n % VARIANTS), v->bound, v->policy, v->retries, v->flags,
		v->source ? "source" : "push", v->results ? "results" : "sink");
	open_meeting(&m);
	if (!v->source)
		pusher = thread_start(push, &m);
	if (v->results)
		puller = thread_start(pull, &m);
	waiter = thread_start(wait_all, &m);
	if (!v->source)
		thread_join(pusher);
	leat_end(m.chain);
	if (v->results)
		thread_join(puller);
	thread_join(waiter);
	rc = leat_close(m.chain);
	watch_end(&m.watch);
	check(&m, rc);
}

static struct variant variant(uint64_t n)
{
	static const uint32_t bounds[] = {1, 2, 7};
	struct variant v = {.bound = bounds[n % 3]};

	n /= 3;
	v.policy = n & 1 ? LEAT_SKIP : LEAT_STOP;
	v.retries = n & 2 ? 2 : 0;
	v.flags = n & 4 ? LEAT_ORDERED : 0;
	v.source = n & 8;
	v.results = n & 16;
	return v;
}

/* One chain of many rows and calls, cancelled after the k-th. */
static void cancel_after(uint64_t k, struct played *sum)
{
	struct spec s;

	spec_make(&s, 611);
	spec_calm(&s);
	s.event = EVENT_CANCEL;
	s.when = WHEN_RUN;
	s.moment = k;
	play(&s, sum, false);
}

int main(int argc, char **argv)
{
	uint64_t runs = 1000, stride = 50, steps = 0, one = UINT64_MAX;
	struct played sum = {0};
	int opt;

	while ((opt = getopt(argc, argv, "n:k:o:")) != -1) {
		if (opt == 'n')
			runs = strtoull(optarg, NULL, 0);
		else if (opt == 'k')
			stride = strtoull(optarg, NULL, 0);
		else if (opt == 'o')
			one = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	for (uint64_t i = 0; i < runs; i++) {
		uint64_t n = one == UINT64_MAX ? i : one;
		struct variant v = variant(n);

		meet(&v, n);
	}
	printf("%" PRIu64 " errors met full queues: none hung\n", runs);
	fflush(stdout);
	for (uint64_t k = 0; k < 5000; k += stride, steps++)
		cancel_after(k, &sum);
	printf("%" PRIu64 " runs cancelled after a step, %" PRIu64
	       " of them halted by it: none hung\n",
		steps, sum.halted);
	return 0;
}
