/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running out of memory while at work: an item that cannot be kept is never
 * lost silently. Linked with malloc and realloc wrapped.
 */
#include "stages/chain.h"
#include "tests/unit/unit.h"

/* Whether this thread is refused memory. */
static _Thread_local bool poor;

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
	return poor ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return poor ? NULL : __real_realloc(old, size);
}

static void emit_poor(leat_worker *w, void *item)
{
	poor = true;
	leat_emit(w, item);
	poor = false;
}

/* What a function does: it emits `n` items, is poor at the last of them up to
 * an attempt, and returns rc. */
struct plan {
	uint64_t n;
	uint32_t poor_attempts;
	int rc;
	bool in_last; /* the last one is `in` */
};

static int emit_plan(void *in, void **out, leat_worker *w)
{
	const struct plan *p = leat_arg(w);

	(void)out;
	for (uint64_t i = 0; i + 1 < p->n; i++)
		leat_emit(w, item_make(i));
	if (leat_attempt(w) < p->poor_attempts)
		emit_poor(w, p->in_last ? in : item_make(p->n - 1));
	else
		leat_emit(w, p->in_last ? in : item_make(p->n - 1));
	if (p->rc & LEAT_TOOK)
		item_free(in);
	return p->rc;
}

/* planned pushes one item, and expects these counts. */
static void planned(struct plan p, uint32_t retries, int rc, uint64_t gave)
{
	leat_chain *c = single((leat_stage){.name = "a",
				       .fn = emit_plan,
				       .arg = &p,
				       .workers = 1,
				       .retries = retries},
		2 * OUT_MIN);
	leat_counts s;

	push_items(c, 0, 1);
	cr_assert_eq(leat_wait(c), rc);
	leat_stats(c, &s, 1);
	cr_assert_eq(s.gave, gave);
	cr_assert_eq(chain_close(c), rc);
	cr_assert_eq(items_alive(), 0);
}

TEST(memory, an_attempt_that_lost_an_output_is_repeated)
{
	struct plan p = {.n = OUT_MIN + 1, .poor_attempts = 2, .rc = LEAT_DROP};

	planned(p, 2, 0, OUT_MIN + 1);
	p.in_last = true;
	planned(p, 2, 0, OUT_MIN + 1);
}

TEST(memory, an_item_that_loses_its_outputs_each_time_fails)
{
	struct plan p = {.n = OUT_MIN + 1, .poor_attempts = 9, .rc = LEAT_DROP};

	planned(p, 2, -ENOMEM, 0);
	cr_assert_eq(unit_report.attempt, 2);
	cr_assert_str_eq(unit_report.text, leat_strerror(-ENOMEM));
	p.in_last = true;
	planned(p, 1, -ENOMEM, 0);
}

/* What was taken is gone: there is nothing to repeat it with. */
TEST(memory, an_item_that_was_taken_and_lost_its_outputs_fails)
{
	struct plan p = {.n = OUT_MIN + 1,
		.poor_attempts = 9,
		.rc = LEAT_DROP | LEAT_TOOK};

	planned(p, 5, -ENOMEM, 0);
	cr_assert_eq(unit_report.attempt, 0);
}

/* The output returned has no place either. */
static int return_poor(void *in, void **out, leat_worker *w)
{
	uint64_t *rc = leat_arg(w);

	for (uint64_t i = 0; i < OUT_MIN; i++)
		leat_emit(w, item_make(i));
	*out = item_make(OUT_MIN);
	if (*rc & LEAT_TOOK)
		item_free(in);
	poor = true;
	return (int)*rc;
}

/* Every free comes back here before the function is called again. */
static void free_rich(void *item)
{
	poor = false;
	item_free(item);
}

TEST(memory, an_output_returned_that_has_no_place_fails_the_item)
{
	for (uint64_t rc = 0; rc <= LEAT_TOOK; rc += LEAT_TOOK) {
		leat_stage row = {.name = "a",
			.fn = return_poor,
			.arg = &rc,
			.free_out = free_rich,
			.workers = 1,
			.retries = 1};
		leat_opts opts = {.free_in = item_free,
			.report = &unit_report,
			.results = 2 * OUT_MIN};
		leat_chain *c = open_chain(&row, 1, &opts);

		push_items(c, 0, 1);
		cr_assert_eq(leat_wait(c), -ENOMEM);
		cr_assert_eq(chain_close(c), -ENOMEM);
		cr_assert_eq(items_alive(), 0);
	}
}

/* A source whose last call loses an item has not come to a good end. */
static int last_call_is_poor(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	for (uint64_t i = 0; i < OUT_MIN; i++)
		leat_emit(w, item_make(i));
	emit_poor(w, item_make(OUT_MIN));
	return LEAT_END;
}

static int flush_nothing(leat_worker *w)
{
	(void)w;
	return 0;
}

TEST(memory, an_item_lost_with_the_end_of_a_source_is_a_failure)
{
	for (uint32_t policy = 0; policy < 2; policy++) {
		leat_stage row = {.name = "a",
			.source = last_call_is_poor,
			.flush = flush_nothing,
			.free_out = item_free,
			.on_error = policy,
			.retries = 1};
		leat_opts opts = {.results = 1, .report = &unit_report};

		cr_assert_eq(chain_close(open_chain(&row, 1, &opts)), -ENOMEM);
		cr_assert_eq(unit_report.more, 0);
		cr_assert_eq(items_alive(), 0);
	}
}

/* Ordered: outputs that are early need memory to be laid down. */

struct early {
	struct gate gate;
	uint64_t held;
};

static int emit_early(void *in, void **out, leat_worker *w)
{
	struct early *e = leat_arg(w);
	uint64_t n = item_n(in);

	poor = false;
	if (n == 0)
		gate_pass(&e->gate);
	for (uint64_t i = 0; i < 3; i++)
		leat_emit(w, item_make(10 * n + i));
	*out = item_make(10 * n + 3);
	if (n == 1) {
		poor = true;
		gate_open(&e->gate);
	}
	return 0;
}

/* Without it the worker waits for its turn. */
TEST(memory, outputs_that_cannot_be_laid_down_wait_for_their_turn)
{
	for (int round = 0; round < 30; round++) {
		struct early e = {.held = 0};
		leat_chain *c = single((leat_stage){.name = "a",
					       .fn = emit_early,
					       .arg = &e,
					       .workers = 2,
					       .flags = LEAT_ORDERED},
			100);
		void *item;

		push_items(c, 0, 1);
		gate_await(&e.gate, 1);
		push_items(c, 1, 1);
		leat_end(c);
		for (uint64_t i = 0; i < 8; i++) {
			cr_assert_eq(leat_pull(c, &item), 0);
			cr_assert_eq(item_n(item), 10 * (i / 4) + i % 4);
			item_free(item);
		}
		cr_assert_eq(chain_close(c), 0);
	}
}

/* But not behind an item of its own that waits to be retried. */
static int hold_first_then_be_poor(void *in, void **out, leat_worker *w)
{
	uint64_t n = item_n(in);

	(void)out;
	poor = false;
	if (n == 0)
		return -EAGAIN;
	for (uint64_t i = 0; i < 4; i++)
		leat_emit(w, item_make(i));
	poor = true;
	return 0;
}

TEST(memory, outputs_behind_an_own_held_item_fail_the_chain)
{
	leat_stage row = {.name = "a",
		.fn = hold_first_then_be_poor,
		.workers = 1,
		.retries = 3,
		.backoff_ns = 10 * LEAT_S,
		.free_out = item_free,
		.flags = LEAT_ORDERED};
	leat_opts opts = {
		.free_in = item_free, .report = &unit_report, .results = 100};
	leat_chain *c = open_chain(&row, 1, &opts);

	push_items(c, 0, 2);
	cr_assert_eq(leat_wait(c), -ENOMEM);
	cr_assert_eq(chain_close(c), -ENOMEM);
	cr_assert_eq(items_alive(), 0);
}

/* Emitting more than there is place for behind an own held item needs memory,
 * since nothing can be handed on before it. */
static int emit_behind_held(void *in, void **out, leat_worker *w)
{
	uint64_t n = item_n(in);

	if (n == 0 && leat_attempt(w) == 0)
		return -EAGAIN;
	for (uint64_t i = 0; i < 3 * OUT_MIN; i++)
		leat_emit(w, item_make(n));
	*out = in;
	return 0;
}

TEST(memory, any_number_of_outputs_waits_behind_an_own_held_item)
{
	leat_chain *c = single((leat_stage){.name = "a",
				       .fn = emit_behind_held,
				       .workers = 1,
				       .retries = 1,
				       .backoff_ns = 20 * LEAT_MS,
				       .flags = LEAT_ORDERED},
		7);
	void *item;

	push_items(c, 0, 2);
	leat_end(c);
	for (uint64_t i = 0; i < 2 * (3 * OUT_MIN + 1); i++) {
		cr_assert_eq(leat_pull(c, &item), 0);
		cr_assert_eq(item_n(item), i / (3 * OUT_MIN + 1));
		item_free(item);
	}
	cr_assert_eq(chain_close(c), 0);
}
