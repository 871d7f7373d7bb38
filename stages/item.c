/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include "stages/item.h"
#include "stages/output.h"
#include "stages/retry.h"
#include "stages/place.h"

/*
 * emit_nowhere frees an item that nobody gets: but `in` only once the attempt
 * has succeeded, if it may be undone.
 */
static void emit_nowhere(leat_worker *w, void *item)
{
	if (item == NULL && w->stage->sink)
		return;
	if (item == w->in && w->undoable)
		w->odd |= ODD_UNWANTED;
	else
		output_discard(w, item);
}

void leat_emit(leat_worker *w, void *item)
{
	bool is_in = item == w->in;

	w->odd |= ODD_EMITTED;
	if (w->stage->sink || chain_halted(w->stage->chain)) {
		emit_nowhere(w, item);
	} else if (!output_put(w, item)) {
		if (!is_in)
			output_discard(w, item);
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
			output_discard(w, item);
	}
	w->odd &= ODD_SAID;
}

static void fill_report(const leat_worker *w, leat_report *r, int code)
{
	*r = (leat_report){.code = code,
		.row = (uint32_t)w->stage->index,
		.seq = w->view.seq,
		.attempt = w->view.attempt};
	report_name(r, w->stage->row.name);
	report_text(r, "%s",
		w->odd & ODD_SAID && w->said == code ? w->text
						     : leat_strerror(code));
}

void item_note_failure(leat_worker *w, int code, bool ends)
{
	leat_report r;

	fill_report(w, &r, code);
	fail_note(&w->stage->chain->fail, &r, ends);
}

/* ends_chain: a failure in this row does, unless it has ended already. */
static bool ends_chain(const leat_worker *w)
{
	return w->stage->row.on_error == LEAT_STOP &&
	       !chain_halted(w->stage->chain);
}

/* fail_worker is for a failure that is no item's, but obeys the row's policy.
 */
static void fail_worker(leat_worker *w, int code)
{
	bool ends = ends_chain(w);

	item_note_failure(w, code, ends);
	if (ends)
		chain_halt(w->stage->chain);
}

/*
 * fail settles an item that failed for good; `in` is NULL when it was passed
 * on before.
 */
static enum outcome fail(leat_worker *w, void *in, int code)
{
	leat_chain *c = w->stage->chain;
	bool ends = ends_chain(w);
	leat_report r;
	int kept = 0;

	fill_report(w, &r, code);
	fail_note(&c->fail, &r, ends || w->thread->ended);
	add_owned(&w->tally.failed, 1);
	w->in = in;
	w->odd = ODD_SHOWN;
	if (c->opts.failed != NULL)
		kept = c->opts.failed(in, &r, c->opts.failed_arg);
	w->in = w;
	w->odd = 0;
	if (!(kept & LEAT_TOOK))
		edge_free(w->stage->in, in);
	if (ends)
		chain_halt(c);
	return SETTLED;
}

/*
 * is_new: the attempt made *out, and does not mean `in` by it. Once `in` is
 * gone another item may have its address.
 */
static bool is_new(
	const leat_worker *w, const void *in, const void *out, int rc)
{
	bool took = rc > 0 && rc & LEAT_TOOK;
	bool passed = w->odd & ODD_PASSED && !w->undoable;

	return out != NULL && (out != in || took || passed);
}

/* failed: an attempt has. It can be repeated, unless the chain is halted by
 * then and the item cancelled, or the thread has ended; or the item fails. */
static enum outcome failed(leat_worker *w, void *in, void *out, int code)
{
	const leat_stage *row = &w->stage->row;

	if (is_new(w, in, out, code))
		output_discard(w, out);
	if (row->retries > 0) {
		undo(w);
		if (w->view.attempt < row->retries && !w->thread->ended)
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
	w->in = w; /* another item may have its address by now */
	if (out != NULL)
		output_discard(w, out);
	if (w->undoable)
		undo(w);
	return fail(w, NULL, -ENOMEM);
}

/* end_source: the source has none any more. */
static enum outcome end_source(leat_worker *w, void *out)
{
	w->in = w;
	if (out != NULL)
		output_discard(w, out);
	if (w->odd & ODD_LOST)
		fail_worker(w, -ENOMEM);
	w->odd = 0;
	return ENDED;
}

/* succeed: the attempt has, and what it made is with the outputs. */
static enum outcome succeed(leat_worker *w, void *in, void *out, int rc)
{
	bool drop = rc & LEAT_DROP;
	uint32_t odd = w->odd;

	add_owned(drop ? &w->tally.dropped : &w->tally.done, 1);
	w->in = w;
	w->odd = 0;
	if (odd & ODD_UNWANTED)
		output_discard(w, in);
	else if (!(rc & LEAT_TOOK) && !(odd & ODD_PASSED) &&
		 (drop || out != in))
		edge_free(w->stage->in, in);
	return SETTLED;
}

/*
 * settle takes care of a return value that is not 0, or of an attempt with
 * something odd about it.
 */
static enum outcome settle(leat_worker *w, void *in, void *out, int rc)
{
	bool drop = rc & LEAT_DROP;

	w->made = NULL;
	if (rc == LEAT_END && stage_is_source(w->stage))
		return end_source(w, out);
	if (rc > (LEAT_DROP | LEAT_TOOK))
		rc = leat_error(w, LEAT_ERETURN,
			"the function returned %d, not 0, LEAT_DROP, "
			"LEAT_TOOK, a negative code, or, from a source, "
			"LEAT_END",
			rc);
	if (rc < 0)
		return failed(w, in, out, rc);
	if (drop && is_new(w, in, out, rc))
		output_discard(w, out);
	if (w->odd & ODD_LOST || (!drop && !output_put(w, out)))
		return lost(w, in, drop ? NULL : out, rc);
	return succeed(w, in, out, rc);
}

enum outcome item_attempt(
	leat_worker *w, void *in, uint64_t seq, uint32_t count)
{
	const leat_stage *row = &w->stage->row;
	enum outcome outcome;
	int rc;

	w->in = in;
	w->made = NULL;
	w->view.seq = seq;
	w->view.attempt = count;
	w->odd = 0;
	w->mark = w->n_out;
	w->undoable = row->retries > 0;
	rc = (row->source != NULL ? row->source : row->fn)(in, &w->made, w);
	outcome = settle(w, in, w->made, rc);
	w->undoable = false;
	return outcome;
}

void item_cancel(leat_worker *w, void *in)
{
	add_owned(&w->tally.cancelled, 1);
	w->in = w;
	w->odd = 0;
	edge_free(w->stage->in, in);
}

/* free_plain frees `in`, unless there is none or it is what was made. */
static inline void free_plain(
	leat_worker *w, void (*free_in)(void *), const void *made)
{
	void *in = w->in;

	if (in != made && in != NULL) {
		w->in = w;
		free_in(in);
	}
}

/* has_places: for an output of each of n items; a sink has none. */
static bool has_places(const leat_worker *w, size_t n)
{
	return w->cap_out - w->n_out >= n;
}

/*
 * run_batch is for a row without retries, from the i-th item of the batch on.
 * `how` is 0, or LEAT_DROP alone, when there is nothing odd about the attempt:
 * then it has emitted nothing, and the places for outputs are where they were.
 *
 * Each jump costs as much as a few instructions, so sinks, which return
 * LEAT_DROP as a rule, and others, which return 0, have a loop each in which
 * the usual item goes straight on.
 */
static FORCE_INLINE void run_batch(leat_worker *w, size_t i, bool sink)
{
	const leat_chain *c = w->stage->chain;
	void (*free_in)(void *) = w->stage->in->free_item;
	leat_fn fn = w->stage->row.fn;
	void *const *at = w->thread->batch + i;
	void *const *end = w->thread->batch + w->n;
	void **out = w->out + w->n_out;
	bool places = has_places(w, w->n - i);
	uint64_t done = w->n - i;

	for (w->view.seq = w->pos + i; at < end; at++, w->view.seq++) {
		void *in = *at, *made;
		uint32_t how;
		int rc;

		w->in = in;
		if (unlikely(chain_halted(c))) {
			item_cancel(w, w->in);
			done--;
			continue;
		}
		w->made = NULL;
		rc = fn(in, &w->made, w);
		how = (uint32_t)rc | w->odd;
		made = w->made;
		if (!sink && likely(how == 0) && likely(places)) {
			*out++ = made;
			w->n_out++;
			if (unlikely(free_in != NULL))
				free_plain(w, free_in, made);
		} else if ((sink || how == LEAT_DROP) &&
			   likely(how <= LEAT_DROP) && likely(made == NULL)) {
			w->drops += how;
			if (unlikely(free_in != NULL))
				free_plain(w, free_in, NULL);
		} else {
			settle(w, w->in, made, rc);
			done--;
			out = w->out + w->n_out;
			places = has_places(w, (size_t)(end - at) - 1);
		}
	}
	w->in = w;
	w->n = 0;
	add_owned(&w->tally.done, done - w->drops);
	add_owned(&w->tally.dropped, w->drops);
	w->drops = 0;
}

static void run_plain(leat_worker *w, size_t i)
{
	if (w->stage->sink)
		run_batch(w, i, true);
	else
		run_batch(w, i, false);
}

/* run_retryable is for a row with retries. */
static void run_retryable(leat_worker *w)
{
	const leat_chain *c = w->stage->chain;
	void *const *batch = w->thread->batch;

	while (w->begun < w->n) {
		size_t i = w->begun++;

		if (chain_halted(c))
			item_cancel(w, batch[i]);
		else
			retry_run(w, batch[i], w->pos + i);
	}
	w->in = w;
	w->n = 0;
}

void items_run(leat_worker *w, size_t n, uint64_t pos)
{
	add_owned(&w->tally.taken, n);
	w->run_pos = pos;
	w->pos = pos;
	w->n = n;
	if (likely(w->stage->row.retries == 0)) {
		run_plain(w, 0);
		return;
	}
	w->begun = 0;
	run_retryable(w);
}

/*
 * item_direct: a source with one worker, and without retries, puts its items
 * into the queue one at a time: it may block for long at any call, and what it
 * has made by then must not wait for it. Others hand on after every call.
 */
leat_queue *item_direct(const struct stage *s)
{
	leat_queue *q;

	if (!stage_is_source(s) || s->row.retries > 0 || s->out->n != 1)
		return NULL;
	q = s->out->queue[0];
	return q->ring.sides & RING_SP ? q : NULL;
}

/*
 * tell wakes who waits for an item put directly: but nobody as long as it may
 * be quiet, and somebody watches the next stage, which this thread is going to
 * visit, or whose threads are awake, as was seen before this batch. It returns
 * whether that is still so. It needs no fence, which would cost more than all
 * else about the item: workers find what escapes the look here at a tick, see
 * place_await. Who pulls results has none.
 */
/* model: visit.pml make */
static inline bool tell(
	const struct stage *s, leat_queue *q, bool results, bool quiet)
{
	if (quiet && likely(place_watched(s + 1)))
		return true;
	if (results)
		queue_chain(q);
	else if (park_busy(&q->not_empty))
		place_wake(s + 1, q);
	return false;
}

/*
 * source_direct makes up to n items and puts them into the queue, which has
 * room for them. It stops early when one must go another way.
 */
static size_t source_direct(
	leat_worker *w, leat_queue *q, uint64_t first, size_t n, bool *more)
{
	const struct stage *s = w->stage;
	const leat_chain *c = s->chain;
	leat_fn fn = s->row.source;
	bool results = s->index + 1 == c->n;
	uint64_t begin = ring_tail(&q->ring);
	uint64_t at = begin;
	void **place = ring_place(&q->ring, at);
	uint64_t last = first + n;
	uint64_t seq = first;
	bool quiet = w->thread->quiet;

	w->in = NULL;
	for (; seq != last; seq++) {
		int rc;

		if (chain_stopping(c)) {
			*more = false;
			break;
		}
		w->view.seq = seq;
		w->made = NULL;
		rc = fn(NULL, &w->made, w);
		if (likely((rc | (int)w->odd) == 0)) {
			ring_put(&q->ring, place++, ++at, w->made);
			quiet = tell(s, q, results, quiet);
			continue;
		}
		if (settle(w, NULL, w->made, rc) == ENDED) {
			*more = false;
			break;
		}
		w->in = NULL;
		if (w->n_out > 0) {
			store_relaxed(&w->shy, SHY);
			last = seq + 1;
		}
	}
	w->in = w;
	w->thread->quiet = quiet;
	add_owned(&w->tally.done, at - begin);
	add_owned(&w->tally.gave, at - begin);
	return seq - first;
}

/* source_once is for a row with retries, and when there is no room, or no queue
 * to put into directly. */
static size_t source_once(leat_worker *w, uint64_t seq, bool *more)
{
	enum outcome outcome;

	*more = !chain_stopping(w->stage->chain);
	if (!*more)
		return 0;
	outcome = item_attempt(w, NULL, seq, 0);
	if (outcome == AGAIN)
		outcome = retry_in_place(w, NULL, seq, 1);
	*more = outcome != ENDED;
	return *more;
}

size_t items_source(leat_worker *w, size_t n, bool *more)
{
	leat_queue *q = item_direct(w->stage);
	size_t room = q == NULL ? 0 : ring_room(&q->ring, n);
	uint64_t first = load_relaxed(&w->tally.taken);
	size_t made;

	w->thread->owes = w->thread->quiet && room > 0;
	if (room > 0)
		made = source_direct(w, q, first, room, more);
	else
		made = source_once(w, first, more);
	add_owned(&w->tally.taken, made);
	return made;
}

static void run_flush(leat_worker *w)
{
	int rc;

	w->in = w;
	w->view.attempt = 0;
	rc = w->stage->row.flush(w);
	if (rc >= 0 && w->odd & ODD_LOST)
		rc = -ENOMEM;
	if (rc < 0)
		fail_worker(w, rc);
	w->odd = 0;
}

/*
 * In an ordered row the workers take the positions behind the last item's.
 * These may lie beyond the window, so nothing is laid down there: without the
 * turn the chain is halted, and there is no flush.
 */
void item_flush(leat_worker *w)
{
	struct order *o = w->stage->order;
	uint64_t end = 0;

	if (o != NULL) {
		w->run_pos =
			queue_pushed(w->stage->in->queue[0]) + w->view.index;
		end = w->run_pos + 1;
		w->turn = order_enter(o, w->run_pos) == 0;
		if (!w->turn)
			return;
	}
	w->view.seq = w->run_pos;
	run_flush(w);
	outputs_give(w, end);
}

void flush_ended(leat_worker *w)
{
	item_note_failure(w, LEAT_ETHREAD, true);
	w->odd = 0;
	chain_halt(w->stage->chain);
	held_cancel(w);
	outputs_give(w, w->stage->order == NULL ? 0 : w->run_pos + 1);
}

/* settle_ended settles the attempt that has not come to its end. */
static void settle_ended(leat_worker *w)
{
	const leat_chain *c = w->stage->chain;
	void *in = w->in;
	void *out = w->made;
	int rc = LEAT_ETHREAD;

	if (c->hooks.ended != NULL)
		rc = c->hooks.ended(in, &out, w);
	settle(w, in, out, rc);
	w->undoable = false;
}

/* note_ended is for a thread that has ended in opts.failed, which has not kept
 * the item then; or in a destructor or a key. */
static void note_ended(leat_worker *w)
{
	void *in = w->in == w ? NULL : w->in;

	w->in = w;
	w->odd = 0;
	item_note_failure(w, LEAT_ETHREAD, true);
	edge_free(w->stage->in, in);
}

/*
 * count_ended adds what a batch would have added at its end. For a source the
 * calls that made something count, and what was put into the queue directly is
 * all that is done and not counted so.
 */
static void count_ended(leat_worker *w, size_t left)
{
	struct tally *t = &w->tally;
	uint64_t done;

	add_owned(&t->dropped, w->drops);
	w->drops = 0;
	if (stage_is_source(w->stage) && w->view.seq >= t->taken)
		add_owned(&t->taken, w->view.seq + 1 - t->taken);
	else if (w->stage->row.retries > 0)
		return;
	done = t->taken - left - t->dropped - t->failed - t->cancelled -
	       t->done;
	add_owned(&t->done, done);
	if (stage_is_source(w->stage))
		add_owned(&t->gave, done);
}

/* begun is how many items of the batch have been. */
static size_t begun(const leat_worker *w)
{
	if (w->n == 0 || w->stage->row.retries > 0)
		return w->begun;
	return w->view.seq + 1 - w->pos;
}

/* end_run is where the run ends that is yet to be handed on. */
static uint64_t end_run(const leat_worker *w)
{
	if (w->n > 0)
		return w->pos + w->n;
	return w->tried > 0 ? w->view.seq + 1 : w->run_pos;
}

void items_ended(leat_worker *w)
{
	size_t from = begun(w);
	uint64_t end = end_run(w);

	if (w->in != w && !(w->odd & ODD_SHOWN))
		settle_ended(w);
	else
		note_ended(w);
	if (w->stage->chain->hooks.ended == NULL)
		chain_halt(w->stage->chain);
	held_ended(w);
	count_ended(w, w->n == 0 ? 0 : w->n - from);
	if (w->n > 0 && w->stage->row.retries == 0)
		run_plain(w, from);
	else if (w->n > 0)
		run_retryable(w);
	outputs_give(w, end);
}
