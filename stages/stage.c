/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "stages/chain.h"
#include "stages/item.h"
#include "stages/retry.h"

/* Which worker this thread is. The only thread-local there is: it lets a call
 * that would wait for itself return -EDEADLK. */
static _Thread_local leat_worker *self;

leat_worker *stage_self(void)
{
	return self;
}

static leat_queue *input(const leat_worker *w)
{
	const struct edge *in = w->stage->in;

	return in->queue[in->n == 1 ? 0 : w->index];
}

/*
 * adapt fits the grain to how long an item takes, so that no worker sits on
 * work that another could do. It shrinks at once and doubles at most.
 */
static void adapt(leat_worker *w, size_t n, uint64_t elapsed)
{
	uint64_t ns = elapsed / n + 1;
	uint64_t fit;

	if (ns < w->item_ns)
		ns = (3 * w->item_ns + ns) / 4;
	w->item_ns = ns;
	fit = GRAIN_NS / ns;
	if (fit > 2 * w->grain)
		fit = 2 * w->grain;
	if (fit > GRAIN_MAX)
		fit = GRAIN_MAX;
	w->grain = fit < 1 ? 1 : (uint32_t)fit;
}

/* account closes a batch of n items: time not spent waiting was busy. */
static void account(leat_worker *w, size_t n)
{
	struct tally *t = &w->tally;
	uint64_t now = leat_now();
	uint64_t waited = w->wait_in.spent + w->wait_out.spent;
	uint64_t elapsed = now - w->clock;

	elapsed = elapsed > waited ? elapsed - waited : 0;
	w->clock = now;
	if (unlikely(waited != 0)) {
		add_owned(&t->blocked_in_ns, w->wait_in.spent);
		add_owned(&t->blocked_out_ns, w->wait_out.spent);
		w->wait_in.spent = 0;
		w->wait_out.spent = 0;
	}
	add_owned(&t->busy_ns, elapsed);
	if (n > 0)
		adapt(w, n, elapsed);
}

/*
 * moved wakes leat_wait if what it waits for has been passed. Two workers that
 * pass it at the same time look at each other's `low`: hence the fence.
 */
static void moved(leat_worker *w)
{
	struct stage *s = w->stage;
	uint64_t pos = load_relaxed(&w->awaited);

	if (likely(pos == UINT64_MAX))
		return;
	fence_full();
	if (stage_passed(s, s->in->n > 1 ? w->index : 0, pos)) {
		store_relaxed(&w->awaited, UINT64_MAX);
		bell_ring(&s->chain->passed);
	}
}

/*
 * claim_low says, before positions are claimed, which they are at least: the
 * head only grows, and a claim is a release.
 */
static void claim_low(leat_worker *w, leat_queue *q)
{
	uint64_t low = queue_popped(q);

	if (unlikely(w->n_held > 0) && held_low(w) < low)
		low = held_low(w);
	store_release(&w->low, low);
	moved(w);
}

/* idle: nothing is claimed but what is held. The fence is for leat_wait. */
static void idle(leat_worker *w)
{
	store_release(&w->low, held_low(w));
	fence_full();
	moved(w);
}

/* await waits for items, or until something held is due. */
static void await(leat_worker *w, leat_queue *q, bool ended)
{
	idle(w);
	w->wait_in.deadline = held_due(w);
	if (ended)
		worker_rest(w, w->wait_in.deadline);
	else
		queue_await(q, &w->wait_in);
}

/*
 * take fills w->batch and returns how many items, from position *pos on; 0 at
 * the end of input, or when the chain is halted.
 */
static size_t take(leat_worker *w, uint64_t *pos)
{
	leat_queue *q = input(w);
	bool waited = false;
	size_t n;
	int rc;

	for (;;) {
		if (unlikely(w->n_held > 0))
			held_retry(w);
		claim_low(w, q);
		rc = queue_take(q, w->batch, w->grain, &n, pos);
		if (rc == 0 || rc == -ECANCELED)
			break;
		if (rc == LEAT_END && w->n_held == 0)
			break;
		await(w, q, rc == LEAT_END);
		waited = true;
	}
	if (waited && n > 0)
		queue_chain(q);
	return n;
}

static void run_items(leat_worker *w)
{
	uint64_t pos;
	size_t n;

	while ((n = take(w, &pos)) > 0) {
		items_run(w, n, pos);
		account(w, n);
		outputs_give(w, pos + n);
	}
	held_cancel(w);
}

static void run_source(leat_worker *w)
{
	bool more = true;

	while (more) {
		size_t n = items_source(w, w->grain, &more);

		account(w, n);
		outputs_give(w, 0);
	}
}

/* The last one to leave ends the next stage's input. */
static void leave(leat_worker *w)
{
	struct stage *s = w->stage;

	store_release(&w->low, UINT64_MAX);
	if (fetch_add(&s->live, UINT64_MAX) == 1)
		edge_end(s->out);
	bell_ring(&s->chain->passed);
}

static void work(leat_worker *w)
{
	w->clock = leat_now();
	if (stage_is_source(w->stage))
		run_source(w);
	else
		run_items(w);
	if (w->stage->row.flush != NULL && !chain_halted(w->stage->chain))
		item_flush(w);
	account(w, 0);
}

/* A thread's name has 15 characters: the row's, shortened, and the index. */
static void name_thread(const leat_worker *w)
{
	const struct stage *s = w->stage;
	char index[12] = "";
	char name[16];
	int len = 0;

	if (s->workers > 1)
		len = snprintf(index, sizeof(index), "/%u", w->index);
	snprintf(name, sizeof(name), "%.*s%s", 15 - len, s->row.name, index);
	pthread_setname_np(pthread_self(), name);
}

static int open_state(leat_worker *w)
{
	const struct stage *s = w->stage;
	leat_report r = {.row = (uint32_t)s->index};
	int rc;

	rc = s->row.open == NULL ? 0 : s->row.open(&w->state, w);
	if (rc >= 0)
		return 0;
	r.code = rc;
	report_name(&r, s->row.name);
	report_text(&r, "%s",
		w->odd & ODD_SAID && w->said == rc ? w->text
						   : "the row's open failed");
	fail_note(&s->chain->fail, &r);
	return rc;
}

void *stage_main(void *worker)
{
	leat_worker *w = worker;
	const struct stage *s = w->stage;
	int opened;

	self = w;
	name_thread(w);
	opened = open_state(w);
	if (pool_arrive(&s->chain->pool, opened) == 0)
		work(w);
	if (opened == 0 && s->row.close != NULL)
		s->row.close(w->state);
	leave(w);
	return NULL;
}

int stage_open(struct stage *s, uint32_t workers)
{
	size_t size = workers * sizeof(leat_worker);

	s->worker = aligned_alloc(LINE, size);
	if (s->worker == NULL)
		return -ENOMEM;
	memset(s->worker, 0, size);
	s->live = workers;
	for (s->workers = 0; s->workers < workers; s->workers++) {
		leat_worker *w = &s->worker[s->workers];

		*w = (leat_worker){.stage = s,
			.index = s->workers,
			.cap_out = s->sink ? 0 : OUT_MIN,
			.awaited = UINT64_MAX,
			.grain = 1};
		w->wait_out.deadline = LEAT_NEVER;
		w->out = malloc(OUT_MIN * sizeof(*w->out));
		if (s->row.retries > 0)
			w->held = malloc(HELD_MAX * sizeof(*w->held));
		if (w->out == NULL || (s->row.retries > 0 && w->held == NULL)) {
			s->workers++;
			return -ENOMEM;
		}
	}
	return 0;
}

void stage_close(struct stage *s)
{
	for (uint32_t i = 0; i < s->workers; i++) {
		free(s->worker[i].out);
		free(s->worker[i].held);
	}
	free(s->worker);
}

/* The workers that take from input queue i: its own one in a keyed row. */
static leat_worker *takers(struct stage *s, uint32_t i, uint32_t *n)
{
	bool keyed = s->in->n > 1;

	*n = keyed ? 1 : s->workers;
	return &s->worker[keyed ? i : 0];
}

bool stage_passed(struct stage *s, uint32_t i, uint64_t pos)
{
	leat_worker *w;
	uint32_t n;

	if (stage_is_source(s))
		return load_acquire(&s->live) == 0;
	if (s->order != NULL)
		return order_reached(s->order, pos);
	if (queue_popped(s->in->queue[i]) < pos)
		return false;
	w = takers(s, i, &n);
	for (uint32_t k = 0; k < n; k++)
		if (load_acquire(&w[k].low) < pos)
			return false;
	return true;
}

void stage_watch(struct stage *s, uint32_t i, uint64_t pos)
{
	uint32_t n;
	leat_worker *w = takers(s, i, &n);

	for (uint32_t k = 0; k < n; k++) {
		uint64_t old = load_relaxed(&w[k].awaited);

		while (pos < old && !cas(&w[k].awaited, &old, pos))
			;
	}
}

void *leat_arg(const leat_worker *w)
{
	return w->stage->row.arg;
}

void *leat_state(const leat_worker *w)
{
	return w->state;
}

uint32_t leat_index(const leat_worker *w)
{
	return w->index;
}

uint64_t leat_seq(const leat_worker *w)
{
	return w->seq;
}

uint32_t leat_attempt(const leat_worker *w)
{
	return w->attempt;
}

int leat_stopping(const leat_worker *w)
{
	return chain_stopping(w->stage->chain);
}

int leat_error(leat_worker *w, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(w->text, sizeof(w->text), fmt, args);
	va_end(args);
	w->said = code;
	w->odd |= ODD_SAID;
	return code;
}
