/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What users of thread pools, queues and pipelines were hurt by elsewhere. A
 * test's name says what happened to them, or rather, what does not here.
 */
#include <sys/resource.h>
#include "stages/chain.h"
#include "tests/unit/unit.h"

/* An error meets a bounded queue */

struct disaster {
	uint64_t after;	  /* the sink fails at this item */
	uint64_t sources; /* items made by the source */
};

static int fail_after(void *in, void **out, leat_worker *w)
{
	struct disaster *d = leat_arg(w);

	*out = in;
	return leat_seq(w) >= d->after ? -ENOSPC : 0;
}

static int make_for_ever(void *in, void **out, leat_worker *w)
{
	struct disaster *d = leat_arg(w);

	(void)in;
	*out = item_make(count_up(&d->sources));
	return 0;
}

/* Every queue before the last row is full when it fails. */
static void disaster_with(
	uint32_t queue, uint32_t flags, uint64_t after, bool source)
{
	struct disaster d = {.after = after};
	leat_stage rows[4] = {
		{.name = "first", .fn = pass, .arg = &d, .queue = queue},
		{.name = "second", .fn = pass, .queue = queue, .workers = 2},
		{.name = "third", .fn = twice, .queue = queue, .workers = 2},
		{.name = "disk", .fn = fail_after, .arg = &d, .queue = queue},
	};
	leat_opts opts = {.free_in = item_free};
	leat_chain *c;
	int rc = 0;

	rows[1].flags = rows[2].flags = flags;
	rows[3].workers = 1;
	rows[2].free_out = item_free;
	if (source) {
		rows[0].source = make_for_ever;
		rows[0].fn = NULL;
		rows[0].queue = 0;
		rows[0].free_out = item_free;
	}
	c = open_chain(rows, 4, &opts);
	while (!source && rc == 0) {
		void *item = item_make(1);

		rc = leat_push(c, item);
		if (rc != 0)
			item_free(item);
	}
	cr_assert(source || rc == -ECANCELED);
	cr_assert_eq(leat_wait(c), -ENOSPC);
	cr_assert_eq(chain_close(c), -ENOSPC);
	cr_assert_eq(items_alive(), 0);
}

TEST(pitfalls, an_error_that_meets_full_queues_does_not_hang)
{
	static const uint32_t queues[] = {1, 2, 7};

	for (uint64_t round = 0; round < 60; round++) {
		EACH(q, queues)
		{
			disaster_with(queues[q], round % 2 ? LEAT_ORDERED : 0,
				round, false);
		}
	}
}

TEST(pitfalls, an_error_ends_the_source_too)
{
	for (uint64_t round = 0; round < 100; round++)
		disaster_with(1 + round % 3, round % 2 ? LEAT_ORDERED : 0,
			round, true);
}

/* A thread both feeds and drains */

static leat_chain *narrow(uint32_t results)
{
	leat_stage row = {.name = "a",
		.fn = twice,
		.workers = 2,
		.queue = 2,
		.flags = LEAT_ORDERED,
		.free_out = item_free};
	leat_opts opts = {.free_in = item_free, .results = results};

	return open_chain(&row, 1, &opts);
}

static uint64_t take(leat_chain *c, uint64_t next)
{
	void *item;

	cr_assert_eq(leat_pull(c, &item), 0);
	cr_assert_eq(item_n(item), 2 * next);
	item_free(item);
	return next + 1;
}

TEST(pitfalls, one_thread_may_feed_and_drain_with_trypush)
{
	leat_chain *c = narrow(2);
	uint64_t next = 0;
	void *item;
	int rc;

	for (uint64_t i = 0; i < 2000; i++) {
		item = item_make(i);
		while ((rc = leat_trypush(c, item)) == -EAGAIN)
			next = take(c, next);
		cr_assert_eq(rc, 0);
	}
	leat_end(c);
	while (leat_pull(c, &item) == 0) {
		cr_assert_eq(item_n(item), 2 * next++);
		item_free(item);
	}
	cr_assert_eq(next, 2000);
	cr_assert_eq(chain_close(c), 0);
}

static int add_and_drop(void *in, void **out, leat_worker *w)
{
	add(in, out, w);
	return LEAT_DROP;
}

static int emit_sum(leat_worker *w)
{
	leat_emit(w, item_make(*(uint64_t *)leat_arg(w)));
	return 0;
}

/* Nothing comes of what is in the chain, until its end. */
TEST(pitfalls, one_thread_may_feed_and_drain_what_keeps_all)
{
	uint64_t sum = 0;
	leat_stage row = {.name = "sum",
		.fn = add_and_drop,
		.arg = &sum,
		.workers = 1,
		.queue = 2,
		.flush = emit_sum};
	leat_chain *c = single(row, 1);
	void *item, *result;
	int rc;

	for (uint64_t i = 0; i < 200; i++) {
		item = item_make(i);
		while ((rc = leat_trypush(c, item)) == -EAGAIN)
			cr_assert_eq(leat_pull_until(
					     c, &result, leat_after(LEAT_MS)),
				-ETIMEDOUT);
		cr_assert_eq(rc, 0);
	}
	leat_end(c);
	cr_assert_eq(leat_pull(c, &result), 0);
	cr_assert_eq(item_n(result), 199 * 100);
	item_free(result);
	cr_assert_eq(leat_pull(c, &result), LEAT_END);
	cr_assert_eq(chain_close(c), 0);
}

/* Wrongly done, it is told, not hung; and the chain is still good. */
static uint64_t push_until_told(leat_chain *c, uint64_t i)
{
	for (;; i++) {
		void *item = item_make(i);
		int rc = leat_push(c, item);

		if (rc == 0)
			continue;
		cr_assert_eq(rc, -EDEADLK);
		item_free(item);
		return i;
	}
}

TEST(pitfalls, one_thread_that_feeds_and_drains_wrongly_is_told)
{
	leat_chain *c = narrow(2);
	uint64_t n = 1, next;

	push_items(c, 0, 1);
	next = take(c, 0); /* so it is known who pulls */
	for (int round = 0; round < 3; round++) {
		n = push_until_told(c, n);
		cr_assert_eq(leat_wait(c), -EDEADLK);
		while (next < n)
			next = take(c, next);
	}
	cr_assert_eq(chain_close(c), 0);
}

/* pass_slowly is what everything waits for. */
static int pass_slowly(void *in, void **out, leat_worker *w)
{
	(void)w;
	rest(10 * LEAT_MS);
	*out = in;
	return 0;
}

static uint64_t key_of_all(const void *item, void *arg)
{
	(void)item;
	(void)arg;
	return 0;
}

/* Though the results are full, there is much room before the last stage. */
TEST(pitfalls, one_thread_may_feed_as_long_as_a_stage_goes_on)
{
	leat_stage rows[2] = {
		{.name = "slow", .fn = pass_slowly, .workers = 1, .queue = 1},
		{.name = "last", .fn = pass, .key = key_of_all, .workers = 1},
	};
	leat_opts opts = {.free_in = item_free, .results = 1};
	leat_chain *c = open_chain(rows, 2, &opts);
	void *item;

	push_items(c, 0, 1);
	cr_assert_eq(leat_pull(c, &item), 0);
	item_free(item);
	push_items(c, 1, 20);
	cr_assert_eq(chain_close(c), 0);
}

/* As long as another thread may pull, even if it has the name of one that did
 * and has ended. */
static void pull_one(void *chain, size_t i)
{
	void *item;

	(void)i;
	check(leat_pull(chain, &item) == 0);
	item_free(item);
}

static void push_many(void *chain, size_t i)
{
	for (i = 0; i < 200; i++)
		check(leat_push(chain, item_make(i)) == 0);
}

TEST(pitfalls, a_thread_that_only_feeds_is_not_taken_for_one_that_has_pulled)
{
	leat_chain *c = narrow(2);
	struct threads feeder;

	push_items(c, 0, 1);
	with_threads(1, pull_one, c);
	threads_start(&feeder, 1, push_many, c);
	await_parked(&c->edge[0].queue[0]->not_full, 1);
	rest(20 * LEAT_MS);
	for (int i = 0; i < 200; i++)
		pull_one(c, 0);
	threads_join(&feeder);
	cr_assert_eq(chain_close(c), 0);
}

/* Also where a worker sleeps though there is room, until there is more. */
TEST(pitfalls, one_thread_that_drains_too_little_is_told)
{
	leat_chain *c = narrow(16);
	uint64_t n, next;

	push_items(c, 0, 1);
	next = take(c, 0);
	n = push_until_told(c, 1);
	for (int round = 0; round < 3; round++) {
		next = take(c, next);
		cr_assert_eq(leat_wait(c), -EDEADLK);
		n = push_until_told(c, n);
	}
	while (next < n)
		next = take(c, next);
	cr_assert_eq(chain_close(c), 0);
}

/* Results that hold all there is keep nobody waiting. */
TEST(pitfalls, one_thread_may_feed_what_the_results_hold_and_drain_it_then)
{
	leat_chain *c = narrow(2);
	uint64_t next = 0;

	for (uint64_t n = 0; n < 40000; n += 2) {
		push_items(c, n, 2);
		cr_assert_eq(leat_wait(c), 0);
		while (next < n + 2)
			next = take(c, next);
	}
	cr_assert_eq(chain_close(c), 0);
}

TEST(pitfalls, one_thread_that_feeds_and_never_drains_is_told)
{
	leat_chain *c = narrow(2);
	uint64_t n = push_until_told(c, 0);

	cr_assert_leq(n, 2 + 2 + 2 + 64);
	cr_assert_eq(leat_close(c), 0);
}

static void drain_late(void *arg, size_t i)
{
	leat_chain *c = arg;
	void *item;

	(void)i;
	rest(200 * LEAT_MS);
	for (int k = 0; k < 100; k++) {
		check(leat_pull(c, &item) == 0);
		item_free(item);
	}
}

/* A late consumer is no reason to complain. */
TEST(pitfalls, a_feeder_waits_for_somebody_who_begins_to_drain_late)
{
	leat_chain *c = narrow(2);
	struct threads t;

	threads_start(&t, 1, drain_late, c);
	push_items(c, 0, 100);
	threads_join(&t);
	cr_assert_eq(chain_close(c), 0);
}

/* Work pushed from inside, and waited for */

static int push_and_wait(void *in, void **out, leat_worker *w)
{
	leat_chain *c = *(leat_chain **)leat_arg(w);
	void *item = item_make(1);

	check(leat_push(c, item) == -EDEADLK);
	check(leat_wait(c) == -EDEADLK);
	item_free(item);
	*out = in;
	return 0;
}

TEST(pitfalls, work_pushed_from_inside_and_waited_for_is_told)
{
	leat_chain *c = NULL;
	leat_stage row = {.name = "a", .fn = push_and_wait, .arg = &c};

	c = single(row, 0);
	push_items(c, 0, 100);
	cr_assert_eq(chain_close(c), 0);
}

/* Teardown from a callback */

static leat_chain *torn;

static int close_in_function(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = in;
	check(leat_close(torn) == -EDEADLK);
	return 0;
}

static int close_in_hook(void *item, const leat_report *r, void *arg)
{
	(void)item;
	(void)r;
	(void)arg;
	check(leat_close(torn) == -EDEADLK);
	leat_cancel(torn);
	return 0;
}

static void close_in_destructor(void *item)
{
	check(leat_close(torn) == -EDEADLK);
	item_free(item);
}

static int close_in_flush(leat_worker *w)
{
	(void)w;
	check(leat_close(torn) == -EDEADLK);
	return 0;
}

static void close_in_close(void *state)
{
	(void)state;
	check(leat_close(torn) == -EDEADLK);
}

TEST(pitfalls, teardown_from_any_callback_is_refused)
{
	leat_stage row = {.name = "a",
		.fn = close_in_function,
		.flush = close_in_flush,
		.close = close_in_close,
		.workers = 2};
	leat_opts opts = {.free_in = close_in_destructor};

	torn = open_chain(&row, 1, &opts);
	push_items(torn, 0, 100);
	cr_assert_eq(chain_close(torn), 0);
}

TEST(pitfalls, cancel_is_what_a_callback_may_call)
{
	for (int round = 0; round < 50; round++) {
		leat_stage row = {.name = "a",
			.fn = fail_at_once,
			.on_error = LEAT_SKIP,
			.workers = 2};
		leat_opts opts = {
			.free_in = item_free, .failed = close_in_hook};

		torn = open_chain(&row, 1, &opts);
		for (uint64_t i = 0; i < 100; i++) {
			void *item = item_make(i);

			if (leat_push(torn, item) != 0)
				item_free(item);
		}
		cr_assert_eq(chain_close(torn), -EIO);
		cr_assert_eq(items_alive(), 0);
	}
}

/* Shutdown */

static leat_chain *wide(uint64_t results)
{
	static const leat_stage rows[3] = {
		{.name = "a", .fn = pass, .workers = 3, .queue = 2},
		{.name = "b",
			.fn = twice,
			.workers = 3,
			.queue = 1,
			.flags = LEAT_ORDERED,
			.free_out = item_free},
		{.name = "c", .fn = pass, .workers = 3, .queue = 3},
	};
	leat_opts opts = {.free_in = item_free, .results = results};

	return open_chain(rows, 3, &opts);
}

TEST(pitfalls, idle_chains_close_at_once)
{
	uint64_t from = leat_now();

	for (int round = 0; round < FEWER(200); round++)
		cr_assert_eq(leat_close(wide(0)), 0);
	cr_assert_leq(leat_now() - from, 10 * LEAT_S);
}

struct shut {
	leat_chain *c;
	uint64_t pushed, until;
};

static void shut_body(void *arg, size_t i)
{
	struct shut *s = arg;
	void *item;

	if (i == 0) {
		await_at_least(&s->pushed, s->until);
		leat_cancel(s->c);
	} else if (i == 1) {
		while (leat_pull(s->c, &item) == 0)
			item_free(item);
	} else if (i == 2) {
		check(leat_wait(s->c) != -EDEADLK);
	} else {
		do {
			item = item_make(1);
			count_up(&s->pushed);
		} while (leat_push(s->c, item) == 0);
		item_free(item);
	}
}

TEST(pitfalls, cancel_misses_no_wake_up_wherever_threads_sleep)
{
	for (uint64_t round = 0; round < FEWER(200); round++) {
		struct shut s = {.c = wide(2), .until = round};

		with_threads(5, shut_body, &s);
		cr_assert_eq(chain_close(s.c), -ECANCELED);
		cr_assert_eq(items_alive(), 0);
	}
}

/* Who frees after a failed send */

TEST(pitfalls, a_push_that_fails_leaves_the_item_with_the_caller)
{
	static void (*const verbs[])(leat_chain *) = {
		leat_end, leat_stop, leat_cancel};

	EACH(i, verbs)
	{
		leat_chain *c = wide(0);
		void *items[3] = {item_make(0), item_make(1), item_make(2)};
		size_t n = 9;

		verbs[i](c);
		cr_assert_lt(leat_push(c, items[0]), 0);
		cr_assert_lt(leat_trypush(c, items[0]), 0);
		cr_assert_lt(leat_push_until(c, items[0], 0), 0);
		cr_assert_lt(leat_pushn(c, items, 3, &n), 0);
		cr_assert_eq(n, 0);
		chain_rest(c);
		cr_assert_eq(items_alive(), 3);
		for (int k = 0; k < 3; k++)
			item_free(items[k]);
		leat_close(c);
	}
}

/* Capacity off by one */

TEST(pitfalls, a_row_that_asks_for_a_hundred_places_has_a_hundred)
{
	static const uint32_t queues[] = {1, 2, 3, 5, 7, 64, 100, 1000};

	EACH(q, queues)
	{
		struct gate gate = {0, 0};
		leat_chain *c = single((leat_stage){.name = "a",
					       .fn = hold,
					       .arg = &gate,
					       .workers = 1,
					       .queue = queues[q]},
			0);
		void *item = item_make(0);

		push_items(c, 0, 1);
		gate_await(&gate, 1);
		for (uint64_t i = 0; i < queues[q]; i++)
			cr_assert_eq(leat_trypush(c, item_make(i)), 0);
		cr_assert_eq(leat_trypush(c, item), -EAGAIN);
		item_free(item);
		gate_open(&gate);
		cr_assert_eq(chain_close(c), 0);
	}
}

/* NULL as a marker */

static int count_null(void *in, void **out, leat_worker *w)
{
	check(in == NULL);
	*out = in;
	count_up(leat_arg(w));
	return 0;
}

TEST(pitfalls, null_does_not_end_anything)
{
	uint64_t n = 0;
	leat_stage rows[3] = {
		{.name = "a", .fn = pass, .workers = 2},
		{.name = "b", .fn = pass, .workers = 2, .flags = LEAT_ORDERED},
		{.name = "c", .fn = count_null, .arg = &n, .workers = 2},
	};
	leat_opts opts = {.free_in = item_free, .results = 100};
	leat_chain *c = open_chain(rows, 3, &opts);
	void *item = rows;

	for (int i = 0; i < 100; i++)
		cr_assert_eq(leat_push(c, NULL), 0);
	cr_assert_eq(leat_wait(c), 0);
	cr_assert_eq(n, 100);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(leat_pull(c, &item), 0);
		cr_assert_null(item);
	}
	leat_end(c);
	cr_assert_eq(leat_pull(c, &item), LEAT_END);
	cr_assert_eq(chain_close(c), 0);
}

static int emit_null(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	leat_emit(w, NULL);
	leat_emit(w, NULL);
	return LEAT_DROP;
}

TEST(pitfalls, null_is_emitted_and_handed_on_like_any_item)
{
	leat_chain *c = single(
		(leat_stage){.name = "a", .fn = emit_null, .workers = 2}, 100);
	uint64_t n = 0;
	void *item;

	push_items(c, 0, 30);
	leat_end(c);
	while (leat_pull(c, &item) == 0) {
		cr_assert_null(item);
		n++;
	}
	cr_assert_eq(n, 60);
	cr_assert_eq(chain_close(c), 0);
}

/* Errors by item, and results of some items only */

static int skip_odd(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = in;
	return item_n(in) % 2 ? -EINVAL : 0;
}

TEST(pitfalls, one_bad_item_neither_vanishes_nor_takes_all_with_it)
{
	leat_chain *c = single((leat_stage){.name = "a",
				       .fn = skip_odd,
				       .on_error = LEAT_SKIP,
				       .workers = 3,
				       .flags = LEAT_ORDERED},
		100);
	void *item;

	push_items(c, 0, 100);
	leat_end(c);
	for (uint64_t i = 0; i < 100; i += 2) {
		cr_assert_eq(leat_pull(c, &item), 0);
		cr_assert_eq(item_n(item), i);
		item_free(item);
	}
	cr_assert_eq(leat_pull(c, &item), LEAT_END);
	cr_assert_eq(chain_close(c), -EINVAL);
	cr_assert_eq(unit_report.more, 49);
}

/* Idle workers */

static uint64_t processor_us(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

TEST(pitfalls, idle_workers_use_no_processor)
{
	leat_stage rows[3] = {
		{.name = "a", .fn = pass, .workers = 7},
		{.name = "b", .fn = pass, .workers = 7, .flags = LEAT_ORDERED},
		{.name = "c", .fn = pass, .workers = 7},
	};
	leat_opts opts = {.free_in = item_free};
	leat_chain *c = open_chain(rows, 3, &opts);
	uint64_t from;

	push_items(c, 0, 1000);
	cr_assert_eq(leat_wait(c), 0);
	rest(50 * LEAT_MS);
	from = processor_us();
	rest(500 * LEAT_MS);
	cr_assert_leq(processor_us() - from, 20000);
	cr_assert_eq(chain_close(c), 0);
}

/* Chains know nothing of each other: they share nothing. */

static void independent(void *arg, size_t i)
{
	uint64_t sum = 0;
	leat_stage row = {.name = "a", .fn = add, .arg = &sum, .workers = 2};
	leat_opts opts = {.free_in = item_free};

	(void)arg;
	for (int round = 0; round < 20; round++) {
		leat_chain *c;

		sum = 0;
		check(leat_open(&c, &row, 1, &opts) == 0);
		for (uint64_t k = 0; k < 20; k++)
			check(leat_push(c, item_make(i)) == 0);
		check(leat_close(c) == 0);
		check(sum == 20 * i);
	}
}

TEST(pitfalls, chains_of_many_threads_do_not_meet)
{
	with_threads(8, independent, NULL);
}
