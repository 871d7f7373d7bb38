/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Retries: a worker holds items that failed until they are due again, and goes
 * on with others meanwhile. In a keyed row the others of the same key wait
 * behind it; in an ordered row its place in the order is kept.
 */
#ifndef LEAT_RETRY_H
#define LEAT_RETRY_H

#include "stages/item.h"

/* retry_run runs a fresh item, and holds it if it fails. */
void retry_run(leat_worker *w, void *in, uint64_t seq);

/* retry_in_place repeats an item that has failed `count` times; the worker
 * waits meanwhile. */
enum outcome retry_in_place(
	leat_worker *w, void *in, uint64_t seq, uint32_t count);

/* held_due is when the next held item is due; LEAT_NEVER when none is held. */
uint64_t held_due(const leat_worker *w);

/* held_low is the lowest position held; UINT64_MAX when there is none. */
uint64_t held_low(const leat_worker *w);

/* held_retry repeats what is due by now. */
void held_retry(leat_worker *w);

/* held_ended: the held item that was under way is settled. */
void held_ended(leat_worker *w);

/* held_cancel frees all that is held. */
void held_cancel(leat_worker *w);

/* worker_rest sleeps until the deadline, or until the chain is halted; a
 * source's, until it is stopped. */
void worker_rest(leat_worker *w, uint64_t deadline);

#endif
