/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is going to sleep announces it, then looks once more; who changes what
 * is waited for changes it, then looks for the announced. If both look before
 * the other's step can be seen, a wake-up is lost: a processor does that, for
 * a store waits in its buffer while later loads go on, unless a fence is in
 * between. Here both sides meet at that point again and again.
 */
#include "queues/queue.h"
#include "tests/unit/unit.h"

#define MEETINGS    200000
#define FOR_AT_MOST LEAT_S /* where the two do not run at the same time */
#define SPINS	    2000

/* What somebody sleeps for, and how it comes about. */
struct what {
	uint64_t fill; /* items in the queue, of capacity 1, before */
	struct park *(*park)(leat_queue *q);
	bool (*ready)(leat_queue *q);
	void (*change)(leat_queue *q);
	void (*undo)(leat_queue *q);
};

struct meeting {
	const struct what *what;
	leat_queue *q;
	uint64_t until, at[2]; /* how far each of the two is */
	uint64_t last;	       /* by the first one's clock */
	uint64_t lost;
};

/* meet waits for the other one. */
static void meet(struct meeting *m, size_t i, uint64_t at)
{
	__atomic_store_n(&m->at[i], at, __ATOMIC_SEQ_CST);
	for (int spins = 0; look(&m->at[!i]) < at; spins++)
		if (spins >= SPINS)
			sched_yield();
}

static void dawdle(uint64_t *seed)
{
	for (uint64_t i = next_random(seed) % 16; i > 0; i--)
		cpu_pause();
}

/* fall_asleep: who was not ready at the second look must have been woken. */
static void fall_asleep(struct meeting *m, uint64_t n)
{
	struct park *p = m->what->park(m->q);
	bool ready;

	park_announce(p);
	ready = m->what->ready(m->q);
	meet(m, 0, 3 * n + 1);
	m->lost += !ready && (uint32_t)look(&p->word) == 0;
	park_retract(p);
}

static void come_together(void *arg, size_t i)
{
	struct meeting *m = arg;
	uint64_t seed = i + 1;

	for (uint64_t n = 0; n < look(&m->last); n++) {
		if (i == 0 && n % 64 == 0 && leat_now() > m->until)
			__atomic_store_n(&m->last, n + 1, __ATOMIC_SEQ_CST);
		meet(m, i, 3 * n);
		dawdle(&seed);
		if (i == 0) {
			fall_asleep(m, n);
		} else {
			m->what->change(m->q);
			meet(m, 1, 3 * n + 1);
		}
		meet(m, i, 3 * n + 2);
		if (i == 1)
			m->what->undo(m->q);
	}
}

/* none_is_lost meets at a queue with one thread a side, and at one of many. */
static void none_is_lost(const struct what *what)
{
	for (uint32_t single = 0; single < 2; single++) {
		leat_queue_opts opts = {.capacity = 1,
			.producers = single,
			.consumers = single};
		struct meeting m = {.what = what,
			.last = MEETINGS,
			.until = leat_after(FOR_AT_MOST)};

		cr_assert_eq(leat_queue_open(&m.q, &opts), 0);
		if (what->fill)
			cr_assert_eq(leat_queue_push(m.q, NULL), 0);
		with_threads(2, come_together, &m);
		cr_assert_eq(m.lost, 0, "%lu of %lu wake-ups lost",
			(unsigned long)m.lost, (unsigned long)m.last);
		leat_queue_close(m.q);
	}
}

static struct park *not_empty(leat_queue *q)
{
	return &q->not_empty;
}

static struct park *not_full(leat_queue *q)
{
	return &q->not_full;
}

static bool may_take(leat_queue *q)
{
	return queue_ready_to_take(q);
}

static bool may_put(leat_queue *q)
{
	return ring_writable(&q->ring);
}

static void push(leat_queue *q)
{
	check(leat_queue_trypush(q, NULL) == 0);
}

static void pop(leat_queue *q)
{
	void *item;

	check(leat_queue_trypop(q, &item) == 0);
}

static void undo_end(leat_queue *q)
{
	q->ends = 1;
	store_relaxed(&q->ring.tail, ring_tail(&q->ring));
}

static void undo_cancel(leat_queue *q)
{
	store_relaxed(&q->cancelled, 0);
}

TEST(fences, who_sleeps_for_an_item_meets_a_push)
{
	none_is_lost(&(struct what){0, not_empty, may_take, push, pop});
}

TEST(fences, who_sleeps_for_room_meets_a_pop)
{
	none_is_lost(&(struct what){1, not_full, may_put, pop, push});
}

TEST(fences, who_sleeps_meets_the_end)
{
	none_is_lost(&(struct what){
		0, not_empty, may_take, leat_queue_end, undo_end});
}

TEST(fences, who_sleeps_meets_a_cancel)
{
	none_is_lost(&(struct what){
		0, not_empty, may_take, leat_queue_cancel, undo_cancel});
}
