/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "stages/item.h"

/* What an attempt has come to. */
enum outcome { SETTLED, AGAIN, ENDED };

static bool is_sink(const struct stage *s)
{
	return s->out->n == 0;
}

/* give hands on items, or frees them when the chain is halted. */
static void give(void *ctx, void *const *items, size_t n)
{
	leat_worker *w = ctx;
	size_t gave = edge_give(w->stage->out, items, n, &w->wait_out);

	add_owned(&w->tally.gave, gave);
	if (unlikely(gave < n))
		add_owned(&w->tally.freed, n - gave);
}

static void discard(leat_worker *w, void *item)
{
	edge_free(w->stage->out, item);
	add_owned(&w->tally.freed, 1);
}

/* may_give: in an ordered row only a worker whose turn it is gives, and it
 * cannot wait for its turn while it holds an earlier item itself. */
static bool may_give(leat_worker *w)
{
	struct order *o = w->stage->order;

	if (o == NULL || w->turn)
		return true;
	if (w->n_held > 0)
		return false;
	w->turn = order_enter(o, w->run_pos) == 0;
	return true; /* without the turn the chain is halted: give frees */
}

static bool grow(leat_worker *w)
{
	size_t cap = w->cap_out + w->cap_out / 2 + 1;
	void **out = realloc(w->out, cap * sizeof(*out));

	if (out == NULL)
		return false;
	w->out = out;
	w->cap_out = cap;
	return true;
}

/* make_room hands on what cannot be undone any more, or makes more places. */
static bool make_room(leat_worker *w)
{
	size_t n = w->undoable ? w->mark : w->n_out;

	if (n == 0 || !may_give(w))
		return grow(w);
	give(w, w->out, n);
	w->n_out -= n;
	w->mark = 0;
	memmove(w->out, w->out + n, w->n_out * sizeof(*w->out));
	return true;
}

/* put adds an output. It fails only for want of memory. */
static bool put(leat_worker *w, void *item)
{
	if (is_sink(w->stage)) {
		if (item != NULL)
			discard(w, item);
		return true;
	}
	if (unlikely(w->n_out == w->cap_out) && !make_room(w))
		return false;
	w->out[w->n_out++] = item;
	return true;
}

void leat_emit(leat_worker *w, void *item)
{
	bool is_in = item == w->in;

	if (chain_halted(w->stage->chain)) {
		discard(w, item);
	} else if (!put(w, item)) {
		if (!is_in)
			discard(w, item);
		w->odd |= ODD_LOST;
		return;
	}
	if (is_in)
		w->odd |= ODD_PASSED;
}

/* undo frees what an attempt that will be repeated, or has failed, made. */
static void undo(leat_worker *w)
{
	while (w->n_out > w->mark) {
		void *item = w->out[--w->n_out];

		if (item != w->in)
			discard(w, item);
	}
	w->odd = 0;
}

static void fill_report(const leat_worker *w, leat_report *r, int code)
{
	*r = (leat_report){.code = code,
		.row = (uint32_t)w->stage->index,
		.seq = w->seq,
		.attempt = w->attempt};
	report_name(r, w->stage->row.name);
	report_text(r, "%s", w->said == code ? w->text : leat_strerror(code));
}

/*
 * fail settles an item that failed for good; `in` is NULL when it was passed
 * on before.
 */
static enum outcome fail(leat_worker *w, void *in, int code)
{
	leat_chain *c = w->stage->chain;
	leat_report r;
	int kept = 0;

	fill_report(w, &r, code);
	fail_note(&c->fail, &r);
	w->odd = 0;
	add_owned(&w->tally.failed, 1);
	if (c->opts.failed != NULL)
		kept = c->opts.failed(in, &r, c->opts.failed_arg);
	if (!(kept & LEAT_TOOK))
		edge_free(w->stage->in, in);
	if (w->stage->row.on_error == LEAT_STOP)
		chain_halt(c, HALT_FAILED);
	return SETTLED;
}

/* failed: an attempt has. It can be repeated, or the item fails. */
static enum outcome failed(leat_worker *w, void *in, void *out, int code)
{
	const leat_stage *row = &w->stage->row;

	if (out != NULL && out != in)
		discard(w, out);
	if (row->retries > 0) {
		undo(w);
		if (w->attempt < row->retries && !chain_halted(w->stage->chain))
			return AGAIN;
	}
	return fail(w, w->odd & ODD_PASSED ? NULL : in, code);
}

/* lost: an output could not be kept. If the function took `in`, which is then
 * gone, the attempt cannot be repeated. */
static enum outcome lost(leat_worker *w, void *in, void *out, int rc)
{
	if (!(rc & LEAT_TOOK))
		return failed(w, in, out, -ENOMEM);
	if (out != NULL)
		discard(w, out);
	if (w->undoable)
		undo(w);
	return fail(w, NULL, -ENOMEM);
}

/*
 * settle takes care of a return value that is not 0, or of an attempt with
 * something odd about it.
 */
static enum outcome settle(leat_worker *w, void *in, void *out, int rc)
{
	bool drop = rc & LEAT_DROP;

	if (rc == LEAT_END && stage_is_source(w->stage)) {
		if (out != NULL)
			discard(w, out);
		return ENDED;
	}
	if (rc > (LEAT_DROP | LEAT_TOOK))
		rc = leat_error(w, LEAT_ERETURN,
			"the function returned %d, which means nothing", rc);
	if (rc < 0)
		return failed(w, in, out, rc);
	if (drop && out != NULL && out != in)
		discard(w, out);
	if (w->odd & ODD_LOST || (!drop && !put(w, out)))
		return lost(w, in, drop ? NULL : out, rc);
	if (!(rc & LEAT_TOOK) && !(w->odd & ODD_PASSED) && (drop || out != in))
		edge_free(w->stage->in, in);
	add_owned(drop ? &w->tally.dropped : &w->tally.done, 1);
	w->odd = 0;
	return SETTLED;
}

/* attempt runs the function once. */
static inline enum outcome attempt(
	leat_worker *w, leat_fn fn, void *in, uint64_t seq, uint32_t count)
{
	void *out = NULL;
	int rc;

	w->in = in;
	w->seq = seq;
	w->attempt = count;
	w->mark = w->n_out;
	rc = fn(in, &out, w);
	if (unlikely(rc != 0 || w->odd != 0 || w->n_out == w->cap_out))
		return settle(w, in, out, rc);
	if (out != in)
		edge_free(w->stage->in, in);
	if (!is_sink(w->stage))
		w->out[w->n_out++] = out;
	else if (out != NULL)
		discard(w, out);
	add_owned(&w->tally.done, 1);
	return SETTLED;
}

static enum outcome attempt_undoable(
	leat_worker *w, leat_fn fn, void *in, uint64_t seq, uint32_t count)
{
	enum outcome outcome;

	w->said = 0;
	w->undoable = true;
	outcome = attempt(w, fn, in, seq, count);
	w->undoable = false;
	return outcome;
}

void worker_rest(leat_worker *w, uint64_t deadline)
{
	leat_chain *c = w->stage->chain;
	uint64_t from = leat_now();

	while (!chain_halted(c) && leat_now() < deadline) {
		park_announce(&c->resting);
		if (chain_halted(c))
			park_retract(&c->resting);
		else
			park_wait(&c->resting, deadline);
	}
	w->wait_in.spent += leat_now() - from;
}

/* backoff is when the attempt after `count` failed ones may begin. */
static uint64_t backoff(const leat_stage *row, uint32_t count)
{
	uint64_t ns = row->backoff_ns;

	while (--count > 0 && ns != 0 && ns < UINT64_MAX / 2)
		ns *= 2;
	return ns == 0 ? 0 : leat_after(ns);
}

/* retry_in_place: the worker waits, since it has no place to hold the item or
 * must not overtake it. */
static enum outcome retry_in_place(
	leat_worker *w, leat_fn fn, void *in, uint64_t seq, uint32_t count)
{
	enum outcome outcome = AGAIN;

	for (; outcome == AGAIN; count++) {
		worker_rest(w, backoff(&w->stage->row, count));
		if (chain_halted(w->stage->chain)) {
			item_cancel(w, in);
			return SETTLED;
		}
		add_owned(&w->tally.retried, 1);
		outcome = attempt_undoable(w, fn, in, seq, count);
	}
	return outcome;
}

static uint64_t key_of(const leat_worker *w, const void *item)
{
	const leat_stage *row = &w->stage->row;

	return row->key == NULL ? 0 : row->key(item, row->arg);
}

static void hold(
	leat_worker *w, void *in, uint64_t seq, uint64_t key, uint32_t count)
{
	w->held[w->n_held++] = (struct held){
		.item = in,
		.seq = seq,
		.key = key,
		.attempt = count,
		.due = count > 0 ? backoff(&w->stage->row, count) : 0,
	};
}

/* is_first: nothing held before it has its key. */
static bool is_first(const leat_worker *w, size_t i)
{
	if (w->stage->row.key == NULL)
		return true;
	for (size_t k = 0; k < i; k++)
		if (w->held[k].key == w->held[i].key)
			return false;
	return true;
}

/* next_held is the first of its key that is due soonest. */
static size_t next_held(const leat_worker *w)
{
	size_t best = 0;

	for (size_t i = 1; i < w->n_held; i++)
		if (w->held[i].due < w->held[best].due && is_first(w, i))
			best = i;
	return best;
}

uint64_t held_due(const leat_worker *w)
{
	return w->n_held == 0 ? LEAT_NEVER : w->held[next_held(w)].due;
}

uint64_t held_low(const leat_worker *w)
{
	uint64_t low = UINT64_MAX;

	for (size_t i = 0; i < w->n_held; i++)
		if (w->held[i].seq < low)
			low = w->held[i].seq;
	return low;
}

static void unhold(leat_worker *w, size_t i)
{
	w->n_held--;
	memmove(w->held + i, w->held + i + 1,
		(w->n_held - i) * sizeof(*w->held));
}

/* retry_one repeats a held item, which is a run of its own. */
static void retry_one(leat_worker *w, size_t i)
{
	struct held *h = &w->held[i];
	uint64_t seq = h->seq;

	w->run_pos = seq;
	if (h->attempt > 0)
		add_owned(&w->tally.retried, 1);
	if (attempt_undoable(w, w->stage->row.fn, h->item, seq, h->attempt) ==
		AGAIN) {
		h->attempt++;
		h->due = backoff(&w->stage->row, h->attempt);
		return;
	}
	unhold(w, i);
	outputs_give(w, seq + 1);
}

void held_retry(leat_worker *w)
{
	while (w->n_held > 0 && !chain_halted(w->stage->chain)) {
		size_t i = next_held(w);

		if (w->held[i].due > leat_now())
			return;
		retry_one(w, i);
	}
}

void held_cancel(leat_worker *w)
{
	while (w->n_held > 0)
		item_cancel(w, w->held[--w->n_held].item);
}

/* settle_held waits until nothing, or not everything, is held any more. */
static void settle_held(leat_worker *w, size_t at_most)
{
	while (w->n_held > at_most && !chain_halted(w->stage->chain)) {
		worker_rest(w, held_due(w));
		held_retry(w);
	}
}

void item_cancel(leat_worker *w, void *in)
{
	edge_free(w->stage->in, in);
	add_owned(&w->tally.cancelled, 1);
}

/* behind_its_key: an item of the same key is held, so it must wait too. */
static bool behind_its_key(const leat_worker *w, uint64_t key)
{
	if (w->stage->row.key == NULL)
		return false;
	for (size_t i = 0; i < w->n_held; i++)
		if (w->held[i].key == key)
			return true;
	return false;
}

/* run_retryable: as item_run, in a row with retries. */
static void run_retryable(leat_worker *w, void *in, uint64_t seq)
{
	leat_fn fn = w->stage->row.fn;
	uint64_t key = key_of(w, in);

	if (unlikely(w->n_held > 0) && behind_its_key(w, key)) {
		outputs_give(w, seq);
		settle_held(w, HELD_MAX - 1);
		if (chain_halted(w->stage->chain))
			item_cancel(w, in);
		else
			hold(w, in, seq, key, 0);
		return;
	}
	if (likely(attempt_undoable(w, fn, in, seq, 0) != AGAIN))
		return;
	if (w->n_held == HELD_MAX) {
		retry_in_place(w, fn, in, seq, 1);
		return;
	}
	if (w->stage->order != NULL)
		outputs_give(w, seq);
	w->run_pos = seq + 1;
	hold(w, in, seq, key, 1);
}

void item_run(leat_worker *w, void *in, uint64_t seq)
{
	if (unlikely(w->stage->row.retries > 0)) {
		run_retryable(w, in, seq);
		return;
	}
	w->said = 0;
	attempt(w, w->stage->row.fn, in, seq, 0);
}

bool item_source(leat_worker *w)
{
	const leat_stage *row = &w->stage->row;
	uint64_t seq = load_relaxed(&w->tally.taken);
	enum outcome outcome;

	if (unlikely(row->retries > 0)) {
		outcome = attempt_undoable(w, row->source, NULL, seq, 0);
		if (outcome == AGAIN)
			outcome = retry_in_place(w, row->source, NULL, seq, 1);
	} else {
		w->said = 0;
		outcome = attempt(w, row->source, NULL, seq, 0);
	}
	if (outcome == ENDED)
		return false;
	add_owned(&w->tally.taken, 1);
	return true;
}

/* note_failure records a failure that is no item's. */
static void note_failure(leat_worker *w, int code)
{
	leat_report r;

	fill_report(w, &r, code);
	fail_note(&w->stage->chain->fail, &r);
}

/*
 * give_run hands on a run, or lays it down. Without memory to lay it down the
 * worker waits for its turn; if that is behind a held item of its own, the
 * chain cannot go on.
 */
static void give_run(leat_worker *w, struct order *o, uint64_t end)
{
	uint64_t n = end - w->run_pos;

	if (!w->turn &&
		order_give(o, w->run_pos, n, w->out, w->n_out, give, w) == 0)
		return;
	if (!w->turn && w->n_held > 0) {
		note_failure(w, -ENOMEM);
		chain_halt(w->stage->chain, HALT_FAILED);
	}
	if (!w->turn)
		w->turn = order_enter(o, w->run_pos) == 0;
	give(w, w->out, w->n_out);
	if (w->turn)
		order_leave(o, w->run_pos, n, give, w);
	w->turn = false;
}

void outputs_give(leat_worker *w, uint64_t end)
{
	struct order *o = w->stage->order;

	if (o != NULL && end > w->run_pos)
		give_run(w, o, end);
	else if (o == NULL && w->n_out > 0)
		give(w, w->out, w->n_out);
	w->n_out = 0;
	w->run_pos = end;
}

static void run_flush(leat_worker *w)
{
	int rc;

	w->in = w; /* which no item is */
	w->attempt = 0;
	w->said = 0;
	rc = w->stage->row.flush(w);
	if (rc >= 0 && w->odd & ODD_LOST)
		rc = -ENOMEM;
	w->odd = 0;
	if (rc >= 0)
		return;
	note_failure(w, rc);
	if (w->stage->row.on_error == LEAT_STOP)
		chain_halt(w->stage->chain, HALT_FAILED);
}

/* In an ordered row the workers take the positions behind the last item's. */
void item_flush(leat_worker *w)
{
	struct order *o = w->stage->order;
	uint64_t end = 0;

	if (o != NULL) {
		w->run_pos = queue_pushed(w->stage->in->queue[0]) + w->index;
		end = w->run_pos + 1;
		w->turn = order_enter(o, w->run_pos) == 0;
	}
	w->seq = w->run_pos;
	run_flush(w);
	outputs_give(w, end);
}
