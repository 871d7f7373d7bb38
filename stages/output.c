/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "stages/item.h"
#include "stages/output.h"
#include "stages/visit.h"

/* give hands on items, or frees them when the chain is halted. */
static void give(void *ctx, void *const *items, size_t n)
{
	leat_worker *w = ctx;
	struct thread *t = w->thread;
	size_t gave;

	if (t->quiet && visit_welcome(w->stage, n)) {
		gave = edge_give_quietly(w->stage->out, items, n, &t->out);
		t->owes = true;
	} else {
		/* There may be room only once what is owed is taken. */
		if (unlikely(t->owes))
			queue_chain(w->stage->out->queue[0]);
		gave = edge_give(w->stage->out, items, n, &t->out);
	}

	add_owned(&w->tally.gave, gave);
	if (unlikely(gave < n))
		add_owned(&w->tally.freed, n - gave);
}

void output_discard(leat_worker *w, void *item)
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
	w->out = w->thread->outputs = out;
	w->cap_out = w->thread->cap_outputs = cap;
	return true;
}

/* make_room hands on what cannot be undone any more, or makes more places. */
static bool make_room(leat_worker *w)
{
	size_t n = w->undoable ? w->mark : w->n_out;
	size_t left = w->n_out - n;

	if (n == 0 || !may_give(w))
		return grow(w);
	w->n_out = 0;
	w->mark = 0;
	give(w, w->out, n);
	w->n_out = left;
	memmove(w->out, w->out + n, w->n_out * sizeof(*w->out));
	return true;
}

bool output_put(leat_worker *w, void *item)
{
	if (w->stage->sink) {
		if (item != NULL)
			output_discard(w, item);
		return true;
	}
	if (unlikely(w->n_out == w->cap_out) && !make_room(w))
		return false;
	w->out[w->n_out++] = item;
	return true;
}

/*
 * give_run hands on a run, or lays it down. Without memory to lay it down the
 * worker waits for its turn; if that is behind a held item of its own, the
 * chain cannot go on.
 */
static void give_run(
	leat_worker *w, struct order *o, size_t n_out, uint64_t end)
{
	uint64_t n = end - w->run_pos;

	if (!w->turn &&
		order_give(o, w->run_pos, n, w->out, n_out, give, w) == 0)
		return;
	if (!w->turn && w->n_held > 0) {
		item_note_failure(w, -ENOMEM, true);
		chain_halt(w->stage->chain);
	}
	if (!w->turn)
		w->turn = order_enter(o, w->run_pos) == 0;
	give(w, w->out, n_out);
	if (w->turn)
		order_leave(o, w->run_pos, n, give, w);
	w->turn = false;
}

void outputs_give(leat_worker *w, uint64_t end)
{
	struct order *o = w->stage->order;
	size_t n = w->n_out;

	/* They are not the worker's any more, if a key ends the thread. */
	w->n_out = 0;
	if (o != NULL && end > w->run_pos)
		give_run(w, o, n, end);
	else if (o == NULL && n > 0)
		give(w, w->out, n);
	w->run_pos = end;
}
