/* SPDX-License-Identifier: BSD-2-Clause */
/* The queue among many threads: nothing lost, doubled or out of order. */
#include <signal.h>
#include "queues/queue.h"
#include "tests/unit/unit.h"

#define WHO 10000000 /* item = who * WHO + count */

/* Producers push `each` items, consumers pop until the end. */
struct crowd {
	leat_queue *q;
	size_t producers, consumers;
	uint64_t each;
	size_t bulk;
	uint64_t ends;
	struct bits seen;
};

static void produce(struct crowd *c, uint64_t who)
{
	void *items[64];

	for (uint64_t i = 0; i < c->each;) {
		size_t n = c->each - i < c->bulk ? c->each - i : c->bulk;
		size_t pushed = 0;

		for (size_t k = 0; k < n; k++)
			items[k] = item_raw(who * WHO + i + k);
		check(leat_queue_pushn(c->q, items, n, &pushed) == 0);
		check(pushed == n);
		i += n;
	}
	leat_queue_end(c->q);
}

/* see checks that the items of one producer come in order. */
static void see(struct crowd *c, uint64_t *next, void *item)
{
	uint64_t who = (uintptr_t)item / WHO;
	uint64_t i = (uintptr_t)item % WHO;

	check(who < c->producers);
	check(i >= next[who]);
	next[who] = i + 1;
	bits_set(&c->seen, who * c->each + i);
}

static void consume(struct crowd *c)
{
	uint64_t next[8] = {0};
	void *items[64];
	size_t n;
	int rc;

	while ((rc = leat_queue_popn(c->q, items, c->bulk, &n)) == 0) {
		check(n > 0 && n <= c->bulk);
		for (size_t i = 0; i < n; i++)
			see(c, next, items[i]);
	}
	check(rc == LEAT_END);
	count_up(&c->ends);
}

static void crowd_body(void *arg, size_t i)
{
	struct crowd *c = arg;

	if (i < c->producers)
		produce(c, i);
	else
		consume(c);
}

static void crowd_run(struct crowd c, uint64_t capacity, bool promise)
{
	leat_queue_opts opts = {.capacity = capacity,
		.producers = (uint32_t)c.producers,
		.consumers = promise ? (uint32_t)c.consumers : 0};

	cr_assert_eq(leat_queue_open(&c.q, &opts), 0);
	c.seen = bits_open(c.producers * c.each);
	with_threads(c.producers + c.consumers, crowd_body, &c);
	cr_assert_eq(c.ends, c.consumers);
	cr_assert(is_deserted(&c.q->not_empty));
	cr_assert(is_deserted(&c.q->not_full));
	bits_close_full(&c.seen);
	leat_queue_close(c.q);
}

static const uint64_t capacities[] = {1, 2, 3, 5, 64, 1000};
static const size_t bulks[] = {1, 3, 64};

static void crowds(size_t producers, size_t consumers, uint64_t items)
{
	EACH(c, capacities) EACH(b, bulks)
	{
		struct crowd crowd = {.producers = producers,
			.consumers = consumers,
			.each = FEWER(items) / producers,
			.bulk = bulks[b]};

		crowd_run(crowd, capacities[c], true);
	}
}

TEST(queue_many, one_producer_one_consumer)
{
	crowds(1, 1, 20000);
}

TEST(queue_many, one_producer_eight_consumers)
{
	crowds(1, 8, 8000);
}

TEST(queue_many, eight_producers_one_consumer)
{
	crowds(8, 1, 8000);
}

TEST(queue_many, two_producers_two_consumers)
{
	crowds(2, 2, 20000);
}

TEST(queue_many, eight_producers_eight_consumers)
{
	crowds(8, 8, 8000);
}

TEST(queue_many, a_promise_not_made_changes_nothing)
{
	struct crowd c = {
		.producers = 1, .consumers = 1, .each = 20000, .bulk = 3};

	EACH(i, capacities)
	{
		crowd_run(c, capacities[i], false);
	}
}

TEST(queue_many, eight_and_eight_on_one_processor)
{
	cpu_set_t all, one;

	cr_assert_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	crowds(8, 8, 8000);
}

/* Ping-pong at capacity 1: every step is a hand-over. */

struct ping {
	leat_queue *there, *back;
	uint64_t n;
};

static void play(void *arg, size_t i)
{
	struct ping *p = arg;
	leat_queue *from = i == 0 ? p->back : p->there;
	leat_queue *to = i == 0 ? p->there : p->back;
	void *item = NULL;

	for (uint64_t k = 0; k < p->n; k++) {
		if (i == 0)
			check(leat_queue_push(to, item_raw(k)) == 0);
		check(leat_queue_pop(from, &item) == 0);
		check(item == item_raw(k));
		if (i == 1)
			check(leat_queue_push(to, item) == 0);
	}
}

TEST(queue_many, ping_pong)
{
	leat_queue_opts one = {.capacity = 1};
	struct ping p = {.n = FEWER(30000)};

	for (uint32_t promise = 0; promise < 2; promise++) {
		one.producers = one.consumers = promise;
		cr_assert_eq(leat_queue_open(&p.there, &one), 0);
		cr_assert_eq(leat_queue_open(&p.back, &one), 0);
		with_threads(2, play, &p);
		leat_queue_close(p.there);
		leat_queue_close(p.back);
	}
}

/* The end races with pushes: an item is delivered or refused. */

struct ending {
	leat_queue *q;
	struct bits seen; /* delivered or refused */
	uint64_t refused, delivered;
	uint64_t wait; /* before the end */
};

static void push_against_end(struct ending *e, uint64_t first)
{
	for (uint64_t i = first; i < first + 1000; i++) {
		int rc = leat_queue_push(e->q, item_raw(i));

		check(rc == 0 || rc == -EPIPE);
		if (rc != 0) {
			bits_set(&e->seen, i);
			count_up(&e->refused);
		}
	}
}

static void pop_against_end(struct ending *e)
{
	void *item;

	while (leat_queue_pop(e->q, &item) == 0) {
		bits_set(&e->seen, (uintptr_t)item);
		count_up(&e->delivered);
	}
}

static void end_body(void *arg, size_t i)
{
	struct ending *e = arg;

	if (i < 2)
		push_against_end(e, i * 1000);
	else if (i < 4)
		pop_against_end(e);
	else {
		await_at_least(&e->delivered, e->wait);
		leat_queue_end(e->q);
	}
}

TEST(queue_many, end_racing_with_push_delivers_or_refuses_never_both)
{
	uint64_t refused = 0, delivered = 0;

	for (uint64_t round = 0; round < 60; round++) {
		leat_queue_opts opts = {.capacity = 1 + round % 7};
		struct ending e = {.seen = bits_open(2000), .wait = round * 30};

		cr_assert_eq(leat_queue_open(&e.q, &opts), 0);
		with_threads(5, end_body, &e);
		bits_close_full(&e.seen);
		refused += e.refused;
		delivered += e.delivered;
		leat_queue_close(e.q);
	}
	cr_assert_gt(refused, 0);
	cr_assert_gt(delivered, 0);
}

/* Cancel at any moment: every item is the producer's, the consumer's or the
 * queue's, and is freed once. */

static void cancel_body(void *arg, size_t i)
{
	struct ending *e = arg;
	void *item;

	if (i == 4) {
		await_at_least(&e->delivered, e->wait);
		leat_queue_cancel(e->q);
	} else if (i < 2) {
		do
			item = item_make(i);
		while (leat_queue_push(e->q, item) == 0);
		item_free(item);
	} else {
		while (leat_queue_pop(e->q, &item) == 0) {
			item_free(item);
			count_up(&e->delivered);
		}
	}
}

TEST(queue_many, cancel_at_any_moment_frees_each_item_once)
{
	for (uint64_t round = 0; round < FEWER(100); round++) {
		leat_queue_opts opts = {
			.capacity = 1 + round % 7, .free_item = item_free};
		struct ending e = {.wait = round * 10};

		cr_assert_eq(leat_queue_open(&e.q, &opts), 0);
		with_threads(5, cancel_body, &e);
		leat_queue_close(e.q);
		cr_assert_eq(items_alive(), 0);
	}
}

/* Items that go round and round: none appears, none disappears. */

struct circle {
	leat_queue *q[2];
	uint64_t moves;
};

static void carry(void *arg, size_t i)
{
	struct circle *c = arg;
	void *item;

	while (look(&c->moves) < 20000) {
		if (leat_queue_pop_until(
			    c->q[i % 2], &item, leat_after(LEAT_MS)) != 0)
			continue;
		check(leat_queue_push(c->q[(i + 1) % 2], item) == 0);
		count_up(&c->moves);
	}
}

TEST(queue_many, circulating_items_are_conserved)
{
	leat_queue_opts opts = {.capacity = 10, .free_item = item_free};
	struct circle c = {.moves = 0};
	struct bits seen = bits_open(9);
	void *item;

	for (int i = 0; i < 2; i++)
		cr_assert_eq(leat_queue_open(&c.q[i], &opts), 0);
	for (uint64_t i = 0; i < 9; i++)
		cr_assert_eq(leat_queue_push(c.q[0], item_make(i)), 0);
	with_threads(6, carry, &c);
	for (int i = 0; i < 2; i++) {
		while (leat_queue_trypop(c.q[i], &item) == 0) {
			bits_set(&seen, item_n(item));
			item_free(item);
		}
		leat_queue_close(c.q[i]);
	}
	bits_close_full(&seen);
}

/* Figures while at work are plausible. */

static void look_on(void *arg, size_t i)
{
	struct crowd *c = arg;
	leat_queue_counts s;

	if (i < c->producers + c->consumers) {
		crowd_body(arg, i);
		return;
	}
	do {
		leat_queue_stats(c->q, &s);
		check(s.depth <= s.capacity);
		check(s.high_water <= s.capacity);
		check(s.popped <= s.pushed);
		sched_yield();
	} while (s.popped < c->producers * c->each);
	check(s.high_water > 0);
}

TEST(queue_many, size_stays_within_its_bounds)
{
	leat_queue_opts opts = {.producers = 2};

	EACH(i, capacities)
	{
		struct crowd c = {.producers = 2,
			.consumers = 2,
			.each = 5000,
			.bulk = 3,
			.seen = bits_open(10000)};

		opts.capacity = capacities[i];
		cr_assert_eq(leat_queue_open(&c.q, &opts), 0);
		with_threads(5, look_on, &c);
		bits_close_full(&c.seen);
		leat_queue_close(c.q);
	}
}

/* Threads stopped anywhere, for longer than a turn of the processor. */

static void stop_here(int number)
{
	int saved = errno;

	(void)number;
	rest(LEAT_MS);
	errno = saved;
}

TEST(queue_many, a_thread_stopped_in_mid_operation_loses_nothing)
{
	struct sigaction action = {.sa_handler = stop_here};
	leat_queue_opts opts = {.capacity = 3, .producers = 2};
	struct crowd c = {.producers = 2,
		.consumers = 2,
		.each = 50000,
		.bulk = 2,
		.seen = bits_open(100000)};
	struct threads t;
	uint64_t seed = 99;

	cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
	cr_assert_eq(leat_queue_open(&c.q, &opts), 0);
	threads_start(&t, 4, crowd_body, &c);
	for (int i = 0; i < 300 && look(&c.ends) == 0; i++) {
		pthread_kill(t.thread[next_random(&seed) % 4], SIGUSR1);
		rest(next_random(&seed) % LEAT_MS);
	}
	threads_join(&t);
	bits_close_full(&c.seen);
	leat_queue_close(c.q);
}

/* Closed right after the last consumer has seen the end. */
TEST(queue_many, closed_right_after_the_last_consumer)
{
	for (uint64_t round = 0; round < 300; round++) {
		struct crowd c = {.producers = 2,
			.consumers = 2,
			.each = 20,
			.bulk = 1 + round % 5};

		crowd_run(c, 1 + round % 4, true);
	}
}
