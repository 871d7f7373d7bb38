/* SPDX-License-Identifier: BSD-2-Clause */
/* Ownership: line by line of the table in <leat/chain.h>. */
#include "stages/chain.h"
#include "tests/unit/unit.h"

/* Destructors that tell who was freed by whom. */
static uint64_t by_in, by_row;

static void free_in(void *item)
{
	check(item != NULL);
	count_up(&by_in);
	item_free(item);
}

static void free_row(void *item)
{
	check(item != NULL);
	count_up(&by_row);
	item_free(item);
}

static const leat_opts opts_in = {.free_in = free_in};
static const leat_opts opts_results = {.free_in = free_in, .results = 64};

/* through pushes `n` items through the rows, and closes. */
static int through(
	const leat_stage *rows, size_t count, const leat_opts *opts, uint64_t n)
{
	leat_chain *c = open_chain(rows, count, opts);

	by_in = by_row = 0;
	for (uint64_t i = 0; i < n; i++) {
		void *item = item_make(i);

		if (leat_push(c, item) != 0)
			item_free(item);
	}
	return chain_close(c);
}

static int one_row(leat_fn fn, const leat_opts *opts)
{
	leat_stage row = {.name = "a", .fn = fn, .free_out = free_row};

	return through(&row, 1, opts, 10);
}

TEST(ownership, what_the_function_borrowed_is_freed_by_who_made_it)
{
	leat_stage rows[2] = {
		{.name = "a", .fn = twice, .free_out = free_row},
		{.name = "b", .fn = swallow},
	};

	cr_assert_eq(through(rows, 2, &opts_in, 10), 0);
	cr_assert_eq(by_in, 10);
	cr_assert_eq(by_row, 10);
}

TEST(ownership, what_is_passed_on_is_not_freed_by_the_way)
{
	leat_stage rows[3] = {
		{.name = "a", .fn = pass},
		{.name = "b", .fn = pass},
		{.name = "c", .fn = swallow},
	};

	cr_assert_eq(through(rows, 3, &opts_in, 10), 0);
	cr_assert_eq(by_in, 10);
}

TEST(ownership, what_the_sink_makes_is_freed)
{
	cr_assert_eq(one_row(twice, &opts_in), 0);
	cr_assert_eq(by_in, 10);
	cr_assert_eq(by_row, 10);
	cr_assert_eq(one_row(pass, &opts_in), 0);
	cr_assert_eq(by_in + by_row, 10);
}

static int wrap(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = item_make(item_n(in));
	item_free(in);
	return LEAT_TOOK;
}

TEST(ownership, what_the_function_took_is_its_own)
{
	cr_assert_eq(one_row(wrap, &opts_in), 0);
	cr_assert_eq(by_in, 0);
	cr_assert_eq(by_row, 10);
	cr_assert_eq(one_row(wrap, &opts_results), 0);
	cr_assert_eq(by_in, 0);
	cr_assert_eq(by_row, 10);
}

static int take_and_pass(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = in;
	return LEAT_TOOK;
}

TEST(ownership, what_was_taken_and_given_is_given_once)
{
	cr_assert_eq(one_row(take_and_pass, &opts_in), 0);
	cr_assert_eq(by_in + by_row, 10);
	cr_assert_eq(one_row(take_and_pass, &opts_results), 0);
	cr_assert_eq(by_in + by_row, 10);
}

static int drop_with_out(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = item_make(item_n(in));
	return LEAT_DROP;
}

static int drop_with_in(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = in;
	return LEAT_DROP;
}

static int drop_taken(void *in, void **out, leat_worker *w)
{
	(void)out;
	(void)w;
	item_free(in);
	return LEAT_DROP | LEAT_TOOK;
}

TEST(ownership, what_is_dropped_is_freed_unless_taken)
{
	static const struct {
		leat_fn fn;
		uint64_t in, row;
	} cases[] = {
		{drop, 10, 0},
		{drop_with_out, 10, 10},
		{drop_with_in, 10, 0},
		{drop_taken, 0, 0},
	};

	EACH(i, cases)
	{
		cr_assert_eq(one_row(cases[i].fn, &opts_in), 0);
		cr_assert_eq(by_in, cases[i].in);
		cr_assert_eq(by_row, cases[i].row);
		cr_assert_eq(one_row(cases[i].fn, &opts_results), 0);
		cr_assert_eq(by_in, cases[i].in);
		cr_assert_eq(by_row, cases[i].row);
		cr_assert_eq(items_alive(), 0);
	}
}

/* A failure */

static int fail_with_out(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = item_make(item_n(in));
	return -EIO;
}

static int fail_with_in(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = in;
	return -EIO;
}

static int skipping(leat_fn fn, uint32_t retries, const leat_opts *opts)
{
	leat_stage row = {.name = "a",
		.fn = fn,
		.free_out = free_row,
		.on_error = LEAT_SKIP,
		.retries = retries};

	return through(&row, 1, opts, 10);
}

TEST(ownership, what_failed_is_freed_and_a_set_out_too)
{
	static const struct {
		leat_fn fn;
		uint64_t made;
	} cases[] = {{fail_at_once, 0}, {fail_with_out, 1}, {fail_with_in, 0}};

	EACH(i, cases)
	{
		for (uint32_t retries = 0; retries < 3; retries++) {
			uint64_t made = 10 * (retries + 1) * cases[i].made;

			cr_assert_eq(
				skipping(cases[i].fn, retries, &opts_in), -EIO);
			cr_assert_eq(by_in, 10);
			cr_assert_eq(by_row, made);
			cr_assert_eq(
				skipping(cases[i].fn, retries, &opts_results),
				-EIO);
			cr_assert_eq(by_in, 10);
			cr_assert_eq(by_row, made);
		}
	}
}

static uint64_t shown;

static int show(void *item, const leat_report *r, void *arg)
{
	check(r->code == -EIO);
	check(item_n(item) == r->seq);
	count_up(&shown);
	check(arg == &shown);
	return 0;
}

static int keep(void *item, const leat_report *r, void *arg)
{
	show(item, r, arg);
	item_free(item);
	return LEAT_TOOK;
}

TEST(ownership, what_failed_is_shown_intact_and_may_be_kept)
{
	leat_opts opts = {
		.free_in = free_in, .failed = show, .failed_arg = &shown};

	cr_assert_eq(skipping(fail_at_once, 1, &opts), -EIO);
	cr_assert_eq(by_in, 10);
	cr_assert_eq(shown, 10);
	opts.failed = keep;
	cr_assert_eq(skipping(fail_with_in, 0, &opts), -EIO);
	cr_assert_eq(by_in, 0);
	cr_assert_eq(shown, 20);
}

/* Emissions */

static int emit_three(void *in, void **out, leat_worker *w)
{
	(void)out;
	for (int i = 0; i < 3; i++)
		leat_emit(w, item_make(3 * item_n(in) + i));
	return LEAT_DROP;
}

static int emit_in(void *in, void **out, leat_worker *w)
{
	(void)out;
	leat_emit(w, in);
	return LEAT_DROP;
}

static int emit_in_and_return_it(void *in, void **out, leat_worker *w)
{
	leat_emit(w, item_make(1));
	leat_emit(w, in);
	*out = item_make(2);
	return 0;
}

static int emit_null(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	leat_emit(w, NULL);
	return 0;
}

static int emit_and_fail(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	leat_emit(w, item_make(1));
	leat_emit(w, item_make(2));
	return -EIO;
}

static int emit_in_and_fail(void *in, void **out, leat_worker *w)
{
	(void)out;
	leat_emit(w, in);
	leat_emit(w, item_make(2));
	return -EIO;
}

TEST(ownership, what_is_emitted_is_always_taken)
{
	static const struct {
		leat_fn fn;
		uint64_t all; /* freed in the end, by either destructor */
	} cases[] = {{emit_three, 40}, {emit_in, 10},
		{emit_in_and_return_it, 30}, {emit_null, 10}};

	EACH(i, cases)
	{
		cr_assert_eq(one_row(cases[i].fn, &opts_in), 0);
		cr_assert_eq(by_in + by_row, cases[i].all);
		cr_assert_eq(one_row(cases[i].fn, &opts_results), 0);
		cr_assert_eq(by_in + by_row, cases[i].all);
	}
}

TEST(ownership, what_a_failing_attempt_emitted_is_freed_when_it_has_retries)
{
	for (uint32_t retries = 0; retries < 3; retries++) {
		cr_assert_eq(skipping(emit_and_fail, retries, &opts_in), -EIO);
		cr_assert_eq(by_in, 10);
		cr_assert_eq(by_row, 20 * (retries + 1));
		cr_assert_eq(
			skipping(emit_in_and_fail, retries, &opts_in), -EIO);
		cr_assert_eq(items_alive(), 0);
		skipping(emit_and_fail, retries, &opts_results);
		skipping(emit_in_and_fail, retries, &opts_results);
		cr_assert_eq(items_alive(), 0);
	}
}

static int emit_after_cancel(void *in, void **out, leat_worker *w)
{
	gate_pass(leat_arg(w));
	check(leat_stopping(w) == 1);
	leat_emit(w, item_make(1));
	leat_emit(w, in);
	*out = item_make(2);
	return 0;
}

TEST(ownership, what_is_emitted_after_a_cancel_is_freed)
{
	for (uint64_t results = 0; results < 2; results++) {
		struct gate gate = {0, 0};
		leat_chain *c = single((leat_stage){.name = "a",
					       .fn = emit_after_cancel,
					       .arg = &gate,
					       .workers = 1},
			results);

		push_items(c, 0, 3);
		gate_await(&gate, 1);
		leat_cancel(c);
		gate_open(&gate);
		cr_assert_eq(chain_close(c), -ECANCELED);
		cr_assert_eq(items_alive(), 0);
	}
}

/* Destructors */

TEST(ownership, no_destructor_inherits_from_the_row_before)
{
	leat_stage rows[4] = {
		{.name = "a", .fn = twice, .free_out = free_row},
		{.name = "b", .fn = twice},
		{.name = "c", .fn = twice},
		{.name = "d", .fn = swallow},
	};

	cr_assert_eq(through(rows, 4, &opts_in, 10), 0);
	cr_assert_eq(by_in, 10);
	cr_assert_eq(by_row, 30);
}

static int number(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = item_raw(item_n(in) + 1);
	return 0;
}

TEST(ownership, keep_says_that_items_need_no_freeing)
{
	leat_stage rows[3] = {
		{.name = "a", .fn = number, .free_out = leat_keep},
		{.name = "b", .fn = pass},
		{.name = "c", .fn = swallow},
	};

	leat_keep(NULL);
	cr_assert_eq(through(rows, 3, &opts_in, 10), 0);
	cr_assert_eq(by_in, 10);
	cr_assert_eq(through(rows, 2, &opts_results, 10), 0);
	cr_assert_eq(by_in, 10);
}

TEST(ownership, null_is_an_item_that_is_never_freed)
{
	leat_stage rows[2] = {
		{.name = "a", .fn = swallow, .free_out = free_row},
		{.name = "b", .fn = pass},
	};
	leat_chain *c;
	void *item = rows;

	cr_assert_eq(through(rows, 2, &opts_results, 10), 0);
	cr_assert_eq(by_row, 0);
	c = open_chain(rows, 2, &opts_results);
	cr_assert_eq(leat_push(c, NULL), 0);
	cr_assert_eq(leat_pull(c, &item), 0);
	cr_assert_null(item);
	cr_assert_eq(chain_close(c), 0);
}

TEST(ownership, what_cancel_finds_anywhere_is_freed_once)
{
	for (int round = 0; round < 100; round++) {
		leat_stage rows[3] = {
			{.name = "a", .fn = twice, .free_out = free_row},
			{.name = "b",
				.fn = pass,
				.queue = 3,
				.flags = LEAT_ORDERED,
				.workers = 3},
			{.name = "c", .fn = swallow, .queue = 2},
		};
		leat_chain *c = open_chain(rows, 3, &opts_in);

		push_items(c, 0, (uint64_t)round);
		leat_cancel(c);
		cr_assert_eq(chain_close(c), -ECANCELED);
		cr_assert_eq(items_alive(), 0);
	}
}
