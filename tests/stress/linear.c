/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linear [-n HISTORIES] [SEED]
 *
 * Short random histories of push, pop, try, deadlines, bulk, end and cancel,
 * called on real queues by a few threads, each one held against a sequential
 * bounded queue; see history.h. First, that histories known to be wrong are
 * told to be wrong.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "queues/atomic.h"
#include "tests/stress/history.h"
#include "tests/stress/lab.h"
#include "tests/stress/perturb.h"

#define THREADS	 4
#define OPS_EACH 12
#define BULK	 3

/* What a thread may do. */
enum role { ROLE_BOTH, ROLE_PUSH, ROLE_POP };

struct caller {
	struct trial *trial;
	uint32_t index;
	enum role role;
	struct rng rng;
	struct op op[OPS_EACH + 1];
	size_t n;
};

/* The threads stay, one trial after the other. */
struct trial {
	leat_queue *q;
	uint64_t seed;
	uint32_t threads;
	uint32_t capacity;
	bool single_producer, single_consumer;
	uint64_t next_item;
	bool over;
	struct caller caller[THREADS + 1]; /* the last one comes in last */
	uint64_t through; /* threads that have made their calls */
	pthread_barrier_t begin, done;
	struct history history;
};

static struct op *note(struct caller *c, enum call call)
{
	struct op *o = &c->op[c->n++];

	*o = (struct op){.call = call};
	return o;
}

static void *fresh(struct caller *c)
{
	return (void *)(uintptr_t)(1 + tick(&c->trial->next_item, 1));
}

static uint8_t name_of(const void *item)
{
	return (uint8_t)(uintptr_t)item;
}

/*
 * A clock tells threads nothing by itself: a call's last store may be in the
 * store buffer still when the clock is read, and its first load be done before.
 * Fences on both sides make what the stamps say true for others.
 */
static uint64_t stamp(void)
{
	uint64_t now;

	fence_full();
	now = leat_now();
	fence_full();
	return now;
}

/* finish gives the calls of one bulk the same span. */
static void finish(struct caller *c, size_t from, uint64_t start)
{
	uint64_t end = stamp();
	uint64_t bulk = c->index + 1 + (THREADS + 1) * (from + 1);

	for (size_t i = from; i < c->n; i++) {
		c->op[i].start = start;
		c->op[i].end = end;
		c->op[i].bulk = bulk;
		if (c->op[i].rc == -ETIMEDOUT)
			c->op[i].rc = -EAGAIN;
	}
}

static int push_one(struct caller *c, void *item)
{
	leat_queue *q = c->trial->q;

	switch (rng_below(&c->rng, 8)) {
	case 0:
		return leat_queue_push(q, item);
	case 1:
		return leat_queue_push_until(
			q, item, leat_after(rng_below(&c->rng, 20000)));
	default:
		return leat_queue_trypush(q, item);
	}
}

static void push(struct caller *c)
{
	void *item = fresh(c);
	size_t from = c->n;
	uint64_t start = stamp();
	int rc = push_one(c, item);
	struct op *o = note(c, CALL_PUSH);

	o->rc = rc;
	o->item = name_of(item);
	finish(c, from, start);
}

static void pushn(struct caller *c)
{
	size_t n = 1 + rng_below(&c->rng, BULK), pushed, from = c->n;
	void *items[BULK];
	uint64_t start;
	int rc;

	for (size_t i = 0; i < n; i++)
		items[i] = fresh(c);
	start = stamp();
	rc = leat_queue_pushn(c->trial->q, items, n, &pushed);
	for (size_t i = 0; i < pushed; i++)
		note(c, CALL_PUSH)->item = name_of(items[i]);
	if (rc != 0)
		note(c, CALL_PUSH)->rc = rc;
	finish(c, from, start);
}

static int pop_one(struct caller *c, void **item)
{
	leat_queue *q = c->trial->q;

	switch (rng_below(&c->rng, 8)) {
	case 0:
		return leat_queue_pop(q, item);
	case 1:
		return leat_queue_pop_until(
			q, item, leat_after(rng_below(&c->rng, 20000)));
	default:
		return leat_queue_trypop(q, item);
	}
}

static void pop(struct caller *c)
{
	void *item = NULL;
	size_t from = c->n;
	uint64_t start = stamp();
	int rc = pop_one(c, &item);
	struct op *o = note(c, CALL_POP);

	o->rc = rc;
	o->item = name_of(item);
	finish(c, from, start);
}

static void popn(struct caller *c)
{
	void *items[BULK];
	size_t n, from = c->n;
	uint64_t start = stamp();
	int rc = leat_queue_popn(c->trial->q, items, BULK, &n);

	for (size_t i = 0; i < n; i++)
		note(c, CALL_POP)->item = name_of(items[i]);
	if (rc != 0)
		note(c, CALL_POP)->rc = rc;
	finish(c, from, start);
}

static void end(struct caller *c, bool cancel)
{
	size_t from = c->n;
	uint64_t start = stamp();

	if (cancel)
		leat_queue_cancel(c->trial->q);
	else
		leat_queue_end(c->trial->q);
	note(c, cancel ? CALL_CANCEL : CALL_END);
	finish(c, from, start);
}

static void act(struct caller *c)
{
	uint32_t dice = rng_below(&c->rng, 100);
	bool pushes = c->role == ROLE_PUSH ||
		      (c->role == ROLE_BOTH && rng_chance(&c->rng, 50));

	if (dice < 2)
		end(c, true);
	else if (dice < 5 && c->role != ROLE_POP)
		end(c, false);
	else if (pushes && dice < 12)
		pushn(c);
	else if (pushes)
		push(c);
	else if (dice < 12)
		popn(c);
	else
		pop(c);
}

/*
 * come_in_last ends the queue if the others are stuck: all of them may wait
 * to pop. A single producer alone may end its queue, but anybody may cancel.
 */
static void come_in_last(struct trial *t)
{
	uint64_t until = leat_after(300 * LEAT_US);

	while (peek(&t->through) < THREADS && leat_now() < until)
		sched_yield();
	if (peek(&t->through) < THREADS)
		end(&t->caller[THREADS], t->single_producer);
}

/* Whoever pushes ends the queue at last. */
static void make_calls(struct caller *c)
{
	uint32_t ops = 3 + rng_below(&c->rng, 6);

	for (uint32_t i = 0; i < ops && c->n + BULK + 2 < OPS_EACH; i++)
		act(c);
	if (c->role != ROLE_POP)
		end(c, false);
}

static void *caller_main(void *arg)
{
	struct caller *c = arg;

	for (;;) {
		pthread_barrier_wait(&c->trial->begin);
		if (c->trial->over)
			return NULL;
		if (c->index < c->trial->threads)
			make_calls(c);
		tick(&c->trial->through, 1);
		pthread_barrier_wait(&c->trial->done);
	}
}

static struct history *the_history;

static void left_over(void *item)
{
	struct history *h = the_history;

	must("linear", h->n_left < h->capacity, "more left than fits");
	h->left[h->n_left++] = name_of(item);
}

static enum role role_of(const struct trial *t, uint32_t i)
{
	if (t->single_producer && t->single_consumer)
		return i == 0 ? ROLE_PUSH : ROLE_POP;
	if (t->single_producer)
		return i == 0 ? ROLE_PUSH : ROLE_POP;
	if (t->single_consumer)
		return i == 0 ? ROLE_POP : ROLE_PUSH;
	return ROLE_BOTH;
}

static void set_up(struct trial *t, uint64_t seed)
{
	struct rng r = {seed};
	leat_queue_opts opts = {.free_item = left_over};
	int rc;

	t->seed = seed;
	t->capacity = 1 + rng_below(&r, 4);
	t->single_producer = rng_chance(&r, 30);
	t->single_consumer = rng_chance(&r, 30);
	t->threads = 2 + rng_below(&r, THREADS - 1);
	if (t->single_producer && t->single_consumer)
		t->threads = 2;
	t->next_item = 0;
	t->history = (struct history){.capacity = t->capacity};
	the_history = &t->history;
	opts.capacity = t->capacity;
	opts.producers = t->single_producer;
	opts.consumers = t->single_consumer;
	rc = leat_queue_open(&t->q, &opts);
	must("linear", rc == 0, "open returned %d", rc);
	t->through = 0;
	for (uint32_t i = 0; i <= THREADS; i++) {
		t->caller[i].role = role_of(t, i);
		t->caller[i].rng.state = mix(seed, i);
		t->caller[i].n = 0;
	}
}

static void gather(struct trial *t)
{
	struct history *h = &t->history;

	for (uint32_t i = 0; i <= THREADS; i++)
		for (size_t k = 0; k < t->caller[i].n; k++)
			h->op[h->n++] = t->caller[i].op[k];
}

static void show(const struct history *h)
{
	static const char *const names[] = {"push", "pop", "end", "cancel"};
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < h->n; i++)
		first = h->op[i].start < first ? h->op[i].start : first;
	for (size_t i = 0; i < h->n; i++)
		fprintf(stderr,
			"  %7" PRIu64 " to %7" PRIu64
			" %s %d: %d (bulk %" PRIu64 ")\n",
			h->op[i].start - first, h->op[i].end - first,
			names[h->op[i].call], h->op[i].item, h->op[i].rc,
			h->op[i].bulk);
	for (size_t i = 0; i < h->n_left; i++)
		fprintf(stderr, "  left: %d\n", h->left[i]);
}

/* try_one returns how many calls the history has. */
static size_t try_one(struct trial *t, uint64_t seed, uint64_t *steps)
{
	struct watch w;

	watch_begin(&w, 20, "linear -n 1 %" PRIu64, seed);
	set_up(t, seed);
	pthread_barrier_wait(&t->begin);
	come_in_last(t);
	pthread_barrier_wait(&t->done);
	leat_queue_close(t->q);
	gather(t);
	if (!history_holds(&t->history, steps)) {
		show(&t->history);
		fatal(w.what, "no queue of capacity %u, %s, %s, does this",
			t->capacity, t->single_producer ? "SP" : "MP",
			t->single_consumer ? "SC" : "MC");
	}
	watch_end(&w);
	return t->history.n;
}

/* Calls one after the other, which no queue of capacity 2 answers so. */
static void refuse(const char *why, const struct op *ops, size_t n)
{
	struct history h = {.capacity = 2, .n = n};
	uint64_t steps = 0;

	for (size_t i = 0; i < n; i++) {
		h.op[i] = ops[i];
		h.op[i].start = 10 * i;
		h.op[i].end = 10 * i + 5;
	}
	must("linear", !history_holds(&h, &steps), "does not see: %s", why);
}

#define REFUSE(why, ...)                              \
	refuse(why, (const struct op[]){__VA_ARGS__}, \
		sizeof((const struct op[]){__VA_ARGS__}) / sizeof(struct op))

static void check_the_check(void)
{
	REFUSE("items overtake", {CALL_PUSH, 0, 1}, {CALL_PUSH, 0, 2},
		{CALL_POP, 0, 2}, {CALL_POP, 0, 1});
	REFUSE("an item twice", {CALL_PUSH, 0, 1}, {CALL_POP, 0, 1},
		{CALL_POP, 0, 1});
	REFUSE("an item lost", {CALL_PUSH, 0, 1});
	REFUSE("too many items", {CALL_PUSH, 0, 1}, {CALL_PUSH, 0, 2},
		{CALL_PUSH, 0, 3}, {CALL_POP, 0, 1}, {CALL_POP, 0, 2},
		{CALL_POP, 0, 3});
	REFUSE("empty when it is not", {CALL_PUSH, 0, 1}, {CALL_POP, -EAGAIN},
		{CALL_POP, 0, 1});
	REFUSE("full when it is not", {CALL_PUSH, -EAGAIN, 1});
	REFUSE("a push after the end", {CALL_END}, {CALL_PUSH, 0, 1},
		{CALL_POP, 0, 1});
	REFUSE("an end too early", {CALL_PUSH, 0, 1}, {CALL_END},
		{CALL_POP, LEAT_END}, {CALL_POP, 0, 1});
	REFUSE("a pop after the cancel", {CALL_PUSH, 0, 1}, {CALL_CANCEL},
		{CALL_POP, 0, 1});
	REFUSE("cancelled by nobody", {CALL_POP, -ECANCELED});
}

static void run_trials(uint64_t seed, uint64_t n)
{
	static struct trial t;
	pthread_t thread[THREADS];
	uint64_t calls = 0, steps = 0;

	pthread_barrier_init(&t.begin, NULL, THREADS + 1);
	pthread_barrier_init(&t.done, NULL, THREADS + 1);
	for (uint32_t i = 0; i <= THREADS; i++) {
		t.caller[i].trial = &t;
		t.caller[i].index = i;
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		thread[i] = thread_start(caller_main, &t.caller[i]);
	}
	for (uint64_t i = 0; i < n; i++)
		calls += try_one(&t, seed + i, &steps);
	t.over = true;
	pthread_barrier_wait(&t.begin);
	for (uint32_t i = 0; i < THREADS; i++)
		thread_join(thread[i]);
	printf("%" PRIu64 " histories, %" PRIu64 " calls, %" PRIu64
	       " steps searched: all are those of a queue\n",
		n, calls, steps);
}

int main(int argc, char **argv)
{
	uint64_t n = 5000, seed;
	int opt;

	while ((opt = getopt(argc, argv, "n:")) != -1) {
		if (opt != 'n')
			return 2;
		n = strtoull(optarg, NULL, 0);
	}
	seed = optind < argc ? strtoull(argv[optind], NULL, 0) : fresh_seed();
	printf("first seed %" PRIu64 "\n", seed);
	fflush(stdout);
	perturb_seed(seed);
	check_the_check();
	run_trials(seed, n);
	return 0;
}
