/* SPDX-License-Identifier: BSD-2-Clause */
/* Sources: what they have made does not wait for what they make next. */
#include "stages/chain.h"
#include "tests/unit/unit.h"

#define ITEMS  20000 /* light ones, so that they are handed on in company */
#define BURST  37    /* after so many the source blocks */
#define BURSTS 40

/* A source that makes a burst, and blocks until all of it has arrived. */
struct bursts {
	uint64_t made, arrived;
	uint64_t warm; /* items made at one go before the first burst */
};

static int make_bursts(void *in, void **out, leat_worker *w)
{
	struct bursts *b = leat_arg(w);
	uint64_t made = look(&b->made);

	(void)in;
	if (made >= b->warm && (made - b->warm) % BURST == 0)
		await_at_least(&b->arrived, made);
	if (made >= b->warm + (uint64_t)BURST * BURSTS)
		return LEAT_END;
	*out = item_raw(count_up(&b->made) + 1);
	return 0;
}

static int emit_bursts(void *in, void **out, leat_worker *w)
{
	int rc = make_bursts(in, out, w);

	if (rc == 0)
		leat_emit(w, *out);
	return rc == 0 ? LEAT_DROP : rc;
}

static int arrive(void *in, void **out, leat_worker *w)
{
	struct bursts *b = leat_arg(w);

	(void)in;
	(void)out;
	count_up(&b->arrived);
	return LEAT_DROP;
}

static uint64_t by_value(const void *item, void *arg)
{
	(void)arg;
	return (uintptr_t)item;
}

static void run_bursts(leat_stage first, leat_stage second, uint64_t warm)
{
	struct bursts b = {.warm = warm};
	leat_stage rows[2] = {first, second};

	rows[0].name = "bursts";
	rows[0].free_out = leat_keep;
	rows[0].arg = &b;
	rows[1].name = "arrive";
	rows[1].fn = arrive;
	rows[1].arg = &b;
	cr_assert_eq(leat_run(rows, 2, NULL), 0);
	cr_assert_eq(b.arrived, b.made);
}

TEST(source, items_made_before_it_blocks_arrive)
{
	static const uint64_t warms[] = {0, ITEMS};
	leat_stage from = {.source = make_bursts};

	EACH(i, warms)
	{
		run_bursts(from, (leat_stage){.workers = 1}, warms[i]);
		run_bursts(from, (leat_stage){.workers = 2}, warms[i]);
		run_bursts(
			from, (leat_stage){.workers = 1, .queue = 1}, warms[i]);
		run_bursts(from, (leat_stage){.workers = 1, .retries = 1},
			warms[i]);
		run_bursts(from, (leat_stage){.workers = 3, .key = by_value},
			warms[i]);
	}
}

TEST(source, items_made_before_it_blocks_arrive_from_other_sources_too)
{
	static const leat_stage from[] = {
		{.source = make_bursts, .retries = 1},
		{.source = emit_bursts, .retries = 1},
		{.source = make_bursts, .flags = LEAT_ORDERED},
	};

	EACH(i, from)
	{
		run_bursts(from[i], (leat_stage){.workers = 1}, ITEMS);
		run_bursts(from[i], (leat_stage){.workers = 2}, ITEMS);
	}
}

TEST(source, items_emitted_before_it_blocks_arrive)
{
	leat_stage from = {.source = emit_bursts};

	run_bursts(from, (leat_stage){.workers = 1}, ITEMS);
	run_bursts(from, (leat_stage){.workers = 2}, ITEMS);
}

TEST(source, results_of_a_source_that_blocks_can_be_pulled)
{
	struct bursts b = {.warm = ITEMS};
	leat_stage row = {.name = "bursts",
		.source = make_bursts,
		.arg = &b,
		.free_out = leat_keep};
	leat_opts opts = {.results = 100};
	leat_chain *c = open_chain(&row, 1, &opts);
	void *item;

	while (leat_pull(c, &item) == 0)
		count_up(&b.arrived);
	cr_assert_eq(leat_close(c), 0);
	cr_assert_eq(b.arrived, b.made);
}
