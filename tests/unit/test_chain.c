/* SPDX-License-Identifier: BSD-2-Clause */
/* The chain's verbs: what each returns, when it waits, what wakes it. */
#include "queues/cpus.h"
#include "stages/chain.h"
#include "tests/unit/unit.h"

static const leat_opts items = {.free_in = item_free};

static leat_chain *sourced(uint64_t *n)
{
	leat_stage rows[2] = {
		{.name = "make",
			.source = count_down,
			.arg = n,
			.free_out = item_free},
		{.name = "swallow", .fn = swallow, .workers = 2},
	};

	return open_chain(rows, 2, NULL);
}

/* The matrix: every size of pool, queue and input gives the same sum. */

static void matrix_case(uint32_t workers, uint32_t queue, uint64_t n)
{
	uint64_t sum[2] = {0, 0};
	leat_stage rows[3] = {
		{.name = "first", .fn = add, .arg = &sum[0]},
		{.name = "twice", .fn = twice, .free_out = item_free},
		{.name = "second", .fn = add, .arg = &sum[1]},
	};
	leat_chain *c;

	for (int i = 0; i < 3; i++) {
		rows[i].workers = workers;
		rows[i].queue = queue;
	}
	c = open_chain(rows, 3, &items);
	for (uint64_t i = 0; i < n; i++)
		cr_assert_eq(leat_push(c, item_make(i)), 0);
	cr_assert_eq(chain_close(c), 0);
	cr_assert_eq(sum[0], n * (n - 1) / 2 * (n > 0));
	cr_assert_eq(sum[1], 2 * sum[0]);
	cr_assert_eq(items_alive(), 0);
}

TEST(chain, workers_and_queues_of_any_size_give_the_same_result)
{
	static const uint32_t workers[] = {1, 2, 7};
	static const uint32_t queues[] = {1, 2, 64};
	static const uint64_t inputs[] = {0, 1, 1000};

	EACH(w, workers) EACH(q, queues) EACH(n, inputs)
	{
		matrix_case(workers[w], queues[q], inputs[n]);
	}
}

/* push */

TEST(chain, push_after_the_end_or_a_stop_is_refused)
{
	leat_chain *c[2];
	void *item = item_make(1);

	for (int i = 0; i < 2; i++) {
		size_t n = 9;

		c[i] = single((leat_stage){.name = "a", .fn = pass}, 0);
		if (i == 0)
			leat_end(c[i]);
		else
			leat_stop(c[i]);
		cr_assert_eq(leat_push(c[i], item), -EPIPE);
		cr_assert_eq(leat_trypush(c[i], item), -EPIPE);
		cr_assert_eq(leat_push_until(c[i], item, 0), -EPIPE);
		cr_assert_eq(leat_pushn(c[i], &item, 1, &n), -EPIPE);
		cr_assert_eq(n, 0);
		cr_assert_eq(chain_close(c[i]), 0);
	}
	item_free(item);
}

TEST(chain, push_after_a_cancel_is_refused)
{
	leat_chain *c = single((leat_stage){.name = "a", .fn = pass}, 0);
	void *item = item_make(1);
	size_t n = 9;

	leat_cancel(c);
	cr_assert_eq(leat_push(c, item), -ECANCELED);
	cr_assert_eq(leat_trypush(c, item), -ECANCELED);
	cr_assert_eq(leat_push_until(c, item, 0), -ECANCELED);
	cr_assert_eq(leat_pushn(c, &item, 1, &n), -ECANCELED);
	cr_assert_eq(n, 0);
	cr_assert_eq(leat_failure(c, NULL), 0);
	cr_assert_eq(chain_close(c), -ECANCELED);
	item_free(item);
}

TEST(chain, push_after_a_failure_is_refused)
{
	leat_chain *c =
		single((leat_stage){.name = "a", .fn = fail_at_once}, 0);
	void *item = item_make(1);

	cr_assert_eq(leat_push(c, item_make(0)), 0);
	cr_assert_eq(leat_wait(c), -EIO);
	cr_assert_eq(leat_push(c, item), -ECANCELED);
	cr_assert_eq(leat_failure(c, NULL), -EIO);
	cr_assert_eq(chain_close(c), -EIO);
	item_free(item);
}

TEST(chain, push_into_a_source_is_refused)
{
	uint64_t n = 3;
	leat_chain *c = sourced(&n);
	void *item = item_make(1);
	size_t pushed = 9;

	cr_assert_eq(leat_push(c, item), LEAT_ESOURCE);
	cr_assert_eq(leat_trypush(c, item), LEAT_ESOURCE);
	cr_assert_eq(leat_push_until(c, item, 0), LEAT_ESOURCE);
	cr_assert_eq(leat_pushn(c, &item, 1, &pushed), LEAT_ESOURCE);
	cr_assert_eq(pushed, 0);
	cr_assert_eq(chain_close(c), 0);
	item_free(item);
}

/* A chain whose one worker stands at a gate, and whose queue is full. */
struct stuck {
	leat_chain *c;
	struct gate gate;
	struct threads threads;
	uint64_t deadline;
	uint64_t pushed;
	int rc;
};

static void stick(struct stuck *s, uint64_t results)
{
	leat_stage row = {.name = "hold",
		.fn = hold,
		.arg = &s->gate,
		.workers = 1,
		.queue = 2};

	s->c = single(row, results);
	cr_assert_eq(leat_push(s->c, item_make(0)), 0);
	gate_await(&s->gate, 1);
	for (uint64_t i = 1; i < 3; i++)
		cr_assert_eq(leat_trypush(s->c, item_make(i)), 0);
}

TEST(chain, trypush_says_full_and_push_until_keeps_its_deadline)
{
	struct stuck s = {.rc = 0};
	void *item = item_make(9);
	uint64_t t;

	stick(&s, 0);
	cr_assert_eq(leat_trypush(s.c, item), -EAGAIN);
	cr_assert_eq(leat_push_until(s.c, item, 0), -ETIMEDOUT);
	t = leat_after(30 * LEAT_MS);
	cr_assert_eq(leat_push_until(s.c, item, t), -ETIMEDOUT);
	cr_assert_geq(leat_now(), t);
	cr_assert_leq(leat_now(), t + 250 * LEAT_MS);
	gate_open(&s.gate);
	cr_assert_eq(leat_push_until(s.c, item, leat_after(LEAT_S)), 0);
	cr_assert_eq(chain_close(s.c), 0);
}

static void push_one(void *arg, size_t i)
{
	struct stuck *s = arg;
	void *item = item_make(i);

	s->rc = leat_push(s->c, item);
	if (s->rc != 0)
		item_free(item);
}

static void park_push(struct stuck *s)
{
	stick(s, 0);
	threads_start(&s->threads, 1, push_one, s);
	await_parked(&s->c->edge[0].queue[0]->not_full, 1);
}

static void verb_wakes_push(void (*verb)(leat_chain *), int rc, int closed)
{
	struct stuck s = {.rc = 1};

	park_push(&s);
	verb(s.c);
	threads_join(&s.threads);
	cr_assert_eq(s.rc, rc);
	gate_open(&s.gate);
	cr_assert_eq(chain_close(s.c), closed);
}

TEST(chain, end_stop_and_cancel_wake_a_blocked_push)
{
	verb_wakes_push(leat_end, -EPIPE, 0);
	verb_wakes_push(leat_stop, -EPIPE, 0);
	verb_wakes_push(leat_cancel, -ECANCELED, -ECANCELED);
}

TEST(chain, pushn_keeps_the_order_and_says_how_many_went_in)
{
	leat_chain *c = single(
		(leat_stage){.name = "a", .fn = pass, .workers = 1}, 1000);
	void *array[500], *item;
	size_t n = 0;

	for (uint64_t i = 0; i < 500; i++)
		array[i] = item_make(i);
	cr_assert_eq(leat_pushn(c, array, 500, &n), 0);
	cr_assert_eq(n, 500);
	cr_assert_eq(leat_pushn(c, array, 0, NULL), 0);
	for (uint64_t i = 0; i < 500; i++) {
		cr_assert_eq(leat_pull(c, &item), 0);
		cr_assert_eq(item_n(item), i);
		item_free(item);
	}
	cr_assert_eq(chain_close(c), 0);
}

/* pull */

TEST(chain, pull_without_results_is_refused)
{
	leat_chain *c = single((leat_stage){.name = "a", .fn = pass}, 0);
	void *item;
	size_t n = 9;

	cr_assert_eq(leat_pull(c, &item), -EINVAL);
	cr_assert_eq(leat_trypull(c, &item), -EINVAL);
	cr_assert_eq(leat_pull_until(c, &item, 0), -EINVAL);
	cr_assert_eq(leat_pulln(c, &item, 1, &n), -EINVAL);
	cr_assert_eq(n, 0);
	cr_assert_eq(chain_close(c), 0);
}

TEST(chain, pull_says_empty_in_time_and_the_end_as_often_as_asked)
{
	leat_chain *c = single((leat_stage){.name = "a", .fn = pass}, 4);
	uint64_t t = leat_after(20 * LEAT_MS);
	void *item;
	size_t n = 9;

	cr_assert_eq(leat_trypull(c, &item), -EAGAIN);
	cr_assert_eq(leat_pull_until(c, &item, 0), -ETIMEDOUT);
	cr_assert_eq(leat_pull_until(c, &item, t), -ETIMEDOUT);
	cr_assert_geq(leat_now(), t);
	cr_assert_eq(leat_pulln(c, &item, 0, &n), 0);
	cr_assert_eq(n, 0);
	leat_end(c);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(leat_pull(c, &item), LEAT_END);
		cr_assert_eq(leat_trypull(c, &item), LEAT_END);
		cr_assert_eq(leat_pull_until(c, &item, 0), LEAT_END);
		cr_assert_eq(leat_pulln(c, &item, 1, &n), LEAT_END);
	}
	cr_assert_eq(chain_close(c), 0);
}

TEST(chain, pulln_takes_at_least_one_and_at_most_max)
{
	leat_chain *c =
		single((leat_stage){.name = "a", .fn = pass, .workers = 1}, 64);
	void *array[8];
	uint64_t next = 0;
	size_t n;

	for (uint64_t i = 0; i < 50; i++)
		cr_assert_eq(leat_push(c, item_make(i)), 0);
	leat_end(c);
	while (leat_pulln(c, array, 8, &n) == 0) {
		cr_assert(n >= 1 && n <= 8);
		for (size_t i = 0; i < n; i++) {
			cr_assert_eq(item_n(array[i]), next++);
			item_free(array[i]);
		}
	}
	cr_assert_eq(next, 50);
	cr_assert_eq(chain_close(c), 0);
}

static void pull_one(void *arg, size_t i)
{
	struct stuck *s = arg;
	void *item;

	(void)i;
	s->rc = leat_pull(s->c, &item);
	if (s->rc == 0)
		item_free(item);
}

static void verb_wakes_pull(void (*verb)(leat_chain *), int rc)
{
	struct stuck s = {.rc = 1};

	s.c = single((leat_stage){.name = "a", .fn = pass}, 2);
	threads_start(&s.threads, 1, pull_one, &s);
	await_parked(&s.c->edge[1].queue[0]->not_empty, 1);
	verb(s.c);
	threads_join(&s.threads);
	cr_assert_eq(s.rc, rc, "%d, not %d", s.rc, rc);
	chain_close(s.c);
}

TEST(chain, end_stop_and_cancel_wake_a_blocked_pull)
{
	for (int round = 0; round < 50; round++) {
		verb_wakes_pull(leat_end, LEAT_END);
		verb_wakes_pull(leat_stop, LEAT_END);
		verb_wakes_pull(leat_cancel, -ECANCELED);
	}
}

TEST(chain, pull_after_a_failure_says_cancelled)
{
	leat_chain *c =
		single((leat_stage){.name = "a", .fn = fail_at_once}, 2);
	void *item;

	cr_assert_eq(leat_push(c, item_make(0)), 0);
	cr_assert_eq(leat_pull(c, &item), -ECANCELED);
	cr_assert_eq(leat_failure(c, NULL), -EIO);
	cr_assert_eq(chain_close(c), -EIO);
}

/* wait */

TEST(chain, wait_returns_once_all_pushed_has_left)
{
	static const uint32_t workers[] = {1, 2, 7};
	uint64_t sum = 0;

	EACH(w, workers)
	{
		leat_stage rows[2] = {
			{.name = "a", .fn = pass, .workers = workers[w]},
			{.name = "b",
				.fn = add,
				.arg = &sum,
				.workers = workers[w]},
		};
		leat_chain *c = open_chain(rows, 2, &items);

		for (uint64_t round = 1; round < 20; round++) {
			sum = 0;
			for (uint64_t i = 0; i < round; i++)
				leat_push(c, item_make(1));
			cr_assert_eq(leat_wait(c), 0);
			cr_assert_eq(sum, round);
			cr_assert_eq(items_alive(), 0);
			chain_balance(c);
		}
		cr_assert_eq(chain_close(c), 0);
	}
}

TEST(chain, wait_for_nothing_is_over_at_once)
{
	leat_chain *c = single((leat_stage){.name = "a", .fn = pass}, 0);

	cr_assert_eq(leat_wait(c), 0);
	cr_assert_eq(leat_wait_until(c, 0), 0);
	cr_assert_eq(chain_close(c), 0);
}

TEST(chain, wait_keeps_its_deadline)
{
	struct stuck s = {.rc = 0};
	uint64_t t;

	stick(&s, 0);
	cr_assert_eq(leat_wait_until(s.c, 0), -ETIMEDOUT);
	t = leat_after(30 * LEAT_MS);
	cr_assert_eq(leat_wait_until(s.c, t), -ETIMEDOUT);
	cr_assert_geq(leat_now(), t);
	cr_assert_leq(leat_now(), t + 250 * LEAT_MS);
	gate_open(&s.gate);
	cr_assert_eq(leat_wait_until(s.c, leat_after(20 * LEAT_S)), 0);
	cr_assert_eq(chain_close(s.c), 0);
}

static void wait_one(void *arg, size_t i)
{
	struct stuck *s = arg;

	(void)i;
	s->rc = leat_wait(s->c);
}

TEST(chain, cancel_wakes_a_blocked_wait)
{
	struct stuck s = {.rc = 1};

	stick(&s, 0);
	threads_start(&s.threads, 1, wait_one, &s);
	await_at_least(&s.c->passed.word, UINT64_C(1) << 32);
	leat_cancel(s.c);
	threads_join(&s.threads);
	cr_assert_eq(s.rc, -ECANCELED);
	gate_open(&s.gate);
	cr_assert_eq(chain_close(s.c), -ECANCELED);
}

TEST(chain, wait_of_a_chain_with_a_source_ends_with_the_source)
{
	uint64_t n = 500;
	leat_chain *c = sourced(&n);

	cr_assert_eq(leat_wait(c), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(items_alive(), 0);
	chain_balance(c);
	cr_assert_eq(chain_close(c), 0);
}

TEST(chain, wait_lets_results_lie)
{
	leat_chain *c = single((leat_stage){.name = "a", .fn = pass}, 10);
	void *item;

	for (uint64_t i = 0; i < 10; i++)
		cr_assert_eq(leat_push(c, item_make(i)), 0);
	cr_assert_eq(leat_wait(c), 0);
	for (uint64_t i = 0; i < 10; i++) {
		cr_assert_eq(leat_trypull(c, &item), 0);
		item_free(item);
	}
	cr_assert_eq(chain_close(c), 0);
}

/* stop, cancel, end */

static int forever(void *in, void **out, leat_worker *w)
{
	(void)in;
	*out = item_make(count_up(leat_arg(w)));
	return 0;
}

static leat_chain *endless(uint64_t *made)
{
	leat_stage rows[3] = {
		{.name = "make",
			.source = forever,
			.arg = made,
			.free_out = item_free,
			.workers = 2},
		{.name = "pass", .fn = pass, .workers = 2, .queue = 7},
		{.name = "swallow", .fn = swallow, .workers = 2, .queue = 1},
	};

	return open_chain(rows, 3, NULL);
}

TEST(chain, stop_ends_a_source_and_finishes_what_is_in_flight)
{
	uint64_t made = 0;
	leat_chain *c = endless(&made);
	leat_counts s[3];

	await_at_least(&made, 100);
	leat_stop(c);
	leat_stop(c);
	chain_rest(c);
	chain_balance(c);
	cr_assert_eq(leat_stats(c, s, 3), 3);
	cr_assert_eq(s[2].done, look(&made));
	cr_assert_eq(s[0].freed + s[1].freed, 0);
	cr_assert_eq(chain_close(c), 0);
}

TEST(chain, cancel_ends_a_source_and_frees_what_is_in_flight)
{
	for (uint64_t round = 0; round < 30; round++) {
		uint64_t made = 0;
		leat_chain *c = endless(&made);

		await_at_least(&made, round * 10);
		leat_cancel(c);
		leat_cancel(c);
		leat_stop(c);
		cr_assert_eq(leat_wait(c), -ECANCELED);
		cr_assert_eq(chain_close(c), -ECANCELED);
		cr_assert_eq(items_alive(), 0);
	}
}

TEST(chain, end_of_a_chain_with_a_source_is_harmless)
{
	uint64_t n = 100;
	leat_chain *c = sourced(&n);

	leat_end(c);
	leat_end(c);
	cr_assert_eq(chain_close(c), 0);
	cr_assert_eq(n, 0);
}

/* close, run */

TEST(chain, close_takes_null_and_frees_results_not_pulled)
{
	leat_chain *c = single((leat_stage){.name = "a", .fn = pass}, 2);

	cr_assert_eq(leat_close(NULL), 0);
	for (uint64_t i = 0; i < 2; i++)
		cr_assert_eq(leat_push(c, item_make(i)), 0);
	cr_assert_eq(leat_close(c), 0);
	cr_assert_eq(items_alive(), 0);
}

TEST(chain, run_opens_waits_and_closes)
{
	uint64_t n = 1000;
	leat_stage rows[2] = {
		{.name = "make",
			.source = count_down,
			.arg = &n,
			.free_out = item_free},
		{.name = "swallow", .fn = swallow},
	};

	cr_assert_eq(leat_run(rows, 2, NULL), 0);
	cr_assert_eq(items_made(), 1000);
	cr_assert_eq(items_alive(), 0);
	rows[1].fn = fail_at_once;
	n = 1000;
	cr_assert_eq(leat_run(rows, 2, NULL), -EIO);
	cr_assert_eq(items_alive(), 0);
	cr_assert_eq(leat_run(rows, 0, NULL), LEAT_EROWS);
}

TEST(chain, run_without_a_source_is_refused)
{
	leat_stage row = {.name = "a", .fn = pass};
	leat_report r;
	leat_opts opts = {.report = &r};

	cr_assert_eq(leat_run(&row, 1, NULL), LEAT_ESOURCE);
	cr_assert_eq(leat_run(&row, 1, &opts), LEAT_ESOURCE);
	cr_assert_eq(r.code, LEAT_ESOURCE);
	cr_assert_str_eq(r.stage, "a");
	cr_assert_str_eq(
		r.text, "row 0 (a): leat_run needs a source; use leat_open");
}

TEST(chain, run_with_results_is_refused)
{
	uint64_t n = 100;
	leat_stage row = {.name = "make",
		.source = count_down,
		.arg = &n,
		.free_out = item_free};
	leat_report r;
	leat_opts opts = {.results = 1, .report = &r};

	cr_assert_eq(leat_run(&row, 1, &opts), -EINVAL);
	cr_assert_eq(r.code, -EINVAL);
	cr_assert_str_eq(r.text,
		"results: nobody pulls those of leat_run; use leat_open");
	cr_assert_eq(n, 100);
}

TEST(chain, results_nobody_pulls_do_not_hang_a_close)
{
	uint64_t n = 100;
	leat_stage row = {.name = "make",
		.source = count_down,
		.arg = &n,
		.free_out = item_free};
	leat_opts opts = {.results = 1};

	cr_assert_eq(leat_close(open_chain(&row, 1, &opts)), 0);
	cr_assert_eq(items_made(), 100);
}

/* Processor 0 workers: one for each. */
TEST(chain, no_number_of_workers_means_one_for_each_processor)
{
	leat_stage rows[2] = {
		{.name = "a", .fn = pass}, {.name = "b", .fn = pass}};
	leat_chain *c = open_chain(rows, 2, NULL);
	leat_counts s[2];
	uint64_t n = 0;

	leat_stats(c, s, 2);
	cr_assert_eq(s[0].workers, cpus_usable());
	cr_assert_eq(s[1].workers, cpus_usable());
	cr_assert_eq(chain_close(c), 0);
	c = sourced(&n);
	leat_stats(c, s, 1);
	cr_assert_eq(s[0].workers, 1);
	cr_assert_eq(chain_close(c), 0);
}
