/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics: every item accounted for once, depths, times. */
#include "stages/chain.h"
#include "tests/unit/unit.h"

/* Of each hundred items a few of every kind. */
static int one_of_each(void *in, void **out, leat_worker *w)
{
	uint64_t n = item_n(in) % 100;

	if (n < 10)
		return LEAT_DROP;
	if (n < 15)
		return -EIO;
	if (n < 20 && leat_attempt(w) == 0)
		return -EAGAIN;
	if (n < 25) {
		leat_emit(w, item_make(1));
		leat_emit(w, item_make(1));
	}
	*out = in;
	return 0;
}

static void counted(uint32_t workers, uint32_t queue, uint32_t flags)
{
	leat_stage rows[2] = {
		{.name = "mix",
			.fn = one_of_each,
			.workers = workers,
			.queue = queue,
			.flags = flags,
			.retries = 1,
			.on_error = LEAT_SKIP},
		{.name = "sink", .fn = pass, .workers = workers},
	};
	leat_opts opts = {.free_in = item_free};
	leat_chain *c = open_chain(rows, 2, &opts);
	leat_counts s[2];

	push_items(c, 0, 1000);
	cr_assert_eq(leat_wait(c), 0);
	chain_balance(c);
	cr_assert_eq(leat_stats(c, s, 2), 2);
	cr_assert_str_eq(s[0].stage, "mix");
	cr_assert_eq(s[0].workers, workers);
	cr_assert_eq(s[0].taken, 1000);
	cr_assert_eq(s[0].dropped, 100);
	cr_assert_eq(s[0].failed, 50);
	cr_assert_eq(s[0].retried, 100);
	cr_assert_eq(s[0].done, 850);
	cr_assert_eq(s[0].cancelled, 0);
	cr_assert_eq(s[0].gave, 850 + 2 * 100);
	cr_assert_eq(s[0].freed, 0);
	cr_assert_eq(s[0].capacity, queue);
	cr_assert_eq(s[0].depth, 0);
	cr_assert_eq(s[1].taken, 1050);
	cr_assert_eq(s[1].done, 1050);
	cr_assert_eq(s[1].gave, 0);
	cr_assert_eq(s[1].freed, 1050);
	cr_assert_eq(chain_close(c), -EIO);
}

TEST(stats, every_item_is_accounted_for_once)
{
	static const uint32_t workers[] = {1, 2, 7};
	static const uint32_t queues[] = {1, 2, 64};

	EACH(w, workers) EACH(q, queues)
	{
		counted(workers[w], queues[q], 0);
		counted(workers[w], queues[q], LEAT_ORDERED);
	}
}

TEST(stats, cancelled_items_are_counted_where_they_were)
{
	struct gate gate = {0, 0};
	leat_stage row = {.name = "a", .fn = hold, .arg = &gate, .workers = 1};
	leat_chain *c = single(row, 10);
	leat_counts s;

	push_items(c, 0, 100);
	gate_await(&gate, 1);
	leat_cancel(c);
	gate_open(&gate);
	chain_rest(c);
	chain_balance(c);
	leat_stats(c, &s, 1);
	cr_assert_eq(s.taken + s.depth, 100);
	cr_assert_eq(s.done, 1);
	cr_assert_eq(s.freed, 1);
	cr_assert_eq(s.gave, 0);
	cr_assert_eq(leat_close(c), -ECANCELED);
}

TEST(stats, depth_and_high_water_tell_what_waits)
{
	struct gate gate = {0, 0};
	leat_stage row = {.name = "a",
		.fn = hold,
		.arg = &gate,
		.workers = 1,
		.queue = 10};
	leat_chain *c = single(row, 0);
	leat_counts s;
	void *item;

	push_items(c, 0, 1);
	gate_await(&gate, 1);
	push_items(c, 1, 10);
	item = item_make(11);
	cr_assert_eq(leat_push_until(c, item, 0), -ETIMEDOUT);
	item_free(item);
	leat_stats(c, &s, 1);
	cr_assert_eq(s.depth, 10);
	cr_assert_eq(s.high_water, 10);
	cr_assert_eq(s.capacity, 10);
	cr_assert_eq(s.taken, 1);
	gate_open(&gate);
	cr_assert_eq(chain_close(c), 0);
}

static int spend(void *in, void **out, leat_worker *w)
{
	uint64_t until = leat_after(5 * LEAT_MS);

	(void)w;
	while (leat_now() < until)
		;
	*out = in;
	return 0;
}

/* The first row spends its time, the second waits for it; and the first waits
 * while the last is slow. */
TEST(stats, times_tell_who_works_and_who_waits)
{
	leat_stage rows[2] = {
		{.name = "work", .fn = spend, .workers = 1},
		{.name = "wait", .fn = pass, .workers = 1},
	};
	leat_opts opts = {.free_in = item_free};
	leat_chain *c = open_chain(rows, 2, &opts);
	leat_counts s[2];

	push_items(c, 0, 20);
	chain_rest(c);
	chain_balance(c);
	leat_stats(c, s, 2);
	cr_assert_geq(s[0].busy_ns, 90 * LEAT_MS);
	cr_assert_geq(s[1].blocked_in_ns, 60 * LEAT_MS);
	cr_assert_lt(s[1].busy_ns, s[0].busy_ns);
	cr_assert_eq(leat_close(c), 0);
	rows[0].fn = pass;
	rows[1].fn = spend;
	rows[1].queue = 1;
	c = open_chain(rows, 2, &opts);
	push_items(c, 0, 20);
	chain_rest(c);
	chain_balance(c);
	leat_stats(c, s, 2);
	cr_assert_geq(s[0].blocked_out_ns, 50 * LEAT_MS);
	cr_assert_geq(s[1].busy_ns, 90 * LEAT_MS);
	cr_assert_eq(leat_close(c), 0);
}

struct newer_counts {
	leat_counts known;
	uint64_t unknown;
};

TEST(stats, structs_of_other_sizes_and_fewer_rows_are_filled)
{
	leat_stage rows[3] = {{.name = "a", .fn = pass},
		{.name = "b", .fn = pass}, {.name = "c", .fn = pass}};
	leat_opts opts = {.free_in = item_free};
	leat_chain *c = open_chain(rows, 3, &opts);
	struct newer_counts s[2];

	push_items(c, 0, 10);
	cr_assert_eq(leat_wait(c), 0);
	memset(s, 0xff, sizeof(s));
	cr_assert_eq(leat_stats_sized(c, &s[0].known, 2, sizeof(s[0])), 3);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(s[i].known.taken, 10);
		cr_assert_eq(s[i].unknown, 0);
	}
	cr_assert_str_eq(s[1].known.stage, "b");
	cr_assert_eq(leat_stats(c, NULL, 0), 3);
	cr_assert_eq(chain_close(c), 0);
}

static int look_at_stats(void *in, void **out, leat_worker *w)
{
	leat_chain **c = leat_arg(w);
	leat_counts s[2];

	check(leat_stats(*c, s, 2) == 2);
	for (int i = 0; i < 2; i++) {
		check(s[i].depth <= s[i].capacity);
		check(s[i].high_water <= s[i].capacity);
		check(s[i].taken <= 1000);
	}
	*out = in;
	return 0;
}

TEST(stats, figures_of_a_chain_at_work_are_plausible)
{
	leat_chain *c = NULL;
	leat_stage rows[2] = {
		{.name = "look", .fn = look_at_stats, .arg = &c, .workers = 2},
		{.name = "sink", .fn = swallow},
	};
	leat_opts opts = {.free_in = item_free};

	c = open_chain(rows, 2, &opts);
	push_items(c, 0, 1000);
	cr_assert_eq(chain_close(c), 0);
}
