/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue: bounded, first in first out, any number of producers and
 * consumers, blocking. An item is a pointer; NULL is an item like any other.
 *
 *	leat_queue *q;
 *	leat_queue_opts opts = { .capacity = 100 };
 *	rc = leat_queue_open(&q, &opts);
 *
 *	// producers			// consumers
 *	leat_queue_push(q, item);	while (leat_queue_pop(q, &item) == 0)
 *	leat_queue_end(q);			use(item);
 *
 *	leat_queue_close(q);
 *
 * Ownership: a push that returns 0 gives the item to the queue; a push that
 * fails leaves it with the caller. A pop that returns 0 gives it to the
 * caller. Items still in the queue when it is closed go to opts.free_item.
 *
 * Order: items leave in the order in which their pushes claimed a place; the
 * items of one producer, and those of one leat_queue_pushn, never overtake
 * each other.
 *
 * Waiting: a blocking call spins for a fraction of a microsecond, yields the
 * processor for up to 20 microseconds (one caller at a time; the others yield
 * twice), then sleeps in the kernel. A sleeping caller uses no processor time.
 * Where other processes keep the processors busy it sleeps without a yield.
 *
 * Threads: every function but open and close may be called from any thread at
 * any time, within the bounds that opts.producers and opts.consumers state.
 *
 * The ring follows D. Vyukov's bounded MPMC queue (a turn number for every
 * slot), with one compare-and-swap for any number of items.
 */
#ifndef LEAT_QUEUE_H
#define LEAT_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <leat/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The end of input: returned by pops of queues and pulls of chains. */
#define LEAT_END 4

/* The largest capacity of a queue. */
#define LEAT_QUEUE_MAX (UINT64_C(1) << 30)

typedef struct leat_queue leat_queue;

typedef struct leat_queue_opts {
	uint64_t capacity; /* items it holds, exactly: 1 to LEAT_QUEUE_MAX */
	/*
	 * Producers: 0, any number of threads push, and the first call of
	 * leat_queue_end ends the input. n >= 1: n producers push, each calls
	 * leat_queue_end exactly once, and the n-th call ends the input. 1
	 * promises that pushes and end never run at the same time as each
	 * other, which makes them faster.
	 */
	uint32_t producers;
	/*
	 * Consumers: 1 promises that no two pops run at the same time, which
	 * makes them faster. Any other value: any number of threads pop.
	 */
	uint32_t consumers;
	void (*free_item)(
		void *item); /* gets what is left at close, but NULL */
} leat_queue_opts;

/* What a queue has seen. Each figure is exact when no call is running. */
typedef struct leat_queue_counts {
	uint64_t pushed;     /* items taken in */
	uint64_t popped;     /* items given out */
	uint64_t depth;	     /* items in it now */
	uint64_t high_water; /* most items seen in it; sampled, never above
			      * the capacity, and exact once a push found it
			      * full */
	uint64_t capacity;
} leat_queue_counts;

/*
 * leat_queue_open makes a queue. It does not block. Returns 0; -EINVAL for a
 * NULL argument; LEAT_ESIZE for a capacity that is 0 or too large; -E2BIG
 * when opts comes from a newer header and uses what this library lacks;
 * -ENOMEM. On failure *q is NULL.
 */
LEAT_API int leat_queue_open_sized(
	leat_queue **q, const leat_queue_opts *opts, size_t size);

static inline int leat_queue_open(leat_queue **q, const leat_queue_opts *opts)
{
	return leat_queue_open_sized(q, opts, sizeof(*opts));
}

/*
 * leat_queue_push adds one item, and waits while the queue is full. Returns
 * 0; -EPIPE after the end; -ECANCELED after cancel. On failure the item stays
 * the caller's.
 */
LEAT_API int leat_queue_push(leat_queue *q, void *item);

/*
 * leat_queue_trypush is push without waiting: -EAGAIN when the queue is full.
 * It may say so while another thread is in the middle of popping the one item
 * that is in the way.
 */
LEAT_API int leat_queue_trypush(leat_queue *q, void *item);

/*
 * leat_queue_push_until is push that waits no longer than until `deadline`
 * (see leat_now): -ETIMEDOUT when it passes. A deadline in the past still
 * tries once.
 */
LEAT_API int leat_queue_push_until(
	leat_queue *q, void *item, uint64_t deadline);

/*
 * leat_queue_pushn adds n items in order, waiting as often as needed; n may
 * exceed the capacity. Other producers' items may come between them. Sets
 * *pushed (unless NULL) to how many went in; those not counted stay the
 * caller's. Returns as push does; 0 means all n.
 */
LEAT_API int leat_queue_pushn(
	leat_queue *q, void *const *items, size_t n, size_t *pushed);

/*
 * leat_queue_pop takes one item, and waits while the queue is empty. Returns
 * 0; LEAT_END once the input has ended and every item has been taken;
 * -ECANCELED after cancel. Every consumer sees the end, as often as it asks.
 */
LEAT_API int leat_queue_pop(leat_queue *q, void **item);

/*
 * leat_queue_trypop is pop without waiting: -EAGAIN when nothing is there. It
 * may say so while another thread is in the middle of pushing; never infer
 * the end from it.
 */
LEAT_API int leat_queue_trypop(leat_queue *q, void **item);

/* leat_queue_pop_until is pop with a deadline: -ETIMEDOUT when it passes. */
LEAT_API int leat_queue_pop_until(
	leat_queue *q, void **item, uint64_t deadline);

/*
 * leat_queue_popn takes what is there, at least one and at most max items,
 * and waits only while there is none. Sets *n to how many. Returns as pop
 * does; max = 0 returns 0 at once with *n = 0.
 */
LEAT_API int leat_queue_popn(
	leat_queue *q, void **items, size_t max, size_t *n);

/*
 * leat_queue_end says that this producer pushes no more (opts.producers says
 * how many must say so). The last one's call ends the input: from then on
 * pushes return -EPIPE, pops drain the queue and then return LEAT_END, and
 * every blocked caller is woken. Each call counts, so until then a producer
 * calls it exactly once; once the input has ended, calling it again is
 * harmless. It does not block.
 */
LEAT_API void leat_queue_end(leat_queue *q);

/*
 * leat_queue_cancel makes every call return -ECANCELED from now on and wakes
 * every blocked caller. Items inside stay until close. Harmless when
 * repeated; it does not block.
 */
LEAT_API void leat_queue_cancel(leat_queue *q);

/*
 * leat_queue_stats fills in the counts. It does not block; figures of a queue
 * in use are a recent view of each, not a snapshot of all.
 */
LEAT_API void leat_queue_stats_sized(
	leat_queue *q, leat_queue_counts *counts, size_t size);

static inline void leat_queue_stats(leat_queue *q, leat_queue_counts *counts)
{
	leat_queue_stats_sized(q, counts, sizeof(*counts));
}

/*
 * leat_queue_close frees the queue; what is left in it goes to
 * opts.free_item, on the calling thread. No other thread may be in a call on
 * the queue, or make one. NULL is fine.
 */
LEAT_API void leat_queue_close(leat_queue *q);

#ifdef __cplusplus
}
#endif

#endif
