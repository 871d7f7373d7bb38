/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/stress/play.h"
#include "tests/stress/run.h"

#define SECONDS	    30
#define TOO_MANY    6000 /* items in a row */
#define INPUT_PARTS (WORKERS_MAX > SIDES_MAX ? WORKERS_MAX : SIDES_MAX)

static void (*const free_kind[])(void *) = {
	item_free_a, item_free_b, leat_keep};

/* What an edge's items inherit: raw ones are born without a destructor. */
static void (*free_of(const struct spec *s, uint32_t i))(void *)
{
	const struct row_spec *r = &s->row[i];
	bool inherits =
		r->in == r->out && !r->own_free && !(s->source && i == 0);

	return inherits ? NULL : free_kind[r->out];
}

static void make_rows(struct run *r, leat_stage *rows)
{
	const struct spec *s = r->spec;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct row_spec *row = &s->row[i];
		bool source = s->source && i == 0;

		r->row[i] = (struct row_run){
			.run = r, .spec = row, .source = source};
		rows[i] = (leat_stage){
			.name = row->name,
			.fn = source ? NULL : row_fn,
			.source = source ? row_source : NULL,
			.arg = &r->row[i],
			.free_out = free_of(s, i),
			.open = row_open,
			.close = row_close,
			.key = row->keying == KEY_FINE	   ? row_key_fine
			       : row->keying == KEY_COARSE ? row_key_coarse
							   : NULL,
			.workers = row->workers,
			.queue = row->queue,
			.flags = row->ordered ? LEAT_ORDERED : 0,
			.on_error = row->on_error,
			.retries = row->retries,
			.backoff_ns = row->backoff_ns,
		};
		if (row->keep > 0 || row->flush_makes > 0)
			rows[i].flush = row_flush;
	}
}

static int open_chain(struct run *r, leat_report *report)
{
	const struct spec *s = r->spec;
	leat_stage rows[ROWS_MAX];
	leat_chain *c;
	leat_opts opts = {
		.free_in = s->row[0].in == KIND_RAW ? NULL
						    : free_kind[s->row[0].in],
		.results = s->results,
		.failed = s->hook ? run_failed : NULL,
		.failed_arg = r,
		.report = report,
		.stack = s->stack,
	};
	int rc;

	make_rows(r, rows);
	rc = leat_open(&c, rows, s->n, &opts);
	must(r->watch.what, (rc == 0) == (c != NULL), "open: %d, %p", rc,
		(void *)c);
	if (rc == 0)
		watch_chain(&r->watch, c);
	__atomic_store_n(&r->chain, c, __ATOMIC_RELEASE);
	return rc;
}

static void start(struct run *r, pthread_t *push, pthread_t *pull)
{
	const struct spec *s = r->spec;

	r->pushing = s->pushers;
	for (uint32_t i = 0; i < SIDES_MAX; i++) {
		r->push[i] = (struct side){.run = r, .index = i};
		r->pull[i] = (struct side){.run = r, .index = i};
	}
	for (uint32_t i = 0; i < s->pushers; i++)
		push[i] = thread_start(run_push, &r->push[i]);
	for (uint32_t i = 0; i < s->pullers; i++)
		pull[i] = thread_start(run_pull, &r->pull[i]);
}

static void run_sides(struct run *r)
{
	const struct spec *s = r->spec;
	pthread_t push[SIDES_MAX], pull[SIDES_MAX];

	start(r, push, pull);
	for (uint32_t i = 0; i < s->pushers; i++)
		thread_join(push[i]);
	leat_end(r->chain);
	if (s->waits && s->source && s->event == EVENT_NONE && !s->early)
		leat_wait(r->chain);
	for (uint32_t i = 0; i < s->pullers; i++)
		thread_join(pull[i]);
}

static uint32_t workers_of(const struct run *r)
{
	leat_counts counts[ROWS_MAX];
	uint32_t n = 0;

	leat_stats(r->chain, counts, r->spec->n);
	for (uint32_t i = 0; i < r->spec->n; i++)
		n += counts[i].workers;
	return n;
}

/* The functions around an item are over once every worker has closed. */
static void await_rest(struct run *r)
{
	uint32_t workers = workers_of(r);

	pthread_mutex_lock(&r->lock);
	while (r->closes < workers)
		pthread_cond_wait(&r->closed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

static void check_row(const struct run *r, const leat_counts *c, uint64_t came)
{
	const char *what = r->watch.what;

	must(what, c->taken == c->done + c->dropped + c->failed + c->cancelled,
		"%s: taken %" PRIu64 " is not done %" PRIu64
		" + dropped %" PRIu64 " + failed %" PRIu64
		" + cancelled %" PRIu64,
		c->stage, c->taken, c->done, c->dropped, c->failed,
		c->cancelled);
	must(what, c->high_water <= c->capacity && c->depth <= c->high_water,
		"%s: depth %" PRIu64 ", high water %" PRIu64
		", capacity %" PRIu64,
		c->stage, c->depth, c->high_water, c->capacity);
	must(what, came == UINT64_MAX || came == c->taken + c->depth,
		"%s: got %" PRIu64 ", took %" PRIu64 ", %" PRIu64 " wait",
		c->stage, came, c->taken, c->depth);
}

static uint64_t sum_sides(const struct side *side)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < SIDES_MAX; i++)
		n += side[i].worths.n;
	return n;
}

/* check_balance: every item is accounted for, in and between the rows. */
static void check_balance(const struct run *r, const leat_counts *c)
{
	const struct spec *s = r->spec;
	uint64_t came = s->source ? UINT64_MAX : sum_sides(r->push);

	for (uint32_t i = 0; i < s->n; i++) {
		check_row(r, &c[i], came);
		came = c[i].gave;
	}
	if (s->results > 0)
		must(r->watch.what, came >= sum_sides(r->pull),
			"%" PRIu64 " results, %" PRIu64 " pulled", came,
			sum_sides(r->pull));
	else
		must(r->watch.what, came == 0, "the sink gave something");
}

/* gather is what went into the chain: pushed, or made by its source. */
static void gather(const struct run *r, struct worths *in)
{
	const struct spec *s = r->spec;

	for (uint32_t i = 0; s->source && i < s->row[0].workers; i++)
		for (uint64_t k = 0; k < peek(&r->made[i]); k++)
			worths_add(in, input_worth(s, i, k));
	for (uint32_t i = 0; !s->source && i < SIDES_MAX; i++)
		for (size_t k = 0; k < r->push[i].worths.n; k++)
			worths_add(in, r->push[i].worths.at[k]);
}

static void check_counts(
	const struct run *r, const leat_counts *c, const struct row_expect *x)
{
#define SAME(field)                                                   \
	must(r->watch.what, c->field == x->field,                     \
		"%s: " #field " %" PRIu64 ", not %" PRIu64, c->stage, \
		c->field, x->field)
	SAME(taken);
	SAME(done);
	SAME(dropped);
	SAME(failed);
	SAME(retried);
	SAME(gave);
	SAME(freed);
#undef SAME
	must(r->watch.what, c->cancelled == 0 && c->depth == 0,
		"%s: %" PRIu64 " cancelled, %" PRIu64 " left", c->stage,
		c->cancelled, c->depth);
}

static void check_sums(const struct run *r, const struct row_run *row,
	const struct row_sums *x)
{
	const struct row_spec *spec = row->spec;
	enum order need =
		spec->keying == KEY_COARSE ? ORDER_COARSE : ORDER_FINE;

	must(r->watch.what, peek(&row->sums.values) == x->values,
		"%s took other items than the serial run", spec->name);
	if (spec->keying == KEY_NONE && spec->before == ORDER_TOTAL)
		must(r->watch.what, peek(&row->sums.places) == x->places,
			"%s: items at other places than serially", spec->name);
	if (spec->keying != KEY_NONE && spec->before >= need)
		must(r->watch.what, peek(&row->sums.keys) == x->keys,
			"%s: keys in another order than serially", spec->name);
}

static void check_same_results(const struct run *r, const struct worths *got,
	const struct worths *want)
{
	must(r->watch.what, got->n == want->n, "%zu results, not %zu", got->n,
		want->n);
	for (size_t i = 0; i < got->n; i++)
		must(r->watch.what, got->at[i].value == want->at[i].value,
			"result %zu is another than serially", i);
}

/* check_part: what came out is among what the serial run makes; if the order
 * is promised, in its order. */
static void check_part(const struct run *r, const struct worths *got,
	const struct worths *want)
{
	size_t k = 0;

	for (size_t i = 0; i < got->n; i++, k++) {
		while (k < want->n && want->at[k].value != got->at[i].value)
			k++;
		must(r->watch.what, k < want->n,
			"result %zu is not in its place in the serial run's",
			i);
	}
}

static void check_results(struct run *r, struct expect *e, bool whole)
{
	struct worths got = {0};
	bool in_order = r->spec->after == ORDER_TOTAL &&
			(r->spec->pullers == 1 || r->spec->alone);

	for (uint32_t i = 0; i < SIDES_MAX; i++)
		for (size_t k = 0; k < r->pull[i].worths.n; k++)
			worths_add(&got, r->pull[i].worths.at[k]);
	if (!in_order) {
		worths_sort(&got);
		worths_sort(&e->results);
	}
	if (whole)
		check_same_results(r, &got, &e->results);
	else
		check_part(r, &got, &e->results);
	worths_fini(&got);
}

/* unharmed: resources failed, but no item did for want of them: then nothing
 * may be missing. */
static bool unharmed(
	const struct run *r, const struct expect *e, const leat_report *report)
{
	return r->faulty && e->failures == 0 && report->code == 0 &&
	       r->spec->event == EVENT_NONE;
}

/* Flush items of an incomplete run may be missing: a part is what is asked. */
static void check_play(struct run *r, const leat_counts *c, int rc,
	const leat_report *report, struct played *sum)
{
	const struct spec *s = r->spec;
	bool cancelled = s->event == EVENT_CANCEL && peek(&r->acted);
	struct worths in = {0};
	struct expect e;
	bool whole;

	gather(r, &in);
	serial_run(&e, s, &in, true);
	whole = !cancelled && !e.halts && !r->faulty;
	for (uint32_t i = 0; i < s->n && whole; i++) {
		if (!s->early)
			check_counts(r, &c[i], &e.row[i]);
		check_sums(r, &r->row[i], &e.row[i].sums);
	}
	if (s->results > 0)
		check_results(
			r, &e, (whole || unharmed(r, &e, report)) && !s->early);
	if (!r->faulty && !cancelled)
		must(r->watch.what, (rc < 0) == (e.failures > 0),
			"close returned %d, %" PRIu64 " failures", rc,
			e.failures);
	must(r->watch.what, report->code == (rc == -ECANCELED ? 0 : rc),
		"close returned %d, the report says %d", rc, report->code);
	if (whole && e.failures > 0)
		must(r->watch.what, report->more == e.failures - 1,
			"%" PRIu64 " more failures, not %" PRIu64, report->more,
			e.failures - 1);
	sum->items += in.n;
	sum->halted += !whole;
	sum->failures += e.failures;
	serial_fini(&e);
	worths_fini(&in);
}

static void run_chain(struct run *r)
{
	const struct spec *s = r->spec;
	bool timed = s->event != EVENT_NONE && s->when == WHEN_TIME;
	pthread_t timer = 0;

	if (timed)
		timer = thread_start(run_timer, r);
	if (s->alone)
		run_alone(r);
	else
		run_sides(r);
	if (timed)
		thread_join(timer);
}

static void run_init(struct run *r, const struct spec *s, bool faulty)
{
	*r = (struct run){.spec = s, .faulty = faulty};
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->closed, NULL);
	watch_begin(&r->watch, SECONDS,
		"chains %" PRIu64 " (event %d at %d, %" PRIu64 ")", s->seed,
		s->event, s->when, s->moment);
}

static void run_fini(struct run *r)
{
	ledger_check(&r->ledger, r->watch.what);
	watch_end(&r->watch);
	for (uint32_t i = 0; i < SIDES_MAX; i++) {
		worths_fini(&r->push[i].worths);
		worths_fini(&r->pull[i].worths);
	}
	pthread_cond_destroy(&r->closed);
	pthread_mutex_destroy(&r->lock);
}

static void check_open(const struct run *r, int rc, const leat_report *report)
{
	must(r->watch.what, r->faulty && (rc == -ENOMEM || rc == -EAGAIN),
		"open returned %d: %s", rc, report->text);
	must(r->watch.what, report->code == rc && report->text[0] != '\0',
		"open returned %d, the report says %d", rc, report->code);
}

/* Without an early end, all is at rest before the counts are read. */
static int finish(struct run *r, leat_counts *counts)
{
	int rc;

	if (!r->spec->early) {
		await_rest(r);
		leat_stats(r->chain, counts, r->spec->n);
		check_balance(r, counts);
	}
	rc = leat_close(r->chain);
	watch_chain(&r->watch, NULL);
	return rc;
}

void play(const struct spec *s, struct played *sum, bool faulty)
{
	struct run *r = malloc(sizeof(*r));
	leat_counts counts[ROWS_MAX] = {0};
	leat_report report;
	int rc;

	must("the test", r != NULL, "no memory");
	run_init(r, s, faulty);
	rc = open_chain(r, &report);
	if (rc == 0) {
		run_chain(r);
		rc = finish(r, counts);
		check_play(r, counts, rc, &report, sum);
		sum->attempts += peek(&r->clock[WHEN_RUN]);
	} else {
		check_open(r, rc, &report);
	}
	sum->chains++;
	run_fini(r);
	free(r);
}

static bool too_many(const struct spec *s)
{
	struct worths in = {0};
	struct expect e;
	bool too = false;

	serial_input(&in, s);
	serial_run(&e, s, &in, true);
	for (uint32_t i = 0; i < s->n; i++)
		too = too || e.row[i].taken > TOO_MANY ||
		      e.row[i].retried > TOO_MANY;
	serial_fini(&e);
	worths_fini(&in);
	return too;
}

void play_seed(uint64_t seed, struct played *sum, bool faulty)
{
	struct spec s;

	spec_make(&s, seed);
	if (too_many(&s))
		spec_calm(&s);
	play(&s, sum, faulty);
}
