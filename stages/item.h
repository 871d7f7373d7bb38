/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An item in a worker: its attempts, what becomes of it, and handing on what
 * was made of it.
 */
#ifndef LEAT_ITEM_H
#define LEAT_ITEM_H

#include "stages/chain.h"

/* item_run runs the function on a fresh item, and retries it or holds it. */
void item_run(leat_worker *w, void *in, uint64_t seq);

/* item_source calls the source once. It returns false when it has ended. */
bool item_source(leat_worker *w);

/* item_flush runs row.flush. */
void item_flush(leat_worker *w);

/* item_cancel frees an item that was taken but not run. */
void item_cancel(leat_worker *w, void *in);

/* outputs_give hands on the outputs so far; in an ordered row, those of the
 * run that ends before position `end`. */
void outputs_give(leat_worker *w, uint64_t end);

/* held_due is when the next held item is due: 0 when it is, LEAT_NEVER when
 * none is held. */
uint64_t held_due(const leat_worker *w);

/* held_low is the lowest position held. */
uint64_t held_low(const leat_worker *w);

/* held_retry tries again what is due by now. */
void held_retry(leat_worker *w);

/* held_cancel frees all that is held. */
void held_cancel(leat_worker *w);

/* worker_rest sleeps until the deadline, or until the chain is halted. */
void worker_rest(leat_worker *w, uint64_t deadline);

#endif
