/* SPDX-License-Identifier: BSD-2-Clause */
/* Retries: attempts, back-off, what is held, what an attempt may undo. */
#include "stages/chain.h"
#include "stages/retry.h"
#include "tests/unit/unit.h"

/* What the functions below have seen. */
struct tries {
	uint64_t fail_times; /* each item's first attempts that fail */
	uint64_t attempts;   /* all of them */
	uint64_t began[16];  /* item 0: when each attempt began */
	uint64_t only;	     /* only this item fails; UINT64_MAX: all */
	struct gate gate;
};

#define ALL UINT64_MAX

static int fail_first(void *in, void **out, leat_worker *w)
{
	struct tries *t = leat_arg(w);
	uint64_t n = item_n(in);

	count_up(&t->attempts);
	if (n == 0 && leat_attempt(w) < 16)
		t->began[leat_attempt(w)] = leat_now();
	check(leat_seq(w) == n);
	leat_emit(w, item_make(n));
	if ((t->only == ALL || t->only == n) && leat_attempt(w) < t->fail_times)
		return leat_error(
			w, -EAGAIN, "attempt %u of %lu", leat_attempt(w), n);
	*out = in;
	return 0;
}

static leat_stage retrying(struct tries *t, uint32_t retries, uint64_t backoff)
{
	return (leat_stage){.name = "a",
		.fn = fail_first,
		.arg = t,
		.workers = 1,
		.retries = retries,
		.backoff_ns = backoff};
}

static void retried(struct tries *t, leat_stage row, uint64_t n, int rc)
{
	leat_chain *c;
	leat_counts s;
	int waited;

	c = single(row, 0);
	push_items(c, 0, n);
	waited = leat_wait(c);
	cr_assert_eq(waited, rc);
	leat_stats(c, &s, 1);
	cr_assert_eq(s.retried, t->attempts - n);
	cr_assert_eq(chain_close(c), rc);
	cr_assert_eq(items_alive(), 0);
}

TEST(retry, an_item_is_tried_again_until_it_succeeds)
{
	for (uint64_t times = 0; times < 5; times++) {
		struct tries t = {.fail_times = times, .only = ALL};

		retried(&t, retrying(&t, 4, 0), 100, 0);
		cr_assert_eq(t.attempts, 100 * (times + 1));
	}
}

TEST(retry, an_item_fails_for_good_after_its_last_retry)
{
	struct tries t = {.fail_times = 100, .only = 0};

	retried(&t, retrying(&t, 3, 0), 1, -EAGAIN);
	cr_assert_eq(t.attempts, 4);
	cr_assert_eq(unit_report.attempt, 3);
	cr_assert_str_eq(unit_report.text, "attempt 3 of 0");
}

TEST(retry, the_back_off_doubles)
{
	struct tries t = {.fail_times = 5, .only = 0};

	retried(&t, retrying(&t, 5, 4 * LEAT_MS), 1, 0);
	for (int i = 1; i <= 5; i++) {
		uint64_t gap = t.began[i] - t.began[i - 1];

		cr_assert_geq(gap, (UINT64_C(4) << (i - 1)) * LEAT_MS);
	}
	cr_assert_leq(t.began[5] - t.began[0], LEAT_S);
}

/* A back-off that overflows is one that never ends, not a short one. */
TEST(retry, an_absurd_back_off_waits_until_the_chain_is_cancelled)
{
	static const uint64_t absurd[] = {
		UINT64_MAX, UINT64_MAX / 2, UINT64_MAX / 3};

	EACH(i, absurd)
	{
		struct tries t = {.fail_times = 9, .only = ALL};
		leat_chain *c = single(retrying(&t, 9, absurd[i]), 0);

		push_items(c, 0, 3);
		await_at_least(&t.attempts, 3);
		cr_assert_eq(leat_wait_until(c, leat_after(20 * LEAT_MS)),
			-ETIMEDOUT);
		cr_assert_eq(look(&t.attempts), 3);
		leat_cancel(c);
		cr_assert_eq(chain_close(c), -ECANCELED);
		cr_assert_eq(items_alive(), 0);
	}
}

TEST(retry, other_items_do_not_wait_for_one_that_is_held)
{
	struct tries t = {.fail_times = 1, .only = 0};
	leat_chain *c = single(retrying(&t, 1, LEAT_S), 100);
	uint64_t from = leat_now();
	void *item;

	push_items(c, 0, 50);
	for (int i = 0; i < 49 * 2; i++) {
		cr_assert_eq(leat_pull(c, &item), 0);
		cr_assert_neq(item_n(item), 0);
		item_free(item);
	}
	cr_assert_lt(leat_now() - from, LEAT_S);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(leat_pull(c, &item), 0);
		cr_assert_eq(item_n(item), 0);
		item_free(item);
	}
	cr_assert_geq(leat_now() - from, LEAT_S);
	cr_assert_eq(chain_close(c), 0);
}

/* More than a worker can hold: then it waits with the item in hand. */
struct held_back {
	leat_chain *chain;
	struct gate gate;
	int waited;
};

static int hold_back_first(void *in, void **out, leat_worker *w)
{
	struct held_back *h = leat_arg(w);

	(void)out;
	if (item_n(in) == 0)
		return -EAGAIN;
	gate_pass(&h->gate);
	return 0;
}

static void wait_chain(void *arg, size_t i)
{
	struct held_back *h = arg;

	(void)i;
	h->waited = leat_wait(h->chain);
}

/* Not even for a moment, while later items are taken. */
TEST(retry, leat_wait_waits_for_an_item_that_is_held)
{
	struct held_back h = {.waited = 1};
	leat_stage row = {.name = "row",
		.fn = hold_back_first,
		.arg = &h,
		.workers = 1,
		.retries = 1,
		.backoff_ns = 20 * LEAT_S};
	uint64_t *bell;
	uint64_t before;
	struct threads t;

	h.chain = single(row, 0);
	bell = &h.chain->passed.word;
	push_items(h.chain, 0, 1);
	threads_start(&t, 1, wait_chain, &h);
	while (look(bell) >> 32 == 0)
		sched_yield();
	before = look(bell);
	push_items(h.chain, 1, 1);
	gate_await(&h.gate, 1);
	cr_assert_eq(look(bell), before);
	leat_cancel(h.chain);
	gate_open(&h.gate);
	threads_join(&t);
	cr_assert_eq(h.waited, -ECANCELED);
	cr_assert_eq(chain_close(h.chain), -ECANCELED);
}

TEST(retry, more_items_than_can_be_held_are_all_retried)
{
	static const uint32_t flags[] = {0, LEAT_ORDERED};

	EACH(i, flags)
	{
		struct tries t = {.fail_times = 2, .only = ALL};
		leat_stage row = retrying(&t, 2, 200 * LEAT_US);

		row.flags = flags[i];
		retried(&t, row, 5 * HELD_MAX, 0);
		cr_assert_eq(t.attempts, 3 * 5 * HELD_MAX);
	}
}

static uint64_t one_key(const void *item, void *arg)
{
	(void)item;
	(void)arg;
	return 1;
}

TEST(retry, items_of_one_key_wait_behind_the_one_that_is_held)
{
	struct tries t = {.fail_times = 2, .only = 0};
	leat_stage row = retrying(&t, 2, 5 * LEAT_MS);
	uint64_t next = 0;
	leat_chain *c;
	void *item;

	row.key = one_key;
	row.workers = 3;
	c = single(row, 1000);
	push_items(c, 0, 3 * HELD_MAX);
	leat_end(c);
	while (leat_pull(c, &item) == 0) {
		cr_assert_eq(item_n(item), next++ / 2);
		item_free(item);
	}
	cr_assert_eq(next, 2 * 3 * HELD_MAX);
	cr_assert_eq(chain_close(c), 0);
}

TEST(retry, cancel_frees_what_is_held_at_any_moment)
{
	static const uint32_t flags[] = {0, LEAT_ORDERED};

	for (uint64_t round = 0; round < 100; round++) {
		struct tries t = {.fail_times = 3, .only = ALL};
		leat_stage row = retrying(&t, 3, 50 * LEAT_US * (round % 5));
		leat_chain *c;

		row.flags = flags[round % 2];
		row.workers = 1 + round % 3;
		row.key = round % 4 == 2 ? one_key : NULL;
		c = single(row, 1000);
		push_items(c, 0, 150);
		await_at_least(&t.attempts, round);
		leat_cancel(c);
		cr_assert_eq(chain_close(c), -ECANCELED);
		cr_assert_eq(items_alive(), 0);
	}
}

/* The end of input finds items held: they are tried before the workers go. */
TEST(retry, what_is_held_at_the_end_is_still_tried)
{
	static const uint32_t flags[] = {0, LEAT_ORDERED};

	EACH(i, flags)
	{
		struct tries t = {.fail_times = 1, .only = ALL};
		leat_stage row = retrying(&t, 1, 20 * LEAT_MS);
		leat_chain *c;

		row.flags = flags[i];
		c = single(row, 0);
		push_items(c, 0, 10);
		cr_assert_eq(chain_close(c), 0);
		cr_assert_eq(t.attempts, 20);
	}
}

TEST(retry, a_failure_elsewhere_frees_what_is_held)
{
	struct tries t = {.fail_times = 100, .only = ALL};
	leat_stage rows[2] = {
		retrying(&t, 100, LEAT_S),
		{.name = "b", .fn = fail_at_once},
	};
	leat_opts opts = {.free_in = item_free};
	leat_chain *c;

	t.only = 0;
	c = open_chain(rows, 2, &opts);
	push_items(c, 0, 1);
	await_at_least(&t.attempts, 1);
	push_items(c, 1, 1);
	cr_assert_eq(leat_wait(c), -EIO);
	cr_assert_eq(chain_close(c), -EIO);
}

/* Sources */

static int source_fails_first(void *in, void **out, leat_worker *w)
{
	struct tries *t = leat_arg(w);

	(void)in;
	count_up(&t->attempts);
	if (leat_seq(w) == 20)
		return LEAT_END;
	leat_emit(w, item_make(leat_seq(w)));
	if (leat_attempt(w) < t->fail_times)
		return -EAGAIN;
	*out = item_make(leat_seq(w));
	return 0;
}

static leat_stage retrying_source(struct tries *t, uint64_t backoff)
{
	return (leat_stage){.name = "a",
		.source = source_fails_first,
		.arg = t,
		.free_out = item_free,
		.retries = 2,
		.backoff_ns = backoff};
}

TEST(retry, a_source_is_tried_again_and_keeps_its_count)
{
	struct tries t = {.fail_times = 2};
	uint64_t sum = 0;
	leat_stage rows[2] = {
		retrying_source(&t, 10 * LEAT_US),
		{.name = "b", .fn = add, .arg = &sum},
	};

	cr_assert_eq(leat_run(rows, 2, NULL), 0);
	cr_assert_eq(t.attempts, 20 * 3 + 1);
	cr_assert_eq(sum, 2 * 190);
}

TEST(retry, a_source_that_fails_for_good_fails_the_chain_or_goes_on)
{
	for (uint32_t policy = 0; policy < 2; policy++) {
		struct tries t = {.fail_times = 3};
		leat_stage row = retrying_source(&t, 0);

		row.on_error = policy;
		cr_assert_eq(leat_run(&row, 1, NULL), -EAGAIN);
		cr_assert_eq(t.attempts, policy == LEAT_SKIP ? 61 : 3);
	}
}

TEST(retry, stop_and_cancel_end_a_source_that_waits_to_retry)
{
	static void (*const verbs[])(leat_chain *) = {leat_stop, leat_cancel};

	EACH(i, verbs)
	{
		struct tries t = {.fail_times = 1};
		leat_stage row = retrying_source(&t, LEAT_NEVER);
		leat_chain *c = open_chain(&row, 1, NULL);

		await_at_least(&t.attempts, 1);
		verbs[i](c);
		cr_assert_eq(chain_close(c), i == 0 ? 0 : -ECANCELED);
		cr_assert_eq(t.attempts, i == 0 ? 2 : 1);
		cr_assert_eq(items_alive(), 0);
	}
}

/* What an attempt that is repeated emitted is freed, but never `in`. */
static int emit_in_then_fail(void *in, void **out, leat_worker *w)
{
	(void)out;
	leat_emit(w, in);
	leat_emit(w, item_make(1));
	return leat_attempt(w) < 2 ? -EAGAIN : LEAT_DROP;
}

TEST(retry, an_input_emitted_by_an_attempt_that_failed_is_still_intact)
{
	for (uint64_t results = 0; results < 2; results++) {
		leat_chain *c = single((leat_stage){.name = "a",
					       .fn = emit_in_then_fail,
					       .retries = 2,
					       .workers = 2},
			200 * results);
		leat_counts s;

		push_items(c, 0, 50);
		cr_assert_eq(leat_wait(c), 0);
		leat_stats(c, &s, 1);
		cr_assert_eq(s.dropped, 50);
		cr_assert_eq(s.retried, 100);
		cr_assert_eq(s.gave, results ? 100 : 0);
		cr_assert_eq(chain_close(c), 0);
		cr_assert_eq(items_alive(), 0);
	}
}

/* An item that fails after the cancel, but has retries left, has not failed for
 * good: it is cancelled, like those that were never tried. */
static int fail_after_cancel(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	gate_pass(leat_arg(w));
	return -EIO;
}

TEST(retry, an_item_with_retries_left_is_cancelled_not_failed)
{
	struct gate gate = {0, 0};
	leat_chain *c = single((leat_stage){.name = "a",
				       .fn = fail_after_cancel,
				       .arg = &gate,
				       .workers = 1,
				       .retries = 1},
		0);
	leat_counts s;

	push_items(c, 0, 1);
	gate_await(&gate, 1);
	leat_cancel(c);
	gate_open(&gate);
	chain_rest(c);
	chain_balance(c);
	leat_stats(c, &s, 1);
	cr_assert_eq(s.cancelled, 1);
	cr_assert_eq(s.failed, 0);
	cr_assert_eq(leat_failure(c, NULL), 0);
	cr_assert_eq(chain_close(c), -ECANCELED);
}
