/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring: the bounded buffer in a queue. It never waits for the other side; who
 * loses a claim to another thread tries again a little later.
 *
 * Positions count items from 0 and do not wrap. Position p lives in slot
 * p & mask. n slots are claimed at once, filled or emptied, and published
 * together.
 *
 * A side with a single thread publishes by moving its own index, when it is
 * done. On a side that is shared, one compare-and-swap of the index claims, and
 * turns publish: each slot has one, free for p when turn == 2 * (p >> shift),
 * filled by several producers when one more, emptied by several consumers when
 * two more; zeroed memory is a valid start. (After D. Vyukov's bounded MPMC
 * queue, with his p and p + 1 replaced, which overwrite at capacity 1; and
 * after L. Lamport's queue of one producer and one consumer.)
 *
 * A side remembers, beside its index, up to where the other side had come when
 * it last looked, and looks again when that does not suffice. What was free
 * then is free until the tail has passed it, and what was full is full until
 * the head has. So a claim touches its own line, as a rule, and no other. (J.
 * Giacomoni has it for one thread on each side.)
 *
 * Turns are bytes, apart from the items: so 64 items are 8 cache lines and one
 * of turns, of which consumers write only that one. A byte is enough: who
 * looks at slots from the present tail on, fewer than the capacity allows,
 * finds them full for the lap before, or free; from the present head on, free,
 * or full for this lap or the one before. Whose position is not the present one
 * may be deceived, but its claim fails, and it looks again before it says that
 * there is nothing.
 *
 * Capacity is exact: the slots are a power of two, and a producer also keeps
 * p - head < capacity.
 *
 * Threads that claim in vain take the index from those who claim: so who has
 * lost a claim waits. Who does nothing but push, or pop, comes again at once;
 * it rather has a few dozen turns in a row, and fetches the places of the next
 * ones ahead. Workers come again after a batch, and wait for a claim with all
 * that it moves: they wait for less.
 */
#ifndef LEAT_RING_H
#define LEAT_RING_H

#include <stddef.h>
#include "queues/atomic.h"

enum ring_sides {
	RING_SP = 1, /* a single producer, which alone calls ring_end */
	RING_SC = 2, /* a single consumer */
	RING_SPSC = RING_SP | RING_SC
};

/* Bit 63 of the tail: the input has ended. Nothing is claimed afterwards. */
#define RING_END  (UINT64_C(1) << 63)
#define RING_OVER SIZE_MAX /* returned by ring_push after the end */

struct ring {
	/* Read-only once made. */
	void **item;   /* each belongs to who claimed the position */
	uint8_t *turn; /* of sides that are shared; release and acquire */
	uint64_t mask;
	uint64_t capacity;
	uint32_t shift;
	uint32_t sides; /* enum ring_sides */
	bool workers;	/* its threads are workers; set before its use */
	/* Producers: the next position to claim; with RING_END. */
	_Alignas(LINE) uint64_t tail;
	uint64_t free_to; /* from the tail up to here places are free */
	uint64_t calm_in; /* the queue's, see park_look; likewise calm_out */
	/* Consumers: the next position to take. */
	_Alignas(LINE) uint64_t head;
	uint64_t full_to; /* from the head up to here they are full */
	uint64_t high;	  /* most items seen, sampled by consumers */
	uint64_t calm_out;
};

/* ring_init returns 0 or -ENOMEM. capacity is at least 1. */
int ring_init(struct ring *r, uint64_t capacity, unsigned sides);
void ring_fini(struct ring *r);

/*
 * ring_push puts up to n items, in order, and returns how many: 0 when it is
 * full, RING_OVER after the end.
 */
size_t ring_push(struct ring *r, void *const *items, size_t n);

/*
 * ring_pop takes up to n items at positions below `limit` and returns how
 * many; *pos is the first one's position.
 */
size_t ring_pop(
	struct ring *r, void **items, size_t n, uint64_t limit, uint64_t *pos);

/* ring_readable: a pop with this limit would find an item. */
bool ring_readable(const struct ring *r, uint64_t limit);

/* ring_writable: a push would find room, or the end. */
bool ring_writable(struct ring *r);

void ring_end(struct ring *r);

/* ring_free is the turn of a position's slot that is free for it. */
static inline uint8_t ring_free(const struct ring *r, uint64_t pos)
{
	return (uint8_t)((pos >> r->shift) * 2);
}

/*
 * ring_room is how many of n items a single producer may put with ring_put, one
 * at a time, from the tail on; there may be more room where the ring begins
 * anew. Each is there for consumers at once. ring_place is where the first one
 * goes; the others follow.
 */
size_t ring_room(struct ring *r, size_t n);

/* ring_room_from is ring_room from a position that the tail is yet to reach. */
size_t ring_room_from(struct ring *r, uint64_t pos, size_t n);

static inline void **ring_place(const struct ring *r, uint64_t pos)
{
	return r->item + (pos & r->mask);
}

/* ring_put makes `tail` the position after the item's. */
static inline void ring_put(
	struct ring *r, void **place, uint64_t tail, void *item)
{
	*place = item;
	store_release(&r->tail, tail);
}

static inline uint64_t ring_tail(const struct ring *r)
{
	return load_acquire(&r->tail) & ~RING_END;
}

/*
 * ring_drained: the input has ended and every item is taken. The tail is read
 * first: once ended it stands still.
 */
/* model: queue.pml RING_DRAINED */
static inline bool ring_drained(const struct ring *r)
{
	uint64_t tail = load_acquire(&r->tail);

	return (tail & RING_END) &&
	       load_acquire(&r->head) == (tail & ~RING_END);
}

#endif
