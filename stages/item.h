/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Items in a worker: running the function on them, what becomes of them, and
 * handing on what was made of them.
 *
 * Any function of the table may end its thread, by pthread_exit: then nothing
 * is left but what is in memory. Therefore an item is in one place at any time
 * when such a function is called: the rest of the batch, w->in, w->held, w->out
 * or a queue. What a destructor or a key is called for is in none; it is lost.
 */
#ifndef LEAT_ITEM_H
#define LEAT_ITEM_H

#include "stages/chain.h"

/* What an attempt has come to: AGAIN if it failed and may be repeated. */
enum outcome { SETTLED, AGAIN, ENDED };

/* items_run takes the n items of the batch, from position pos on, through the
 * function, or frees them when the chain is halted. */
void items_run(leat_worker *w, size_t n, uint64_t pos);

/*
 * items_ended is for a thread that a function has ended in the middle of a
 * batch: the item under way fails, the chain is halted, and the batch goes the
 * way that is left to it. flush_ended is the same for the row's flush.
 */
void items_ended(leat_worker *w);
void flush_ended(leat_worker *w);

/* items_source calls the source up to n times and returns how often. *more is
 * false when it has ended, or must. */
size_t items_source(leat_worker *w, size_t n, bool *more);

/* item_direct is the queue that a source puts its items into as they are made;
 * NULL if there is none, or the stage is no source. */
leat_queue *item_direct(const struct stage *s);

/* item_attempt runs the function, or the source, once more. */
enum outcome item_attempt(
	leat_worker *w, void *in, uint64_t seq, uint32_t count);

/* item_cancel frees an item that was taken but not run. */
void item_cancel(leat_worker *w, void *in);

/* item_flush runs row.flush. */
void item_flush(leat_worker *w);

/* item_note_failure records a failure that is no item's, and whether it ends
 * the chain. */
void item_note_failure(leat_worker *w, int code, bool ends);

#endif
