/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queues [-r ROUNDS] [-x TIMES] [-o ONLY]
 *
 * Queues under stress: producers x consumers x bulk x capacity, in every mode;
 * order per producer, nothing lost or doubled; end, cancel and deadlines that
 * race with pushes and pops; signals raining on sleeping threads; ping-pong;
 * one to eight, eight to one; all of it on one processor; items that circulate.
 * ROUNDS (1) repeats everything, TIMES (1) makes each test longer.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tests/stress/lab.h"
#include "tests/stress/perturb.h"

#define THREADS 16
#define BULK	64

static uint32_t times = 1;
static uint32_t passed;
static const char *only;

/* A queue and its threads. An item is its producer's number, and its own. */
struct pit {
	struct watch watch;
	leat_queue *q;
	uint64_t capacity;
	uint32_t producers, consumers;
	size_t bulk;
	uint64_t each;	      /* items by producer; UINT64_MAX: until refused */
	uint64_t deadline_ns; /* 0: none; for each call */
	uint64_t next_side;
	uint64_t in[THREADS]; /* accepted, by producer */
	uint64_t out, out_sum, in_sum;
	uint64_t timeouts;
	uint64_t left, left_sum; /* found at close */
};

static struct pit *closing;

static void *item_of(uint64_t producer, uint64_t n)
{
	return (void *)(uintptr_t)(n << 8 | (producer + 1));
}

static void left_over(void *item)
{
	tick(&closing->left, 1);
	tick(&closing->left_sum, mix(5, (uint64_t)(uintptr_t)item));
}

static void pit_open(struct pit *p, bool counted)
{
	leat_queue_opts opts = {.capacity = p->capacity,
		.producers = p->producers,
		.consumers = p->consumers,
		.free_item = left_over};
	int rc;

	if (!counted && p->producers > 1)
		opts.producers = 0;
	rc = leat_queue_open(&p->q, &opts);
	must(p->watch.what, rc == 0, "open returned %d", rc);
}

static void pit_close(struct pit *p)
{
	closing = p;
	leat_queue_close(p->q);
}

/* push_some pushes items n and up; *rc says why fewer than `want`. */
static size_t push_some(struct pit *p, void **items, size_t want, int *rc)
{
	size_t done = 0;

	if (want > 1) {
		*rc = leat_queue_pushn(p->q, items, want, &done);
		return done;
	}
	if (p->deadline_ns == 0)
		*rc = leat_queue_push(p->q, items[0]);
	else
		*rc = leat_queue_push_until(
			p->q, items[0], leat_after(p->deadline_ns));
	return *rc == 0;
}

static void *produce(void *arg)
{
	struct pit *p = arg;
	uint64_t me = tick(&p->next_side, 1), n = 0;
	void *items[BULK];
	int rc = 0;

	while (n < p->each && (rc == 0 || rc == -ETIMEDOUT)) {
		size_t want = p->bulk < p->each - n ? p->bulk : p->each - n;
		size_t k;

		for (size_t i = 0; i < want; i++)
			items[i] = item_of(me, n + i);
		k = push_some(p, items, want, &rc);
		for (size_t i = 0; i < k; i++)
			tick(&p->in_sum, mix(5, (uint64_t)(uintptr_t)items[i]));
		n += k;
		if (rc == -ETIMEDOUT)
			tick(&p->timeouts, 1);
	}
	must(p->watch.what,
		rc == 0 || rc == -EPIPE || rc == -ECANCELED || rc == -ETIMEDOUT,
		"push returned %d", rc);
	poke(&p->in[me], n);
	if (p->each != UINT64_MAX)
		leat_queue_end(p->q);
	return NULL;
}

static int pop_some(struct pit *p, void **items, size_t *n)
{
	int rc;

	if (p->bulk > 1)
		return leat_queue_popn(p->q, items, p->bulk, n);
	if (p->deadline_ns == 0)
		rc = leat_queue_pop(p->q, items);
	else
		rc = leat_queue_pop_until(
			p->q, items, leat_after(p->deadline_ns));
	*n = rc == 0;
	return rc;
}

static void *consume(void *arg)
{
	struct pit *p = arg;
	uint64_t last[THREADS + 1] = {0}, sum = 0, count = 0;
	void *items[BULK];
	size_t n;
	int rc;

	do {
		rc = pop_some(p, items, &n);
		for (size_t i = 0; i < n; i++) {
			uint64_t x = (uint64_t)(uintptr_t)items[i];
			uint64_t seq = (x >> 8) + 1;

			must(p->watch.what, seq > last[x & 0xff],
				"producer %d: item %d after %d",
				(int)(x & 0xff), (int)seq, (int)last[x & 0xff]);
			last[x & 0xff] = seq;
			sum += mix(5, x);
		}
		count += n;
		if (rc == -ETIMEDOUT)
			tick(&p->timeouts, 1);
	} while (rc == 0 || rc == -ETIMEDOUT);
	must(p->watch.what, rc == LEAT_END || rc == -ECANCELED,
		"pop returned %d", rc);
	tick(&p->out, count);
	tick(&p->out_sum, sum);
	return NULL;
}

static void start_all(struct pit *p, pthread_t *t)
{
	for (uint32_t i = 0; i < p->consumers; i++)
		t[i] = thread_start(consume, p);
	for (uint32_t i = 0; i < p->producers; i++)
		t[p->consumers + i] = thread_start(produce, p);
}

static void join_all(struct pit *p, pthread_t *t)
{
	for (uint32_t i = 0; i < p->consumers + p->producers; i++)
		thread_join(t[i]);
}

/* check: what went in came out, or was left; with `drained`, none was. */
static void check(struct pit *p, bool drained)
{
	leat_queue_counts c;
	uint64_t in = 0;

	for (uint32_t i = 0; i < p->producers; i++)
		in += peek(&p->in[i]);
	leat_queue_stats(p->q, &c);
	pit_close(p);
	must(p->watch.what, c.pushed == in && c.popped == p->out,
		"counted %" PRIu64 " in, %" PRIu64 " out, not %" PRIu64
		" and %" PRIu64,
		c.pushed, c.popped, in, p->out);
	must(p->watch.what, in == p->out + p->left,
		"%" PRIu64 " in, %" PRIu64 " out, %" PRIu64 " left", in, p->out,
		p->left);
	must(p->watch.what, p->in_sum == p->out_sum + p->left_sum,
		"other items came out than went in");
	must(p->watch.what, !drained || p->left == 0, "%" PRIu64 " left",
		p->left);
	must(p->watch.what, c.high_water <= p->capacity,
		"%" PRIu64 " were in a queue of %" PRIu64, c.high_water,
		p->capacity);
	watch_end(&p->watch);
	passed++;
}

static struct pit pit(uint64_t capacity, uint32_t producers, uint32_t consumers,
	size_t bulk, uint64_t each)
{
	return (struct pit){.capacity = capacity,
		.producers = producers,
		.consumers = consumers,
		.bulk = bulk,
		.each = each};
}

static void watch_pit(struct pit *p, const char *test)
{
	watch_begin(&p->watch, 60,
		"queues -o %s: %uP%uC, bulk %zu, capacity %" PRIu64, test,
		p->producers, p->consumers, p->bulk, p->capacity);
}

static void move_all(struct pit p, const char *test)
{
	pthread_t t[2 * THREADS];

	watch_pit(&p, test);
	pit_open(&p, true);
	start_all(&p, t);
	join_all(&p, t);
	check(&p, true);
}

static void test_grid(void)
{
	static const uint64_t capacity[] = {1, 2, 3, 5, 7, 64, 1000, 1024};
	static const uint32_t sides[][2] = {
		{1, 1}, {1, 3}, {3, 1}, {2, 2}, {4, 4}};
	static const size_t bulk[] = {1, 3, BULK};

	for (size_t c = 0; c < 8; c++)
		for (size_t s = 0; s < 5; s++)
			for (size_t b = 0; b < 3; b++)
				move_all(pit(capacity[c], sides[s][0],
						 sides[s][1], bulk[b],
						 (capacity[c] < 64 ? 200
								   : 4000) *
							 times),
					"grid");
}

static void test_wide(void)
{
	for (uint64_t capacity = 1; capacity <= 64; capacity *= 8) {
		move_all(pit(capacity, 1, 8, 1, 4000 * times), "wide");
		move_all(pit(capacity, 8, 1, 1, 500 * times), "wide");
		move_all(pit(capacity, 8, 8, 2, 500 * times), "wide");
	}
}

static void test_one_cpu(void)
{
	cpu_set_t old, one;

	sched_getaffinity(0, sizeof(old), &old);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &old))
			CPU_SET(i, &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (uint64_t capacity = 1; capacity <= 1000; capacity *= 10)
		move_all(pit(capacity, 8, 8, 1, 500 * times), "one-cpu");
	sched_setaffinity(0, sizeof(old), &old);
}

/* Deadlines of a few microseconds expire while the item is on its way. */
static void test_deadlines(void)
{
	for (uint64_t ns = 1; ns < 200000; ns *= 7) {
		struct pit p = pit(1, 2, 2, 1, 500 * times);

		p.deadline_ns = ns;
		move_all(p, "deadlines");
		p = pit(3, 1, 1, 1, 500 * times);
		p.deadline_ns = ns;
		move_all(p, "deadlines");
	}
}

static void pause_some(struct rng *r)
{
	struct timespec ts = {.tv_nsec = rng_below(r, 300000)};

	nanosleep(&ts, NULL);
}

/* race: producers push until somebody ends or cancels under their hands. */
static void race(struct rng *r, bool cancel)
{
	struct pit p = pit(1 + rng_below(r, 8), 1 + rng_below(r, 3),
		1 + rng_below(r, 3), 1 + rng_below(r, 4), UINT64_MAX);
	pthread_t t[2 * THREADS];

	if (p.producers == 1) /* which alone could end it */
		p.producers = 2;
	watch_pit(&p, "races");
	pit_open(&p, false);
	start_all(&p, t);
	pause_some(r);
	if (cancel)
		leat_queue_cancel(p.q);
	else
		leat_queue_end(p.q);
	join_all(&p, t);
	check(&p, !cancel);
}

static void test_races(void)
{
	struct rng r = {fresh_seed()};

	for (uint32_t i = 0; i < 150 * times; i++) {
		race(&r, false);
		race(&r, true);
	}
}

/* cancelled from one side only: with the other side asleep, on either end. */
static void test_asleep(void)
{
	struct rng r = {fresh_seed()};

	for (uint32_t i = 0; i < 60 * times; i++) {
		struct pit p =
			pit(2, i & 1 ? 4 : 0, i & 1 ? 0 : 4, 1, UINT64_MAX);
		pthread_t t[2 * THREADS];

		watch_pit(&p, "asleep");
		pit_open(&p, false);
		start_all(&p, t);
		pause_some(&r);
		if (i & 2)
			leat_queue_cancel(p.q);
		else
			leat_queue_end(p.q);
		join_all(&p, t);
		check(&p, false);
	}
}

static void nothing(int signo)
{
	(void)signo;
}

struct storm {
	pthread_t *t;
	uint32_t n;
	uint64_t over;
	uint64_t signals;
};

static void *rain(void *arg)
{
	struct storm *s = arg;
	struct timespec ts = {.tv_nsec = 20000};

	while (peek(&s->over) == 0) {
		for (uint32_t i = 0; i < s->n; i++)
			pthread_kill(s->t[i], SIGUSR1);
		s->signals += s->n;
		nanosleep(&ts, NULL);
	}
	return NULL;
}

/* The signals interrupt the sleep of threads that wait on tiny queues. */
static void test_storm(void)
{
	struct sigaction sa = {.sa_handler = nothing};
	struct pit p = pit(1, 3, 3, 1, 3000 * times);
	pthread_t t[2 * THREADS], cloud;
	struct storm s = {.t = t, .n = 6};

	sigaction(SIGUSR1, &sa, NULL);
	p.deadline_ns = 50 * LEAT_MS;
	watch_pit(&p, "storm");
	pit_open(&p, true);
	start_all(&p, t);
	cloud = thread_start(rain, &s);
	thread_join(t[0]); /* a consumer: the end has come */
	poke(&s.over, 1);
	thread_join(cloud);
	for (uint32_t i = 1; i < 6; i++)
		thread_join(t[i]);
	check(&p, true);
	printf("  %" PRIu64 " signals\n", s.signals);
}

struct table {
	struct watch watch;
	leat_queue *q[2];
	uint64_t n;
};

static void *pong(void *arg)
{
	struct table *t = arg;
	void *ball;

	while (leat_queue_pop(t->q[0], &ball) == 0)
		must(t->watch.what, leat_queue_push(t->q[1], ball) == 0,
			"the ball is refused");
	leat_queue_end(t->q[1]);
	return NULL;
}

static void test_ping_pong(void)
{
	leat_queue_opts opts = {.capacity = 1, .producers = 1, .consumers = 1};
	struct table t = {.n = 20000 * times};
	pthread_t other;
	void *ball = NULL;

	for (int mode = 0; mode < 2;
		mode++, opts.producers = 0, opts.consumers = 0) {
		watch_begin(
			&t.watch, 120, "queues -o ping-pong, mode %d", mode);
		must("queues", leat_queue_open(&t.q[0], &opts) == 0, "open");
		must("queues", leat_queue_open(&t.q[1], &opts) == 0, "open");
		other = thread_start(pong, &t);
		for (uint64_t i = 1; i <= t.n; i++) {
			leat_queue_push(t.q[0], (void *)(uintptr_t)i);
			must(t.watch.what,
				leat_queue_pop(t.q[1], &ball) == 0 &&
					ball == (void *)(uintptr_t)i,
				"ball %" PRIu64 " came back as %p", i, ball);
		}
		leat_queue_end(t.q[0]);
		thread_join(other);
		leat_queue_close(t.q[0]);
		leat_queue_close(t.q[1]);
		watch_end(&t.watch);
		passed++;
	}
}

/* A ring of queues through which items go round and round. */
#define STOPS 4

struct round_trip {
	struct watch watch;
	leat_queue *q[STOPS];
	uint64_t next;
	uint64_t moves, enough;
};

static void *carry(void *arg)
{
	struct round_trip *r = arg;
	uint64_t me = tick(&r->next, 1);
	leat_queue *from = r->q[me % STOPS], *to = r->q[(me + 1) % STOPS];
	void *item;

	while (leat_queue_pop(from, &item) == 0) {
		if (leat_queue_push(to, item) != 0)
			left_over(item);
		if (tick(&r->moves, 1) == r->enough)
			for (int i = 0; i < STOPS; i++)
				leat_queue_cancel(r->q[i]);
	}
	return NULL;
}

static uint64_t held;

static void count_held(void *item)
{
	(void)item;
	held++;
}

/* 2 * STOPS carriers, who may hold one item each: there is always room. */
static void test_circle(void)
{
	struct round_trip r = {.enough = 50000 * times};
	leat_queue_opts opts = {.capacity = 7, .free_item = count_held};
	struct pit lost = {0};
	pthread_t t[2 * STOPS];

	watch_begin(&r.watch, 60, "queues -o circle");
	closing = &lost;
	held = 0;
	for (int i = 0; i < STOPS; i++)
		must("queues", leat_queue_open(&r.q[i], &opts) == 0, "open");
	for (int i = 0; i < STOPS; i++)
		for (uint64_t k = 0; k < 4; k++)
			leat_queue_push(r.q[i], item_of(0, k));
	for (int i = 0; i < 2 * STOPS; i++)
		t[i] = thread_start(carry, &r);
	for (int i = 0; i < 2 * STOPS; i++)
		thread_join(t[i]);
	for (int i = 0; i < STOPS; i++)
		leat_queue_close(r.q[i]);
	must(r.watch.what, held + lost.left == 4 * STOPS,
		"%d items go round, not %d", (int)(held + lost.left),
		4 * STOPS);
	watch_end(&r.watch);
	passed++;
}

static const struct {
	const char *name;
	void (*test)(void);
} tests[] = {
	{"grid", test_grid},
	{"wide", test_wide},
	{"one-cpu", test_one_cpu},
	{"deadlines", test_deadlines},
	{"races", test_races},
	{"asleep", test_asleep},
	{"storm", test_storm},
	{"ping-pong", test_ping_pong},
	{"circle", test_circle},
};

static void run_all(void)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		uint64_t from = leat_now();

		if (only != NULL && strcmp(only, tests[i].name) != 0)
			continue;
		tests[i].test();
		printf("%s: %d ms\n", tests[i].name,
			(int)((leat_now() - from) / LEAT_MS));
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	uint32_t rounds = 1;
	int opt;

	while ((opt = getopt(argc, argv, "r:x:o:")) != -1) {
		if (opt == 'r')
			rounds = (uint32_t)atoi(optarg);
		else if (opt == 'x')
			times = (uint32_t)atoi(optarg);
		else if (opt == 'o')
			only = optarg;
		else
			return 2;
	}
	perturb_seed(fresh_seed());
	while (rounds-- > 0)
		run_all();
	printf("%u passed, 0 failed\n", passed);
	return passed == 0;
}
