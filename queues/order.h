/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An order: the reorder window of a row that hands on in the order in which it
 * took. Positions are those of the row's input queue.
 *
 * A worker finishes a run: n positions in a row, and the m items made of them
 * (dropped and failed items make none, others may make many). If the run is
 * next it is handed on at once; otherwise it is laid down in the window, and
 * the worker goes on. Whoever holds the lock hands on what has become next.
 * Laying down and then failing to get the lock is safe: the holder looks again
 * after letting go.
 *
 * Bounded: consumers take only positions below order_limit, that is their
 * credit, so a run laid down always has a place. The worker of the lowest
 * position never waits for credit, so there is always progress.
 */
#ifndef LEAT_ORDER_H
#define LEAT_ORDER_H

#include <stddef.h>
#include "queues/park.h"

/* order_sink hands on m items, or frees them; it may block. */
typedef void order_sink(void *ctx, void *const *items, size_t m);

struct order {
	/* Read-only once made. */
	uint64_t size; /* positions in the window, a power of two */
	uint64_t *run; /* at a run's first position: what it is, 0 if none */
	void **item;   /* from there on: what it made */
	struct park *credit; /* consumers that wait for credit sleep here */
	uint64_t cancelled;
	/* Whoever holds the lock writes these. */
	_Alignas(LINE) uint64_t next; /* the next position to hand on */
	uint64_t lock;
	/* Workers that wait until their position is next. */
	_Alignas(LINE) struct bell turn;
};

/* order_init returns 0 or -ENOMEM. */
int order_init(struct order *o, uint64_t size, struct park *credit);

/*
 * order_fini frees the order; items still laid down, which there are only
 * after a cancel, go to the sink.
 */
void order_fini(struct order *o, order_sink *sink, void *ctx);

/* order_limit is the first position that may not be taken yet. */
static inline uint64_t order_limit(const struct order *o)
{
	return load_acquire(&o->next) + o->size;
}

/* order_reached: everything below pos has been handed on. */
static inline bool order_reached(const struct order *o, uint64_t pos)
{
	return load_acquire(&o->next) >= pos;
}

/*
 * order_give finishes the run of n >= 1 positions from pos on, which made m
 * items. It blocks while the sink does. Returns 0; or -ENOMEM, with nothing
 * done, when more than n items cannot be laid down: then order_enter.
 */
int order_give(struct order *o, uint64_t pos, uint64_t n, void *const *items,
	size_t m, order_sink *sink, void *ctx);

/*
 * order_enter waits until pos is next and keeps the lock, so that the caller
 * may hand on as it likes; order_leave then finishes the run of n positions.
 * Returns 0; -ECANCELED, without the lock, after order_cancel; what its caller
 * did before, such as cancelling the sink, is then seen.
 */
int order_enter(struct order *o, uint64_t pos);
void order_leave(
	struct order *o, uint64_t pos, uint64_t n, order_sink *sink, void *ctx);

/* order_cancel wakes everybody who waits in order_enter. */
void order_cancel(struct order *o);

#endif
