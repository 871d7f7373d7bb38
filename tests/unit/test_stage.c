/* SPDX-License-Identifier: BSD-2-Clause */
/* Stages: return values, sources, open, close, flush, keys, order. */
#include "stages/chain.h"
#include "tests/unit/unit.h"

/* with_one pushes one item through one row. */
static int with_one(leat_stage row)
{
	leat_chain *c = single(row, 0);

	push_items(c, 0, 1);
	return chain_close(c);
}

/* Return values */

static int rc_of_arg(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	return *(int *)leat_arg(w);
}

TEST(stage, values_that_mean_nothing_are_failures)
{
	static const int values[] = {4, 5, 6, 7, 8, 1000, INT32_MAX};

	EACH(i, values)
	{
		int value = values[i];
		leat_stage row = {.name = "a", .fn = rc_of_arg, .arg = &value};

		cr_assert_eq(with_one(row), LEAT_ERETURN);
		cr_assert_eq(unit_report.code, LEAT_ERETURN);
		cr_assert_not_null(
			strstr(unit_report.text, "the function returned"));
	}
}

TEST(stage, a_negative_value_is_a_code_of_the_callers_own)
{
	static const int values[] = {-1, -EIO, -100000, INT32_MIN};

	EACH(i, values)
	{
		int value = values[i];
		leat_stage row = {.name = "a", .fn = rc_of_arg, .arg = &value};

		cr_assert_eq(with_one(row), value);
	}
}

/* Sources */

static int odd_source(void *in, void **out, leat_worker *w)
{
	uint64_t i = (*(uint64_t *)leat_arg(w))++;

	check(in == NULL);
	check(leat_seq(w) == i);
	if (i < 20)
		*out = item_make(i);
	if (i == 20)
		return LEAT_END;
	return i % 2 ? LEAT_DROP : 0;
}

TEST(stage, a_source_may_drop_and_what_it_made_is_freed)
{
	uint64_t calls = 0, sum = 0;
	leat_stage rows[2] = {
		{.name = "a",
			.source = odd_source,
			.arg = &calls,
			.free_out = item_free},
		{.name = "b", .fn = add, .arg = &sum},
	};

	cr_assert_eq(leat_run(rows, 2, NULL), 0);
	cr_assert_eq(calls, 21);
	cr_assert_eq(sum, 90);
}

static int end_with_out(void *in, void **out, leat_worker *w)
{
	(void)in;
	*out = item_make(1);
	leat_emit(w, item_make(2));
	return LEAT_END;
}

TEST(stage, what_a_source_makes_with_the_end_is_freed_not_what_it_emits)
{
	uint64_t sum = 0;
	leat_stage rows[2] = {
		{.name = "a",
			.source = end_with_out,
			.free_out = item_free,
			.workers = 3},
		{.name = "b", .fn = add, .arg = &sum},
	};

	cr_assert_eq(leat_run(rows, 2, NULL), 0);
	cr_assert_eq(sum, 6);
}

static int end_and_drop(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	(void)w;
	return LEAT_END | LEAT_DROP;
}

TEST(stage, a_source_that_fails_stops_or_is_called_again)
{
	uint64_t n = 5;
	leat_stage row = {.name = "a", .source = end_and_drop, .arg = &n};

	cr_assert_eq(leat_run(&row, 1, NULL), LEAT_ERETURN);
	row.source = fail_at_once;
	cr_assert_eq(leat_run(&row, 1, NULL), -EIO);
}

/* Every worker of a source is asked until it says the end. */
static int each_ten(void *in, void **out, leat_worker *w)
{
	(void)in;
	if (leat_seq(w) == 10)
		return LEAT_END;
	*out = item_make(100 * leat_index(w) + leat_seq(w));
	return 0;
}

TEST(stage, several_workers_of_a_source_make_items_each)
{
	leat_stage row = {.name = "a",
		.source = each_ten,
		.workers = 7,
		.free_out = item_free};
	leat_opts opts = {.results = 3};
	leat_chain *c = open_chain(&row, 1, &opts);
	uint64_t next[7] = {0};
	void *item;

	while (leat_pull(c, &item) == 0) {
		uint64_t n = item_n(item);

		cr_assert_eq(n % 100, next[n / 100]++);
		item_free(item);
	}
	for (int i = 0; i < 7; i++)
		cr_assert_eq(next[i], 10);
	cr_assert_eq(chain_close(c), 0);
}

/* Open and close, once for each worker */

struct opens {
	uint64_t opened, closed, failed;
	uint64_t busy[8]; /* threads that run the worker */
	pthread_t thread[8];
	uint64_t fail_at; /* the worker whose open fails; UINT64_MAX: none */
	bool say;
};

static int open_worker(void **state, leat_worker *w)
{
	struct opens *o = leat_arg(w);

	if (leat_index(w) == o->fail_at) {
		count_up(&o->failed);
		return o->say ? leat_error(w, -ENXIO, "no %s", "device")
			      : -ENXIO;
	}
	*state = item_make(leat_index(w));
	o->thread[leat_index(w)] = pthread_self();
	count_up(&o->opened);
	return 0;
}

static struct opens *opens_of_close;

static void close_worker(void *state)
{
	struct opens *o = opens_of_close;

	item_free(state);
	count_up(&o->closed);
}

/* Whichever thread runs the function: no two run one worker. */
static int use_state(void *in, void **out, leat_worker *w)
{
	struct opens *o = leat_arg(w);
	uint32_t i = leat_index(w);

	(void)in;
	(void)out;
	check(count_up(&o->busy[i]) == 0);
	check(look(&o->opened) == 7);
	check(item_n(leat_state(w)) == i);
	__atomic_fetch_sub(&o->busy[i], 1, __ATOMIC_SEQ_CST);
	return 0;
}

static const leat_stage opening = {.name = "a",
	.fn = use_state,
	.open = open_worker,
	.close = close_worker,
	.workers = 7};

TEST(stage, open_and_close_run_once_for_each_worker)
{
	for (int round = 0; round < 20; round++) {
		struct opens o = {.fail_at = UINT64_MAX};
		leat_stage rows[2] = {{.name = "first", .fn = pass}, opening};
		leat_opts opts = {.free_in = item_free};
		leat_chain *c;

		opens_of_close = rows[1].arg = &o;
		c = open_chain(rows, 2, &opts);
		cr_assert_eq(o.opened, 7);
		for (int i = 0; i < 7; i++)
			for (int k = 0; k < i; k++)
				cr_assert_not(pthread_equal(
					o.thread[i], o.thread[k]));
		push_items(c, 0, 500);
		cr_assert_eq(chain_close(c), 0);
		cr_assert_eq(o.closed, 7);
	}
}

TEST(stage, close_runs_after_a_cancel_too)
{
	struct opens o = {.fail_at = UINT64_MAX};
	leat_stage row = opening;
	leat_chain *c;

	opens_of_close = row.arg = &o;
	c = single(row, 0);
	leat_cancel(c);
	cr_assert_eq(chain_close(c), -ECANCELED);
	cr_assert_eq(o.closed, 7);
}

/* All or nothing: the others' open runs too, and each is closed. */
TEST(stage, an_open_that_fails_fails_the_chain)
{
	for (int say = 0; say < 2; say++) {
		struct opens o = {.fail_at = 3, .say = say};
		leat_stage rows[2] = {{.name = "first", .fn = pass}, opening};
		leat_report r;
		leat_opts opts = {.report = &r};
		leat_chain *c;

		opens_of_close = rows[1].arg = &o;
		cr_assert_eq(leat_open(&c, rows, 2, &opts), -ENXIO);
		cr_assert_null(c);
		cr_assert_eq(o.opened, 6);
		cr_assert_eq(o.closed, 6);
		cr_assert_eq(r.code, -ENXIO);
		cr_assert_eq(r.row, 1);
		cr_assert_str_eq(r.stage, "a");
		cr_assert_str_eq(r.text,
			say ? "no device"
			    : "the row's open failed: No such device or "
			      "address");
	}
}

static int open_only(void **state, leat_worker *w)
{
	(void)state;
	count_up(leat_arg(w));
	return 5;
}

TEST(stage, open_without_a_state_or_a_close_is_fine)
{
	uint64_t opened = 0;
	leat_stage row = {.name = "a",
		.fn = pass,
		.open = open_only,
		.arg = &opened,
		.workers = 2};

	cr_assert_eq(with_one(row), 0);
	cr_assert_eq(opened, 2);
}

/* Flush */

static int emit_own_count(leat_worker *w)
{
	check(leat_attempt(w) == 0);
	leat_emit(w, item_make(1000 + leat_index(w)));
	leat_emit(w, item_make(2000 + leat_index(w)));
	return 0;
}

static void flushes(uint32_t workers, uint32_t flags)
{
	leat_stage row = {.name = "a",
		.fn = pass,
		.flush = emit_own_count,
		.workers = workers,
		.flags = flags};
	leat_chain *c = single(row, 1000);
	struct bits seen = bits_open(2 * workers);
	uint64_t n = 0, flushed = 0;
	void *item;

	push_items(c, 0, 300);
	leat_end(c);
	while (leat_pull(c, &item) == 0) {
		uint64_t i = item_n(item);

		if (i >= 1000) {
			uint64_t k = i / 1000 - 1 + i % 1000 * 2;

			bits_set(&seen, k);
			check(!flags || (n == 300 && k == flushed));
			flushed++;
		} else {
			check(!flags || i == n);
			n++;
		}
		item_free(item);
	}
	cr_assert_eq(n, 300);
	bits_close_full(&seen);
	cr_assert_eq(chain_close(c), 0);
}

TEST(stage, flush_runs_once_for_each_worker_and_may_emit)
{
	flushes(1, 0);
	flushes(7, 0);
}

TEST(stage, ordered_workers_flush_by_index_behind_all_items)
{
	for (int round = 0; round < 20; round++) {
		flushes(1, LEAT_ORDERED);
		flushes(2, LEAT_ORDERED);
		flushes(7, LEAT_ORDERED);
	}
}

/* An ordered sink's worker is in the middle of an item. */
struct sink {
	uint64_t items, flushed;
};

static int take_long(void *in, void **out, leat_worker *w)
{
	struct sink *s = leat_arg(w);
	uint64_t until = leat_after(20 * LEAT_MS);

	(void)in;
	(void)out;
	while (load_relaxed(&s->flushed) == 0 && leat_now() < until)
		sched_yield();
	count_up(&s->items);
	return LEAT_DROP;
}

static int flush_in_turn(leat_worker *w)
{
	struct sink *s = leat_arg(w);

	check(load_relaxed(&s->items) == 3);
	check(load_relaxed(&s->flushed) == leat_index(w));
	count_up(&s->flushed);
	return 0;
}

TEST(stage, an_ordered_sink_flushes_by_index_behind_all_items)
{
	for (uint32_t retries = 0; retries < 2; retries++) {
		struct sink s = {0};
		leat_chain *c = single((leat_stage){.name = "a",
					       .fn = take_long,
					       .flush = flush_in_turn,
					       .arg = &s,
					       .workers = 4,
					       .retries = retries,
					       .flags = LEAT_ORDERED},
			0);

		push_items(c, 0, 3);
		cr_assert_eq(chain_close(c), 0);
		cr_assert_eq(s.flushed, 4);
	}
}

static int fail_flush(leat_worker *w)
{
	leat_emit(w, item_make(3));
	return leat_error(w, -ENOSPC, "nothing fits");
}

TEST(stage, a_flush_that_fails_is_the_chains_failure)
{
	for (uint32_t policy = 0; policy < 2; policy++) {
		leat_stage row = {.name = "a",
			.fn = pass,
			.flush = fail_flush,
			.workers = 2,
			.on_error = policy};

		cr_assert_eq(with_one(row), -ENOSPC);
		cr_assert_str_eq(unit_report.text, "nothing fits");
		cr_assert_str_eq(unit_report.stage, "a");
		if (policy == LEAT_SKIP)
			cr_assert_eq(unit_report.more, 1);
	}
}

static int count_flush(leat_worker *w)
{
	count_up(leat_arg(w));
	return 1;
}

TEST(stage, no_flush_after_a_cancel_but_after_a_stop)
{
	uint64_t flushed = 0;
	leat_stage row = {.name = "a",
		.fn = pass,
		.flush = count_flush,
		.arg = &flushed,
		.workers = 3};
	leat_chain *c = single(row, 0);

	leat_cancel(c);
	cr_assert_eq(chain_close(c), -ECANCELED);
	cr_assert_eq(flushed, 0);
	c = single(row, 0);
	leat_stop(c);
	cr_assert_eq(chain_close(c), 0);
	cr_assert_eq(flushed, 3);
}

TEST(stage, a_source_flushes_too)
{
	uint64_t n = 10, sum = 0;
	leat_stage rows[2] = {
		{.name = "a",
			.source = count_down,
			.arg = &n,
			.flush = emit_own_count,
			.free_out = item_free},
		{.name = "b", .fn = add, .arg = &sum},
	};

	cr_assert_eq(leat_run(rows, 2, NULL), 0);
	cr_assert_eq(sum, 55 + 1000 + 2000);
}

/* What a function learns through w */

static int by_name;

static int look_around(void *in, void **out, leat_worker *w)
{
	(void)out;
	check(leat_arg(w) == &by_name);
	check(leat_state(w) == NULL);
	check(leat_index(w) == 0);
	check(leat_seq(w) == item_n(in));
	check(leat_attempt(w) == 0);
	check(leat_stopping(w) == 0);
	return 0;
}

TEST(stage, the_worker_knows_argument_index_place_and_attempt)
{
	leat_stage row = {
		.name = "a", .fn = look_around, .arg = &by_name, .workers = 1};
	leat_chain *c = single(row, 0);

	push_items(c, 0, 1000);
	cr_assert_eq(leat_wait(c), 0);
	cr_assert_eq(chain_close(c), 0);
}

/* stopping is seen by a function that would else go on for ever. */
static int until_stopping(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	gate_pass(leat_arg(w));
	while (!leat_stopping(w))
		sched_yield();
	return 0;
}

TEST(stage, stopping_is_seen_after_stop_cancel_and_failure)
{
	static void (*const verbs[])(leat_chain *) = {leat_stop, leat_cancel};

	EACH(i, verbs)
	{
		struct gate gate = {.open = 1};
		leat_chain *c = single((leat_stage){.name = "a",
					       .fn = until_stopping,
					       .arg = &gate,
					       .workers = 2},
			0);

		push_items(c, 0, 2);
		gate_await(&gate, 1);
		verbs[i](c);
		cr_assert_eq(chain_close(c), i == 0 ? 0 : -ECANCELED);
	}
}

/* Many emissions, before, at and over every internal size */

static int emit_many(void *in, void **out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)leat_arg(w);

	(void)out;
	for (uint64_t i = 0; i < n; i++)
		leat_emit(w, item_make(item_n(in) * n + i));
	return LEAT_DROP;
}

static void emissions(uint64_t n, leat_stage row)
{
	leat_opts opts = {.free_in = item_free, .results = 10};
	leat_chain *c;
	uint64_t next = 0;
	void *item;

	row.name = "a";
	row.fn = emit_many;
	row.arg = &n;
	c = open_chain(&row, 1, &opts);
	push_items(c, 0, 5);
	leat_end(c);
	while (leat_pull(c, &item) == 0) {
		cr_assert_eq(item_n(item), next++);
		item_free(item);
	}
	cr_assert_eq(next, 5 * n);
	cr_assert_eq(chain_close(c), 0);
}

TEST(stage, any_number_of_emissions_comes_out_in_order)
{
	static const uint64_t numbers[] = {0, 1, 2, 255, 256, 257, 5000};

	EACH(i, numbers)
	{
		uint64_t n = numbers[i];

		emissions(n, (leat_stage){.workers = 1});
		emissions(n, (leat_stage){.workers = 1, .retries = 1});
		emissions(n, (leat_stage){.workers = 3, .flags = LEAT_ORDERED});
		emissions(n, (leat_stage){.workers = 3,
				     .flags = LEAT_ORDERED,
				     .retries = 2});
	}
}

/* How many are taken */

struct heavy {
	uint64_t light, running, go;
};

/* The first items take a hundred microseconds, the others until `go`. */
static int be_heavy(void *in, void **out, leat_worker *w)
{
	struct heavy *h = leat_arg(w);
	uint64_t until = leat_after(100 * LEAT_US);

	(void)out;
	if (item_n(in) <= h->light) {
		while (leat_now() < until)
			;
		return 0;
	}
	count_up(&h->running);
	while (!look(&h->go))
		rest(LEAT_MS);
	return 0;
}

/* Nobody sits on an item that another could run, known to be heavy or not. */
TEST(stage, heavy_items_are_taken_one_by_one)
{
	static const uint64_t lights[] = {0, 40};

	EACH(i, lights)
	{
		struct heavy h = {.light = lights[i]};
		leat_stage row = {.name = "a",
			.fn = be_heavy,
			.arg = &h,
			.workers = 2,
			.queue = 256};
		leat_chain *c = single(row, 0);
		leat_counts counts;

		push_items(c, 1, 200);
		await_at_least(&h.running, 2);
		leat_stats(c, &counts, 1);
		cr_assert_eq(counts.taken, h.light + 2);
		count_up(&h.go);
		cr_assert_eq(chain_close(c), 0);
	}
}

/* An odd item waits for the next one. */
static int meet(void *in, void **out, leat_worker *w)
{
	uint64_t *met = leat_arg(w), n = item_n(in);

	(void)out;
	if (n % 2 == 1)
		await_at_least(met, n / 2 + 1);
	else
		count_up(met);
	return 0;
}

/* What comes together while all sleep is shared, light as others have been. */
TEST(stage, after_a_sleep_the_first_item_is_taken_alone)
{
	uint64_t met = 0;
	leat_stage row = {.name = "a", .fn = meet, .arg = &met, .workers = 2};
	leat_chain *c = single(row, 0);
	struct park *asleep = &c->edge[0].queue[0]->not_empty;
	void *two[2];

	for (uint64_t round = 0; round < 20; round++) {
		await_parked(asleep, 2);
		look(&asleep->word); /* what they did is before */
		for (int i = 0; i < 2; i++)
			store_relaxed(&c->stage[0].worker[i].grain, GRAIN_MAX);
		two[0] = item_make(2 * round + 1);
		two[1] = item_make(2 * round + 2);
		cr_assert_eq(leat_pushn(c, two, 2, NULL), 0);
		await_at_least(&met, round + 1);
	}
	cr_assert_eq(chain_close(c), 0);
}
