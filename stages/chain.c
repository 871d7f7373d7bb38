/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include "queues/cpus.h"
#include "queues/lines.h"
#include "queues/sized.h"
#include "stages/chain.h"
#include "stages/item.h"
#include "stages/row.h"

#define QUEUE_DEFAULT 1024

void leat_keep(void *item)
{
	(void)item;
}

/* free_of is the destructor of what row i makes. */
static void (*free_of(const leat_stage *row, void (*before)(void *)))(void *)
{
	if (row->free_out == leat_keep)
		return NULL;
	return row->free_out != NULL ? row->free_out : before;
}

static uint32_t workers_of(const leat_chain *c, const leat_stage *row)
{
	uint32_t n = row->workers;

	if (n == 0)
		n = row->source != NULL ? 1 : (uint32_t)c->crew.cpus;
	return n < LEAT_WORKERS_MAX ? n : LEAT_WORKERS_MAX;
}

static bool is_pushed(const leat_chain *c)
{
	return !stage_is_source(&c->stage[0]);
}

/* An ordered row needs its window only if its workers, or its retries, could
 * change the order, and if somebody is there to see it: who takes what it
 * makes. A sink's keeps the flushes of its workers in order. */
static bool needs_order(const leat_chain *c, size_t i)
{
	const struct stage *s = &c->stage[i];

	if (!(s->row.flags & LEAT_ORDERED) || stage_is_source(s))
		return false;
	if (s->sink)
		return s->workers > 1 && s->row.flush != NULL;
	return s->workers > 1 || s->row.retries > 0;
}

static int open_input(leat_chain *c, size_t i)
{
	const struct stage *s = &c->stage[i];
	bool keyed = s->row.key != NULL;
	uint64_t capacity = s->row.queue ? s->row.queue : QUEUE_DEFAULT;
	struct edge_opts opts = {
		.queues = keyed ? s->workers : 1,
		.capacity = capacity,
		.consumers = keyed ? 1 : s->workers,
	};

	if (keyed) {
		opts.capacity = (capacity + s->workers - 1) / s->workers;
		s->in->key = s->row.key;
		s->in->key_arg = s->row.arg;
	}
	/* The workers of an ordered row hand on one at a time. */
	if (i > 0)
		opts.producers = needs_order(c, i - 1) ? 1 : s[-1].workers;
	else if (c->hooks.single)
		opts.producers = 1;
	return edge_open(s->in, &opts);
}

static int open_results(leat_chain *c)
{
	struct edge_opts opts = {.queues = 1, .capacity = c->opts.results};

	return opts.capacity == 0 ? 0 : edge_open(&c->edge[c->n], &opts);
}

/* The window: as many positions as the queue has, and enough for all workers
 * to have some. */
static int open_order(leat_chain *c, size_t i)
{
	struct stage *s = &c->stage[i];
	uint64_t size = 64;
	leat_queue *q;

	if (!needs_order(c, i))
		return 0;
	q = s->in->queue[0];
	while (size < q->ring.capacity || size < 4 * (uint64_t)s->workers)
		size *= 2;
	s->order = aligned_alloc(LINE, sizeof(*s->order));
	if (s->order == NULL)
		return -ENOMEM;
	q->order = s->order;
	return order_init(s->order, size, &q->not_empty);
}

/* open_source: workers of the second row may run a source that is alone. */
static void open_source(leat_chain *c)
{
	struct stage *s = c->stage;

	if (c->n > 1 && s[1].visitable && item_direct(s) != NULL)
		s->visitable = true;
}

/* All stages know their workers before any edge is made. */
static int open_stages(leat_chain *c, const leat_stage *rows)
{
	void (*made)(void *) = c->opts.free_in;
	int rc = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct stage *s = &c->stage[i];

		*s = (struct stage){.chain = c,
			.row = rows[i],
			.index = i,
			.sink = i + 1 == c->n && c->opts.results == 0,
			.in = &c->edge[i],
			.out = &c->edge[i + 1]};
		s->in->free_item = made;
		made = free_of(&rows[i], made);
		s->out->free_item = made;
		if (rc == 0)
			rc = stage_open(s, workers_of(c, &rows[i]));
	}
	for (size_t i = 0; i < c->n && rc == 0; i++)
		if (!stage_is_source(&c->stage[i]))
			rc = open_input(c, i);
	for (size_t i = 0; i < c->n && rc == 0; i++)
		rc = open_order(c, i);
	if (rc == 0)
		open_source(c);
	return rc == 0 ? open_results(c) : rc;
}

/* note_thread says what keeps a worker from having a thread. */
static void note_thread(leat_chain *c, const leat_worker *home, int code)
{
	leat_report r = {.code = code, .row = (uint32_t)home->stage->index};

	report_name(&r, home->stage->row.name);
	report_text(&r,
		"worker %u of %u got no thread (%s): look at opts.stack, and "
		"at "
		"the limits of memory and processes",
		home->view.index + 1, home->stage->workers,
		leat_strerror(code));
	fail_note(&c->fail, &r, true);
}

/* start_thread starts the thread of a worker, which is its home. */
static int start_thread(leat_chain *c, leat_worker *home, struct thread *t)
{
	int rc;

	*t = (struct thread){
		.home = home,
		.visits = 1,
		.in = {.crew = &c->crew,
			.look = c->hooks.look,
			.look_arg = c->hooks.look_arg},
		.out = {.crew = &c->crew,
			.deadline = LEAT_NEVER,
			.spared = true},
		.outputs = malloc(OUT_MIN * sizeof(*t->outputs)),
		.cap_outputs = OUT_MIN,
	};
	c->threads++;
	fetch_add(&c->crew.awake, 1);
	rc = t->outputs == NULL
		     ? -ENOMEM
		     : pool_start(&c->pool, stage_main, t, c->opts.stack);
	if (rc < 0)
		note_thread(c, home, rc);
	return rc;
}

static int start_threads(leat_chain *c)
{
	struct thread *t = c->thread;
	int rc = 0;

	for (size_t i = 0; i < c->n; i++)
		for (uint32_t k = 0; k < c->stage[i].workers && rc == 0; k++)
			rc = start_thread(c, &c->stage[i].worker[k], t++);
	return pool_release(&c->pool, rc);
}

static int start_workers(leat_chain *c)
{
	size_t total = 0;
	int rc;

	for (size_t i = 0; i < c->n; i++)
		total += c->stage[i].workers;
	c->thread = aligned_alloc(LINE, total * sizeof(*c->thread));
	if (c->thread == NULL)
		return -ENOMEM;
	rc = pool_init(&c->pool, total);
	return rc < 0 ? rc : start_threads(c);
}

static void sink_of_leftovers(void *ctx, void *const *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		edge_free(ctx, items[i]);
}

/* destroy joins the workers and frees the chain, whole or half made. */
static void destroy(leat_chain *c)
{
	pool_fini(&c->pool);
	for (size_t i = 0; i < c->n; i++) {
		struct stage *s = &c->stage[i];

		if (s->order != NULL)
			order_fini(s->order, sink_of_leftovers, s->out);
		free(s->order);
		stage_close(s);
		free((char *)s->row.name);
	}
	for (size_t i = 0; i <= c->n; i++)
		edge_close(&c->edge[i]);
	for (size_t i = 0; i < c->threads; i++)
		free(c->thread[i].outputs);
	free(c->thread);
	free(c->stage);
	free(c->edge);
	fail_fini(&c->fail);
	free(c);
}

/* make allocates a chain without stages; it owns nothing of the rows yet. */
static leat_chain *make(const leat_opts *opts, size_t n)
{
	leat_chain *c = calloc_lines(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->opts = *opts;
	c->stage = calloc_lines(n, sizeof(*c->stage));
	c->edge = calloc(n + 1, sizeof(*c->edge));
	if (c->stage != NULL && c->edge != NULL && fail_init(&c->fail) == 0)
		return c;
	free(c->stage);
	free(c->edge);
	free(c);
	return NULL;
}

static int open_rows(leat_chain **c, leat_stage *rows, size_t n,
	const leat_opts *opts, const struct hooks *hooks, leat_report *r)
{
	int rc;

	*c = make(opts, n);
	if (*c == NULL) {
		rows_free(rows, n);
		return -ENOMEM;
	}
	(*c)->n = n;
	(*c)->hooks = *hooks;
	(*c)->crew.cpus = cpus_usable();
	(*c)->crew.others = hooks->single;
	rc = open_stages(*c, rows);
	free(rows);
	if (rc == 0)
		rc = start_workers(*c);
	if (rc == 0)
		return 0;
	/* Several may have failed, and another one than was noted came first
	 * to where they meet. */
	if (fail_get(&(*c)->fail, r) < 0)
		rc = r->code;
	destroy(*c);
	*c = NULL;
	return rc;
}

static int open_chain(leat_chain **c, const leat_stage *table, size_t n,
	size_t row_size, const leat_opts *opts, const struct hooks *hooks,
	leat_report *r)
{
	leat_stage *rows;
	int rc;

	if (opts->results > LEAT_QUEUE_MAX) {
		report_text(r, "results: %llu is over %llu",
			(unsigned long long)opts->results,
			(unsigned long long)LEAT_QUEUE_MAX);
		return LEAT_ESIZE;
	}
	rc = rows_take(&rows, table, n, row_size, r);
	return rc < 0 ? rc : open_rows(c, rows, n, opts, hooks, r);
}

int chain_open(leat_chain **c, const leat_stage *rows, size_t n,
	const leat_opts *opts, const struct hooks *hooks, leat_report *r)
{
	return open_chain(c, rows, n, sizeof(*rows), opts, hooks, r);
}

/* check_run: a chain that is run has a source, and nobody to pull results. What
 * else may be wrong with the table is seen when it is opened. */
static int check_run(const leat_stage *rows, size_t n, size_t row_size,
	const leat_opts *opts, leat_report *r)
{
	leat_stage first;

	if (opts->results > 0) {
		report_text(r, "results: nobody pulls those of leat_run; use "
			       "leat_open");
		return -EINVAL;
	}
	if (rows == NULL || n == 0 || row_size == 0 ||
		sized_take(&first, sizeof(first), rows, row_size) < 0 ||
		first.name == NULL || first.source != NULL)
		return 0;
	report_name(r, first.name);
	report_text(r, "row 0 (%s): leat_run needs a source; use leat_open",
		first.name);
	return LEAT_ESOURCE;
}

static int open_sized(leat_chain **c, const leat_stage *rows, size_t n,
	size_t row_size, const leat_opts *opts, size_t opts_size, bool run)
{
	leat_report r = {0};
	leat_opts o = {0};
	int rc = 0;

	*c = NULL;
	if (opts != NULL)
		rc = sized_take(&o, sizeof(o), opts, opts_size);
	if (rc == 0 && run)
		rc = check_run(rows, n, row_size, &o, &r);
	if (rc == 0)
		rc = open_chain(
			c, rows, n, row_size, &o, &(struct hooks){0}, &r);
	if (rc < 0 && r.text[0] == '\0')
		report_text(&r, "%s", leat_strerror(rc));
	r.code = rc;
	if (o.report != NULL)
		*o.report = r;
	return rc;
}

int leat_open_sized(leat_chain **c, const leat_stage *rows, size_t n,
	size_t row_size, const leat_opts *opts, size_t opts_size)
{
	if (c == NULL)
		return -EINVAL;
	return open_sized(c, rows, n, row_size, opts, opts_size, false);
}

/* model: chain.pml chain_halt */
void chain_halt(leat_chain *c)
{
	uint64_t before = load_relaxed(&c->over);

	do {
		if (before & OVER_HALTED)
			return;
	} while (!cas(&c->over, &before, before | OVER_HALTED));
	for (size_t i = 0; i <= c->n; i++)
		edge_cancel(&c->edge[i]);
	for (size_t i = 0; i < c->n; i++)
		if (c->stage[i].order != NULL)
			order_cancel(c->stage[i].order);
	park_signal_all(&c->resting);
	bell_ring(&c->passed);
}

int chain_code(leat_chain *c)
{
	int rc = fail_end(&c->fail);

	return rc < 0 ? rc : -ECANCELED;
}

void leat_cancel(leat_chain *c)
{
	chain_halt(c);
}

void leat_end(leat_chain *c)
{
	if (is_pushed(c))
		edge_end(&c->edge[0]);
}

void leat_stop(leat_chain *c)
{
	fetch_or(&c->over, OVER_STOPPED);
	leat_end(c);
	park_signal_all(&c->resting);
}

int leat_failure(leat_chain *c, leat_report *report)
{
	return fail_get(&c->fail, report);
}

/* Results that nobody pulls any more would keep the workers for ever. */
static void drain_results(leat_chain *c)
{
	struct edge *e = &c->edge[c->n];
	void *item;

	while (e->n > 0 && leat_queue_pop(e->queue[0], &item) == 0)
		edge_free(e, item);
}

/* model: chain.pml main_thread */
int leat_close(leat_chain *c)
{
	leat_report *report, r;
	int rc;

	if (c == NULL)
		return 0;
	if (chain_inside(c))
		return -EDEADLK;
	leat_end(c);
	drain_results(c);
	pool_join(&c->pool);
	rc = fail_get(&c->fail, &r);
	if (rc == 0 && chain_halted(c))
		rc = -ECANCELED;
	report = c->opts.report;
	if (report != NULL)
		*report = r;
	destroy(c);
	return rc;
}

int leat_run_sized(const leat_stage *rows, size_t n, size_t row_size,
	const leat_opts *opts, size_t opts_size)
{
	leat_chain *c;
	int rc = open_sized(&c, rows, n, row_size, opts, opts_size, true);

	return rc < 0 ? rc : leat_close(c);
}
