/* SPDX-License-Identifier: BSD-2-Clause */
/* The reorder window, against the plain rule: hand on by position. */
#include "queues/order.h"
#include "tests/unit/unit.h"

#define SIZE 8

/* What came out of the order. */
struct out {
	struct order order;
	struct park credit;
	uint64_t item[100000];
	uint64_t n;
};

static void sink(void *ctx, void *const *items, size_t m)
{
	struct out *o = ctx;

	for (size_t i = 0; i < m; i++)
		o->item[o->n++] = (uintptr_t)items[i];
}

static struct out *out_open(uint64_t size)
{
	static struct out o;

	o.n = 0;
	o.credit.word = 0;
	cr_assert_eq(order_init(&o.order, size, &o.credit), 0);
	return &o;
}

/* give finishes n positions from pos on, which made the m items first,
 * first + 1, ... */
static int give(
	struct out *o, uint64_t pos, uint64_t n, uint64_t first, size_t m)
{
	void *items[2000];

	for (size_t i = 0; i < m; i++)
		items[i] = item_raw(first + i);
	return order_give(&o->order, pos, n, items, m, sink, o);
}

static void came_out(struct out *o, uint64_t n)
{
	cr_assert_eq(o->n, n);
	for (uint64_t i = 0; i < n; i++)
		cr_assert_eq(o->item[i], i);
}

TEST(order, what_is_next_goes_on_at_once)
{
	struct out *o = out_open(SIZE);

	for (uint64_t i = 0; i < 100; i++) {
		cr_assert_eq(order_limit(&o->order), i + SIZE);
		cr_assert_eq(give(o, i, 1, i, 1), 0);
		cr_assert(order_reached(&o->order, i + 1));
		cr_assert_not(order_reached(&o->order, i + 2));
		came_out(o, i + 1);
	}
	order_fini(&o->order, sink, o);
	cr_assert_eq(o->n, 100);
}

TEST(order, what_is_early_waits_for_what_is_before_it)
{
	struct out *o = out_open(SIZE);

	for (uint64_t i = SIZE - 1; i > 0; i--) {
		cr_assert_eq(give(o, i, 1, i, 1), 0);
		cr_assert_eq(o->n, 0);
		cr_assert_eq(order_limit(&o->order), SIZE);
	}
	cr_assert_eq(give(o, 0, 1, 0, 1), 0);
	came_out(o, SIZE);
	cr_assert_eq(order_limit(&o->order), 2 * SIZE);
	order_fini(&o->order, sink, o);
}

TEST(order, runs_that_made_nothing_or_less_or_more_keep_it_correct)
{
	struct out *o = out_open(SIZE);

	cr_assert_eq(give(o, 2, 3, 0, 0), 0);	 /* all dropped */
	cr_assert_eq(give(o, 5, 2, 1, 1000), 0); /* many emitted */
	cr_assert_eq(give(o, 7, 1, 1001, 1), 0);
	cr_assert_eq(give(o, 0, 2, 0, 1), 0); /* one of two dropped */
	came_out(o, 1002);
	cr_assert(order_reached(&o->order, 8));
	order_fini(&o->order, sink, o);
}

TEST(order, runs_that_reach_round_the_end_of_the_window_stay_whole)
{
	struct out *o = out_open(SIZE);

	cr_assert_eq(give(o, 0, 6, 0, 6), 0);
	cr_assert_eq(give(o, 7, 5, 7, 5), 0);
	cr_assert_eq(give(o, 6, 1, 6, 1), 0);
	came_out(o, 12);
	cr_assert_eq(give(o, 13, 7, 13, 7), 0);
	cr_assert_eq(give(o, 12, 1, 12, 1), 0);
	came_out(o, 20);
	order_fini(&o->order, sink, o);
}

/* Runs of random lengths, laid down in a random order within the window. */
TEST(order, who_waits_for_credit_is_woken_when_there_is_more)
{
	struct out *o = out_open(SIZE);

	park_announce(&o->credit);
	cr_assert_eq(give(o, 1, 1, 1, 1), 0);
	cr_assert(park_busy(&o->credit));
	cr_assert_eq(give(o, 0, 1, 0, 1), 0);
	cr_assert_not(park_busy(&o->credit));
	cr_assert_eq(park_wait(&o->credit, LEAT_NEVER), 0);
	came_out(o, 2);
	order_fini(&o->order, sink, o);
}

TEST(order, the_last_place_of_the_window_is_not_left_out_when_it_is_over)
{
	struct out *o = out_open(SIZE);

	cr_assert_eq(give(o, SIZE - 1, 1, 0, 1), 0);
	order_fini(&o->order, sink, o);
	came_out(o, 1);
}

TEST(order, random_runs_come_out_as_in_a_plain_loop)
{
	for (uint64_t seed = 1; seed < 200; seed++) {
		struct out *o = out_open(64);
		uint64_t s = seed, pos = 0, made = 0;

		while (pos < 2000) {
			uint64_t at[64], n[64], first[64], m[64];
			uint64_t end = pos + 64;
			int runs = 0;

			while (pos < end) {
				n[runs] = 1 + next_random(&s) % 9;
				if (n[runs] > end - pos)
					n[runs] = end - pos;
				m[runs] = next_random(&s) % 12;
				at[runs] = pos;
				first[runs] = made;
				made += m[runs];
				pos += n[runs++];
			}
			while (runs > 0) {
				int i = (int)(next_random(&s) % runs);

				cr_assert_eq(
					give(o, at[i], n[i], first[i], m[i]),
					0);
				runs--;
				at[i] = at[runs];
				n[i] = n[runs];
				first[i] = first[runs];
				m[i] = m[runs];
			}
			came_out(o, made);
		}
		order_fini(&o->order, sink, o);
	}
}

TEST(order, what_is_laid_down_when_it_is_over_goes_to_the_sink_once)
{
	struct out *o = out_open(SIZE);

	cr_assert_eq(give(o, 1, 1, 1, 1), 0);
	cr_assert_eq(give(o, 3, 2, 2, 50), 0);
	cr_assert_eq(give(o, 6, 2, 52, 2), 0);
	cr_assert_eq(o->n, 0);
	order_fini(&o->order, sink, o);
	cr_assert_eq(o->n, 53);
	o->order.run = NULL;
	order_fini(&o->order, sink, o); /* never made */
}

/* Entering: the caller hands on itself. */

struct entry {
	struct out *o;
	uint64_t pos;
	int rc;
};

static void enter(void *arg, size_t i)
{
	struct entry *e = arg;
	void *item = item_raw(e->pos);

	(void)i;
	e->rc = order_enter(&e->o->order, e->pos);
	if (e->rc == 0) {
		sink(e->o, &item, 1);
		order_leave(&e->o->order, e->pos, 1, sink, e->o);
	}
}

static void await_entry(struct out *o)
{
	await_at_least(&o->order.turn.word, UINT64_C(1) << 32);
}

TEST(order, who_enters_waits_for_its_turn)
{
	for (int round = 0; round < 100; round++) {
		struct entry e = {.o = out_open(SIZE), .pos = 2, .rc = 1};
		struct threads t;

		threads_start(&t, 1, enter, &e);
		await_entry(e.o);
		cr_assert_eq(give(e.o, 3, 1, 3, 1), 0);
		cr_assert_eq(give(e.o, 1, 1, 1, 1), 0);
		cr_assert_eq(give(e.o, 0, 1, 0, 1), 0);
		threads_join(&t);
		cr_assert_eq(e.rc, 0);
		came_out(e.o, 4);
		order_fini(&e.o->order, sink, e.o);
	}
}

TEST(order, cancel_wakes_who_waits_to_enter)
{
	struct entry e = {.o = out_open(SIZE), .pos = 2, .rc = 1};
	struct threads t;

	threads_start(&t, 1, enter, &e);
	await_entry(e.o);
	order_cancel(&e.o->order);
	threads_join(&t);
	cr_assert_eq(e.rc, -ECANCELED);
	cr_assert_eq(e.o->n, 0);
	cr_assert_eq(order_enter(&e.o->order, 0), -ECANCELED);
	order_fini(&e.o->order, sink, e.o);
}

TEST(order, no_memory_is_said)
{
	struct order o;

	if (!limit_memory(1 << 20))
		cr_skip_test("sanitizers need the memory");
	cr_assert_eq(order_init(&o, 1 << 24, NULL), -ENOMEM);
	unlimit_memory();
}

/* Threads that take positions within their credit, and give in any order. */

struct race {
	struct out *o;
	uint64_t taken;
};

#define RACED FEWER(30000)

static void take_and_give(void *arg, size_t index)
{
	struct race *r = arg;
	struct order *o = &r->o->order;
	uint64_t seed = index + 1;

	for (;;) {
		uint64_t pos = count_up(&r->taken);
		void *items[3] = {item_raw(3 * pos), item_raw(3 * pos + 1),
			item_raw(3 * pos + 2)};

		if (pos >= RACED)
			return;
		while (pos >= order_limit(o))
			sched_yield();
		if (next_random(&seed) % 8 == 0) {
			check(order_enter(o, pos) == 0);
			sink(r->o, items, 3);
			order_leave(o, pos, 1, sink, r->o);
		} else {
			check(order_give(o, pos, 1, items, 3, sink, r->o) == 0);
		}
	}
}

TEST(order, positions_given_by_many_threads_come_out_in_order)
{
	static const uint64_t sizes[] = {1, 2, 4, 64};

	EACH(i, sizes)
	{
		struct race r = {.o = out_open(sizes[i])};

		with_threads(4, take_and_give, &r);
		came_out(r.o, 3 * RACED);
		order_fini(&r.o->order, sink, r.o);
	}
}
