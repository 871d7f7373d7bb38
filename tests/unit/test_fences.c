/* SPDX-License-Identifier: BSD-2-Clause */
/* Meetings at a queue and at an order: see meet.h. */
#include "queues/order.h"
#include "queues/queue.h"
#include "tests/unit/meet.h"

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
	bool quiet; /* the parks are, before each meeting */
	struct rounds rounds;
};

/* fall_asleep: who was not ready at the second look must have been woken. */
static void fall_asleep(struct meeting *m, uint64_t n)
{
	struct park *p = m->what->park(m->q);
	bool ready;

	park_announce(p);
	ready = m->what->ready(m->q);
	meet(&m->rounds, 0, 3 * n + 2);
	m->rounds.lost += !ready && (uint32_t)look(&p->word) == 0;
	park_retract(p);
}

static void be_quiet(leat_queue *q)
{
	store_relaxed(&q->not_empty.word, PARK_QUIET);
	store_relaxed(&q->not_full.word, PARK_QUIET);
}

static void meet_at_queue(void *arg, size_t i)
{
	struct meeting *m = arg;
	struct rounds *r = &m->rounds;
	uint64_t seed = i + 1;

	for (uint64_t n = 0; n < look(&r->last); n++) {
		come_together(r, i, n, &seed);
		if (i == 0) {
			fall_asleep(m, n);
		} else {
			m->what->change(m->q);
			meet(r, 1, 3 * n + 2);
		}
		meet(r, i, 3 * n + 3);
		if (i == 1)
			m->what->undo(m->q);
		if (i == 1 && m->quiet)
			be_quiet(m->q);
	}
}

static void meet_at(const struct what *what, bool single, bool quiet)
{
	leat_queue_opts opts = {
		.capacity = 1, .producers = single, .consumers = single};
	struct meeting m = {.what = what, .quiet = quiet};

	cr_assert_eq(leat_queue_open(&m.q, &opts), 0);
	if (what->fill)
		cr_assert_eq(leat_queue_push(m.q, NULL), 0);
	if (quiet)
		be_quiet(m.q);
	begin(&m.rounds);
	with_threads(2, meet_at_queue, &m);
	none_lost(&m.rounds);
	leat_queue_close(m.q);
}

/* none_is_lost meets at a queue with one thread a side, and at one of many. */
static void none_is_lost(const struct what *what, bool quiet)
{
	meet_at(what, false, quiet);
	meet_at(what, true, quiet);
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

static const struct what item_comes = {0, not_empty, may_take, push, pop};
static const struct what room_comes = {1, not_full, may_put, pop, push};
static const struct what end_comes = {
	0, not_empty, may_take, leat_queue_end, undo_end};
static const struct what cancel_comes = {
	0, not_empty, may_take, leat_queue_cancel, undo_cancel};

TEST(fences, who_sleeps_for_an_item_meets_a_push)
{
	none_is_lost(&item_comes, false);
}

TEST(fences, who_sleeps_for_room_meets_a_pop)
{
	none_is_lost(&room_comes, false);
}

/* Who pushes or pops has no fence then. */
TEST(fences, who_sleeps_in_a_quiet_park_meets_a_push)
{
	none_is_lost(&item_comes, true);
}

TEST(fences, who_sleeps_in_a_quiet_park_meets_a_pop)
{
	none_is_lost(&room_comes, true);
}

TEST(fences, who_sleeps_meets_the_end)
{
	none_is_lost(&end_comes, false);
}

TEST(fences, who_sleeps_meets_a_cancel)
{
	none_is_lost(&cancel_comes, false);
}

/* A run is laid down while the one before it is handed on. */
static void lay_down_next(void *order, uint64_t n)
{
	check(order_give(order, 2 * n + 1, 1, NULL, 0, NULL, NULL) == 0);
}

static void leave_last(void *order, uint64_t n)
{
	order_leave(order, 2 * n, 1, NULL, NULL);
}

static void both_handed_on(void *order, uint64_t n)
{
	check(order_reached(order, 2 * n + 2));
	check(order_enter(order, 2 * n + 2) == 0);
}

TEST(fences, what_is_laid_down_meets_who_hands_on)
{
	struct park credit = {0};
	struct order o;
	struct encounter e = {.one = lay_down_next,
		.other = leave_last,
		.after = both_handed_on,
		.ctx = &o};

	cr_assert_eq(order_init(&o, 64, &credit), 0);
	cr_assert_eq(order_enter(&o, 0), 0);
	encounter(&e);
	order_fini(&o, NULL, NULL);
}

/* Whoever has ended the input may rely on it, also if another one was first. */
static void end_then_push(void *queue, uint64_t n)
{
	(void)n;
	leat_queue_end(queue);
	check(leat_queue_trypush(queue, NULL) == -EPIPE);
}

static void undo_both_ends(void *queue, uint64_t n)
{
	(void)n;
	undo_end(queue);
}

TEST(fences, the_end_meets_the_end)
{
	leat_queue_opts opts = {.capacity = 1};
	struct encounter e = {.one = end_then_push,
		.other = end_then_push,
		.after = undo_both_ends};
	leat_queue *q;

	cr_assert_eq(leat_queue_open(&q, &opts), 0);
	e.ctx = q;
	encounter(&e);
	leat_queue_close(q);
}

/* A cancel that comes before the end is not taken for it. */
static void cancel_then_end(void *queue, uint64_t n)
{
	(void)n;
	leat_queue_cancel(queue);
	leat_queue_end(queue);
}

static void never_ended_for_pop(void *queue, uint64_t n)
{
	void *item;
	int rc = leat_queue_trypop(queue, &item);

	(void)n;
	check(rc == -EAGAIN || rc == -ECANCELED);
}

static void never_ended_for_push(void *queue, uint64_t n)
{
	int rc = leat_queue_trypush(queue, NULL);

	(void)n;
	check(rc == 0 || rc == -ECANCELED);
}

static void undo_cancel_and_end(void *queue, uint64_t n)
{
	void *item;

	(void)n;
	undo_cancel(queue);
	undo_end(queue);
	leat_queue_trypop(queue, &item);
}

static void cancel_is_no_end(void (*one)(void *queue, uint64_t n))
{
	leat_queue_opts opts = {.capacity = 1};
	struct encounter e = {.one = one,
		.other = cancel_then_end,
		.after = undo_cancel_and_end};
	leat_queue *q;

	cr_assert_eq(leat_queue_open(&q, &opts), 0);
	e.ctx = q;
	encounter(&e);
	leat_queue_close(q);
}

TEST(fences, who_takes_meets_a_cancel_and_the_end)
{
	cancel_is_no_end(never_ended_for_pop);
}

TEST(fences, who_puts_meets_a_cancel_and_the_end)
{
	cancel_is_no_end(never_ended_for_push);
}

/* In an order the one before lets go, and the next one enters. */
static void leave_order(void *order, uint64_t n)
{
	order_leave(order, n, 1, NULL, NULL);
}

static int enter_next(void *order, uint64_t n)
{
	return order_enter(order, n + 1);
}

/* Who has entered stays: the other one leaves in its stead. */
static void stay(void *order, uint64_t n)
{
	const struct order *o = order;

	check(look(&o->next) == n && look(&o->lock) == 1);
}

TEST(fences, who_waits_for_its_turn_meets_the_one_before)
{
	struct park credit = {0};
	struct order o;
	struct sleep_meeting m = {.bell = &o.turn,
		.wait = enter_next,
		.change = leave_order,
		.undo = stay,
		.ctx = &o};

	cr_assert_eq(order_init(&o, 64, &credit), 0);
	cr_assert_eq(order_enter(&o, 0), 0);
	none_is_lost_at(&m);
	order_fini(&o, NULL, NULL);
}

static int enter_in_vain(void *order, uint64_t n)
{
	(void)n;
	return order_enter(order, 1) == -ECANCELED ? 0 : -1;
}

static void cancel_order(void *order, uint64_t n)
{
	(void)n;
	order_cancel(order);
}

static void undo_cancel_order(void *order, uint64_t n)
{
	struct order *o = order;

	(void)n;
	store_relaxed(&o->cancelled, 0);
}

TEST(fences, who_waits_for_its_turn_meets_a_cancel)
{
	struct park credit = {0};
	struct order o;
	struct sleep_meeting m = {.bell = &o.turn,
		.wait = enter_in_vain,
		.change = cancel_order,
		.undo = undo_cancel_order,
		.ctx = &o};

	cr_assert_eq(order_init(&o, 64, &credit), 0);
	none_is_lost_at(&m);
	order_fini(&o, NULL, NULL);
}
