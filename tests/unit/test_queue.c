/* SPDX-License-Identifier: BSD-2-Clause */
/* The queue's public calls, one thread: what each returns, and who owns. */
#include "queues/queue.h"
#include "tests/unit/unit.h"

static const uint64_t capacities[] = {1, 2, 3, 5, 7, 64, 100, 1000, 1024};

/* Every variant of the ring, by what the caller promises. */
static const leat_queue_opts promises[] = {
	{.producers = 0, .consumers = 0},
	{.producers = 1, .consumers = 0},
	{.producers = 0, .consumers = 1},
	{.producers = 1, .consumers = 1},
};

static leat_queue *open_as(size_t promise, uint64_t capacity)
{
	leat_queue_opts opts = promises[promise];
	leat_queue *q = NULL;

	opts.capacity = capacity;
	opts.free_item = item_free;
	cr_assert_eq(leat_queue_open(&q, &opts), 0);
	cr_assert_not_null(q);
	return q;
}

static void fill(leat_queue *q, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		cr_assert_eq(leat_queue_push(q, item_make(i)), 0);
}

/* pops is the item popped, which must be there; it is freed. */
static uint64_t pops(leat_queue *q)
{
	void *item = NULL;
	uint64_t n;

	cr_assert_eq(leat_queue_pop(q, &item), 0);
	n = item_n(item);
	item_free(item);
	return n;
}

static leat_queue_counts counts_of(leat_queue *q)
{
	leat_queue_counts c;

	leat_queue_stats(q, &c);
	return c;
}

/* open */

TEST(queue, open_refuses_null)
{
	leat_queue_opts opts = {.capacity = 1};
	leat_queue *q = (leat_queue *)&opts;

	cr_assert_eq(leat_queue_open(NULL, &opts), -EINVAL);
	cr_assert_eq(leat_queue_open(&q, NULL), -EINVAL);
	cr_assert_null(q);
}

TEST(queue, open_refuses_capacities_of_zero_and_over_the_maximum)
{
	static const uint64_t bad[] = {
		0, LEAT_QUEUE_MAX + 1, UINT64_C(1) << 32, UINT64_MAX};

	EACH(i, bad)
	{
		leat_queue_opts opts = {.capacity = bad[i]};
		leat_queue *q = (leat_queue *)&opts;

		cr_assert_eq(leat_queue_open(&q, &opts), LEAT_ESIZE);
		cr_assert_null(q);
	}
}

TEST(queue, open_says_when_there_is_no_memory)
{
	leat_queue_opts opts = {.capacity = 1 << 24};
	leat_queue *q = (leat_queue *)&opts;

	if (!limit_memory(1 << 20))
		cr_skip_test("sanitizers need the memory");
	cr_assert_eq(leat_queue_open(&q, &opts), -ENOMEM);
	cr_assert_null(q);
	unlimit_memory();
}

struct newer_opts {
	leat_queue_opts known;
	uint64_t unknown;
};

TEST(queue, open_takes_options_of_other_sizes)
{
	struct newer_opts o = {.known = {.capacity = 3}};
	leat_queue *q;

	cr_assert_eq(leat_queue_open_sized(&q, &o.known, sizeof(o)), 0);
	leat_queue_close(q);
	o.unknown = 1;
	cr_assert_eq(leat_queue_open_sized(&q, &o.known, sizeof(o)), -E2BIG);
	cr_assert_null(q);
	o.known.free_item = item_free;
	cr_assert_eq(leat_queue_open_sized(&q, &o.known, sizeof(uint64_t)), 0);
	cr_assert_eq(leat_queue_push(q, item_raw(1)), 0);
	leat_queue_close(q); /* the destructor lay beyond what was given */
}

/* Capacity */

TEST(queue, capacity_means_capacity)
{
	EACH(p, promises) EACH(c, capacities)
	{
		leat_queue *q = open_as(p, capacities[c]);
		void *item = item_make(0);

		for (int lap = 0; lap < 3; lap++) {
			fill(q, capacities[c]);
			cr_assert_eq(leat_queue_trypush(q, item), -EAGAIN);
			cr_assert_eq(counts_of(q).depth, capacities[c]);
			for (uint64_t i = 0; i < capacities[c]; i++)
				cr_assert_eq(pops(q), i);
		}
		cr_assert_eq(counts_of(q).capacity, capacities[c]);
		item_free(item);
		leat_queue_close(q);
	}
}

/* try */

TEST(queue, try_says_full_only_when_full_and_empty_only_when_empty)
{
	EACH(p, promises)
	{
		leat_queue *q = open_as(p, 2);
		void *item = item_make(5), *got = NULL;

		cr_assert_eq(leat_queue_trypop(q, &got), -EAGAIN);
		cr_assert_eq(leat_queue_trypush(q, item), 0);
		cr_assert_eq(leat_queue_trypush(q, item_make(6)), 0);
		cr_assert_eq(leat_queue_trypop(q, &got), 0);
		cr_assert_eq(got, item);
		cr_assert_eq(leat_queue_trypush(q, item), 0);
		cr_assert_eq(leat_queue_trypush(q, item), -EAGAIN);
		cr_assert_eq(pops(q), 6);
		cr_assert_eq(pops(q), 5);
		cr_assert_eq(leat_queue_trypop(q, &got), -EAGAIN);
		leat_queue_close(q);
	}
}

/* Bulk */

static void fill_array(void **items, uint64_t first, size_t n)
{
	for (size_t i = 0; i < n; i++)
		items[i] = item_make(first + i);
}

static void free_array(void **items, uint64_t first, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(item_n(items[i]), first + i);
		item_free(items[i]);
	}
}

TEST(queue, bulk_of_none_is_done_at_once)
{
	EACH(p, promises)
	{
		leat_queue *q = open_as(p, 1);
		size_t n = 9;

		cr_assert_eq(leat_queue_pushn(q, NULL, 0, &n), 0);
		cr_assert_eq(n, 0);
		n = 9;
		cr_assert_eq(leat_queue_popn(q, NULL, 0, &n), 0);
		cr_assert_eq(n, 0);
		fill(q, 1);
		cr_assert_eq(leat_queue_pushn(q, NULL, 0, NULL), 0);
		leat_queue_close(q);
	}
}

TEST(queue, popn_takes_what_is_there_and_waits_for_no_more)
{
	EACH(p, promises)
	{
		leat_queue *q = open_as(p, 10);
		void *items[20];
		size_t n = 0;

		fill(q, 7);
		cr_assert_eq(leat_queue_popn(q, items, 3, &n), 0);
		cr_assert_eq(n, 3);
		free_array(items, 0, 3);
		cr_assert_eq(leat_queue_popn(q, items, 20, &n), 0);
		cr_assert_eq(n, 4);
		free_array(items, 3, 4);
		leat_queue_close(q);
	}
}

struct big_push {
	leat_queue *q;
	void *items[5000];
	size_t pushed;
	int rc;
};

static void push_bulk(void *arg, size_t i)
{
	struct big_push *b = arg;

	(void)i;
	b->rc = leat_queue_pushn(b->q, b->items, 5000, &b->pushed);
}

TEST(queue, pushn_of_more_than_the_capacity_waits_as_often_as_needed)
{
	static struct big_push b;

	EACH(p, promises) EACH(c, capacities)
	{
		struct threads t;

		b.q = open_as(p, capacities[c]);
		fill_array(b.items, 0, 5000);
		threads_start(&t, 1, push_bulk, &b);
		for (uint64_t i = 0; i < 5000; i++)
			cr_assert_eq(pops(b.q), i);
		threads_join(&t);
		cr_assert_eq(b.rc, 0);
		cr_assert_eq(b.pushed, 5000);
		leat_queue_close(b.q);
	}
}

/* A failure never moves ownership: what was not counted is still ours. */
TEST(queue, pushn_that_fails_says_how_many_went_in)
{
	EACH(p, promises)
	{
		leat_queue *q = open_as(p, 4);
		void *items[4];
		size_t n = 9;

		fill_array(items, 0, 4);
		leat_queue_end(q);
		cr_assert_eq(leat_queue_pushn(q, items, 4, &n), -EPIPE);
		cr_assert_eq(n, 0);
		free_array(items, 0, 4);
		leat_queue_close(q);
	}
}

/* End */

TEST(queue, end_refuses_pushes_then_drains_then_says_so_as_often_as_asked)
{
	EACH(p, promises)
	{
		leat_queue *q = open_as(p, 8);
		void *item = item_make(0), *got;
		size_t n = 9;

		fill(q, 3);
		leat_queue_end(q);
		leat_queue_end(q);
		cr_assert_eq(leat_queue_push(q, item), -EPIPE);
		cr_assert_eq(leat_queue_trypush(q, item), -EPIPE);
		cr_assert_eq(leat_queue_push_until(q, item, 0), -EPIPE);
		for (uint64_t i = 0; i < 3; i++)
			cr_assert_eq(pops(q), i);
		for (int i = 0; i < 3; i++) {
			cr_assert_eq(leat_queue_pop(q, &got), LEAT_END);
			cr_assert_eq(leat_queue_trypop(q, &got), LEAT_END);
			cr_assert_eq(
				leat_queue_pop_until(q, &got, 0), LEAT_END);
			cr_assert_eq(leat_queue_popn(q, &got, 1, &n), LEAT_END);
			cr_assert_eq(n, 0);
		}
		item_free(item);
		leat_queue_close(q);
	}
}

TEST(queue, end_of_a_full_queue_keeps_all_it_holds)
{
	EACH(p, promises) EACH(c, capacities)
	{
		leat_queue *q = open_as(p, capacities[c]);
		void *item = item_make(0);

		fill(q, capacities[c]);
		leat_queue_end(q);
		cr_assert_eq(leat_queue_trypush(q, item), -EPIPE);
		for (uint64_t i = 0; i < capacities[c]; i++)
			cr_assert_eq(pops(q), i);
		cr_assert_eq(leat_queue_trypop(q, &item), LEAT_END);
		item_free(item);
		leat_queue_close(q);
	}
}

TEST(queue, the_end_comes_when_the_last_of_several_producers_has_ended)
{
	leat_queue_opts opts = {.capacity = 4, .producers = 3};
	leat_queue *q;
	void *got;

	cr_assert_eq(leat_queue_open(&q, &opts), 0);
	for (int i = 0; i < 2; i++) {
		leat_queue_end(q);
		cr_assert_eq(leat_queue_push(q, item_raw(1)), 0);
		cr_assert_eq(leat_queue_pop(q, &got), 0);
		cr_assert_eq(leat_queue_trypop(q, &got), -EAGAIN);
	}
	leat_queue_end(q);
	cr_assert_eq(leat_queue_push(q, item_raw(1)), -EPIPE);
	cr_assert_eq(leat_queue_pop(q, &got), LEAT_END);
	leat_queue_end(q);
	leat_queue_end(q);
	cr_assert_eq(leat_queue_pop(q, &got), LEAT_END);
	leat_queue_close(q);
}

/* Cancel */

/* As who leaves a place that others wait for. */
TEST(queue, a_wake_that_is_passed_on_after_the_end_reaches_all)
{
	leat_queue *q = open_as(0, 1);

	leat_queue_end(q);
	park_announce(&q->not_empty);
	park_announce(&q->not_empty);
	queue_chain(q);
	cr_assert_not(park_busy(&q->not_empty));
	cr_assert_eq(park_wait(&q->not_empty, LEAT_NEVER), 0);
	cr_assert_eq(park_wait(&q->not_empty, LEAT_NEVER), 0);
	leat_queue_close(q);
}

TEST(queue, cancel_refuses_everything_and_keeps_what_is_inside)
{
	EACH(p, promises)
	{
		leat_queue *q = open_as(p, 8);
		void *item = item_make(0), *got;
		size_t n = 9;

		fill(q, 5);
		leat_queue_cancel(q);
		leat_queue_cancel(q);
		cr_assert_eq(leat_queue_push(q, item), -ECANCELED);
		cr_assert_eq(leat_queue_trypush(q, item), -ECANCELED);
		cr_assert_eq(leat_queue_push_until(q, item, 0), -ECANCELED);
		cr_assert_eq(leat_queue_pushn(q, &item, 1, &n), -ECANCELED);
		cr_assert_eq(n, 0);
		cr_assert_eq(leat_queue_pop(q, &got), -ECANCELED);
		cr_assert_eq(leat_queue_trypop(q, &got), -ECANCELED);
		cr_assert_eq(leat_queue_pop_until(q, &got, 0), -ECANCELED);
		cr_assert_eq(leat_queue_popn(q, &got, 1, &n), -ECANCELED);
		cr_assert_eq(n, 0);
		cr_assert_eq(items_alive(), 6);
		item_free(item);
		leat_queue_close(q);
		cr_assert_eq(items_alive(), 0);
	}
}

TEST(queue, cancel_after_the_end_wins)
{
	leat_queue *q = open_as(0, 2);
	void *got;

	leat_queue_end(q);
	leat_queue_cancel(q);
	leat_queue_end(q);
	cr_assert_eq(leat_queue_pop(q, &got), -ECANCELED);
	cr_assert_eq(leat_queue_push(q, got), -ECANCELED);
	leat_queue_close(q);
}

/* Close */

TEST(queue, close_frees_each_leftover_once)
{
	EACH(p, promises) EACH(c, capacities)
	{
		leat_queue *q = open_as(p, capacities[c]);

		fill(q, capacities[c]);
		if (c % 2)
			leat_queue_end(q);
		else
			cr_assert_eq(pops(q), 0);
		leat_queue_close(q);
		cr_assert_eq(items_alive(), 0);
	}
}

TEST(queue, close_takes_null_and_never_frees_null)
{
	leat_queue_opts opts = {.capacity = 3};
	leat_queue *q;

	leat_queue_close(NULL);
	q = open_as(0, 3);
	leat_queue_push(q, NULL);
	leat_queue_push(q, item_make(1));
	leat_queue_push(q, NULL);
	leat_queue_close(q);
	cr_assert_eq(leat_queue_open(&q, &opts), 0);
	leat_queue_push(q, item_raw(77));
	leat_queue_close(q); /* without a destructor nothing is freed */
}

TEST(queue, null_is_an_item_like_any_other)
{
	EACH(p, promises)
	{
		leat_queue *q = open_as(p, 3);
		void *got = &got;

		cr_assert_eq(leat_queue_push(q, NULL), 0);
		cr_assert_eq(leat_queue_push(q, item_make(1)), 0);
		cr_assert_eq(leat_queue_push(q, NULL), 0);
		cr_assert_eq(leat_queue_pop(q, &got), 0);
		cr_assert_null(got);
		cr_assert_eq(pops(q), 1);
		got = &got;
		cr_assert_eq(leat_queue_pop(q, &got), 0);
		cr_assert_null(got);
		leat_queue_close(q);
	}
}

/* Statistics */

TEST(queue, stats_count_what_went_in_and_out)
{
	EACH(p, promises)
	{
		leat_queue *q = open_as(p, 10);
		leat_queue_counts c;

		fill(q, 10);
		for (int i = 0; i < 4; i++)
			pops(q);
		c = counts_of(q);
		cr_assert_eq(c.pushed, 10);
		cr_assert_eq(c.popped, 4);
		cr_assert_eq(c.depth, 6);
		cr_assert_geq(c.high_water, 6);
		cr_assert_leq(c.high_water, 10);
		leat_queue_end(q);
		cr_assert_eq(counts_of(q).pushed, 10);
		leat_queue_close(q);
	}
}

TEST(queue, high_water_is_exact_once_a_try_found_it_full)
{
	leat_queue *q = open_as(0, 10);
	void *item;

	for (int i = 0; i < 300; i++) {
		cr_assert_eq(leat_queue_push(q, NULL), 0);
		cr_assert_eq(leat_queue_pop(q, &item), 0);
	}
	while (leat_queue_trypush(q, NULL) == 0)
		;
	while (leat_queue_trypop(q, &item) == 0)
		;
	cr_assert_eq(counts_of(q).high_water, 10);
	leat_queue_close(q);
}

TEST(queue, high_water_is_exact_once_a_push_found_it_full)
{
	leat_queue *q = open_as(0, 100);
	void *item = item_make(0);

	fill(q, 100);
	cr_assert_eq(leat_queue_push_until(q, item, 0), -ETIMEDOUT);
	while (counts_of(q).depth > 0)
		pops(q);
	cr_assert_eq(counts_of(q).high_water, 100);
	item_free(item);
	leat_queue_close(q);
}

struct newer_counts {
	leat_queue_counts known;
	uint64_t unknown;
};

TEST(queue, stats_fill_structs_of_other_sizes)
{
	leat_queue *q = open_as(0, 4);
	struct newer_counts c;

	fill(q, 3);
	memset(&c, 0xff, sizeof(c));
	leat_queue_stats_sized(q, &c.known, sizeof(c));
	cr_assert_eq(c.known.pushed, 3);
	cr_assert_eq(c.unknown, 0);
	memset(&c, 0xff, sizeof(c));
	leat_queue_stats_sized(q, &c.known, sizeof(uint64_t));
	cr_assert_eq(c.known.pushed, 3);
	cr_assert_eq(c.known.popped, UINT64_MAX);
	leat_queue_close(q);
}
