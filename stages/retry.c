/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include "stages/output.h"
#include "stages/retry.h"

/* is_roused: there is no time to rest. Once the chain is stopping a source that
 * has failed is tried again at once, so that it can end. */
static bool is_roused(const leat_worker *w)
{
	const leat_chain *c = w->stage->chain;

	return stage_is_source(w->stage) ? chain_stopping(c) : chain_halted(c);
}

void worker_rest(leat_worker *w, uint64_t deadline)
{
	leat_chain *c = w->stage->chain;
	uint64_t from = leat_now();

	while (!is_roused(w) && leat_now() < deadline) {
		park_announce(&c->resting);
		if (is_roused(w))
			park_retract(&c->resting);
		else
			park_wait(&c->resting, deadline);
	}
	w->thread->in.spent += leat_now() - from;
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
enum outcome retry_in_place(
	leat_worker *w, void *in, uint64_t seq, uint32_t count)
{
	enum outcome outcome = AGAIN;

	for (; outcome == AGAIN; count++) {
		worker_rest(w, backoff(&w->stage->row, count));
		if (chain_halted(w->stage->chain)) {
			item_cancel(w, in);
			return SETTLED;
		}
		add_owned(&w->tally.retried, 1);
		outcome = item_attempt(w, in, seq, count);
	}
	return outcome;
}

static uint64_t key_of(leat_worker *w, void *in, uint64_t seq)
{
	const leat_stage *row = &w->stage->row;

	if (row->key == NULL)
		return 0;
	w->in = in;
	w->view.seq = seq;
	w->view.attempt = 0;
	return row->key(in, row->arg);
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
	w->in = w;
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

void held_ended(leat_worker *w)
{
	if (w->tried > 0)
		unhold(w, w->tried - 1);
	w->tried = 0;
}

/* retry_one repeats a held item, which is a run of its own. */
static void retry_one(leat_worker *w, size_t i)
{
	struct held *h = &w->held[i];
	uint64_t seq = h->seq;

	w->run_pos = seq;
	if (h->attempt > 0)
		add_owned(&w->tally.retried, 1);
	w->tried = i + 1;
	if (item_attempt(w, h->item, seq, h->attempt) == AGAIN) {
		h->attempt++;
		h->due = backoff(&w->stage->row, h->attempt);
		w->tried = 0;
		w->in = w;
		return;
	}
	held_ended(w);
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

void retry_run(leat_worker *w, void *in, uint64_t seq)
{
	uint64_t key = key_of(w, in, seq);

	if (unlikely(w->n_held > 0) && behind_its_key(w, key)) {
		outputs_give(w, seq);
		hold(w, in, seq, key, 0);
		settle_held(w, HELD_MAX);
		return;
	}
	if (likely(item_attempt(w, in, seq, 0) != AGAIN))
		return;
	if (w->n_held == HELD_MAX) {
		retry_in_place(w, in, seq, 1);
		return;
	}
	if (w->stage->order != NULL)
		outputs_give(w, seq);
	w->run_pos = seq + 1;
	hold(w, in, seq, key, 1);
}
