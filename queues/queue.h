/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue: a ring, two parks, an end and a cancel. What the public functions
 * of <leat/queue.h> do not show, and the stages need, is here: the position of
 * what was taken, time asleep, and waiting apart from taking.
 */
#ifndef LEAT_QUEUE_INTERNAL_H
#define LEAT_QUEUE_INTERNAL_H

#include <leat/queue.h>
#include "queues/order.h"
#include "queues/park.h"
#include "queues/ring.h"
#include "queues/wait.h"

struct leat_queue {
	struct ring ring;
	/* Written once, or when somebody ends or cancels. */
	_Alignas(LINE) uint64_t cancelled;
	uint64_t ends; /* calls of end still to come */
	void (*free_item)(void *);
	struct order *order; /* pops take its credit, unless NULL */
	/* Consumers asleep: for items, or for credit. */
	_Alignas(LINE) struct park not_empty;
	/*
	 * Producers asleep. They are woken once the head has reached wake_at,
	 * when a quarter of the capacity is free, or more. It comes from a tail
	 * at which the queue was full, so the head reaches it before the queue
	 * can go quiet; when producers overwrite each other's, the same holds
	 * for whichever is left.
	 */
	_Alignas(LINE) struct park not_full;
	uint64_t wake_at;
	/* Those that have slept for long: consumers seem to be slow, or to
	 * have stopped, and any place will do. */
	uint64_t pressed;
	/* Consumers and producers that yield for a while. */
	_Alignas(LINE) uint64_t patient_out;
	uint64_t patient_in;
};

/* queue_deadline is a caller's deadline for a wait: 0, which is long past, must
 * not mean "do not wait". */
static inline uint64_t queue_deadline(uint64_t deadline)
{
	return deadline == 0 ? 1 : deadline;
}

/*
 * queue_put pushes n items, waiting as `w` says, and sets *pushed. Returns 0,
 * -EPIPE, -ECANCELED, -ETIMEDOUT, or -EAGAIN when it may not wait.
 */
int queue_put(leat_queue *q, void *const *items, size_t n, size_t *pushed,
	struct wait *w);

/*
 * queue_put_quietly pushes at most n items that fit at once, and wakes nobody:
 * the caller is going to take them itself. Returns how many.
 */
size_t queue_put_quietly(leat_queue *q, void *const *items, size_t n);

/*
 * queue_take takes 1 to max items without waiting; *n is 0 on failure. Returns
 * 0, LEAT_END, -ECANCELED or -EAGAIN.
 */
int queue_take(
	leat_queue *q, void **items, size_t max, size_t *n, uint64_t *pos);

/* queue_pop takes 1 to max items and waits until the deadline; 0: not at all.
 */
int queue_pop(
	leat_queue *q, void **items, size_t max, size_t *n, uint64_t deadline);

/*
 * queue_chain wakes a consumer if there is something to take. Who has waited
 * for items calls it once it has taken, or if it does not take, so that a wake
 * is passed on; so does who has pushed with queue_put_quietly.
 */
void queue_chain(leat_queue *q);

/* queue_await_room waits until there is room, or a wake comes; then it returns
 * 0. -ETIMEDOUT at the deadline. queue_await_plenty sleeps at once, until half
 * of it is free. queue_chain_room is queue_chain for who pushes. */
int queue_await_room(leat_queue *q, struct wait *w);
int queue_await_plenty(leat_queue *q, struct wait *w);
void queue_chain_room(leat_queue *q);

/* queue_mute is the producer's: who sleeps in not_full for something else than
 * room is not woken for room, until the producer waits for room itself. */
void queue_mute(leat_queue *q);

/* queue_ready_to_take: a take would say something else than -EAGAIN. The
 * argument is a leat_queue. */
bool queue_ready_to_take(void *q);

/* queue_over: nothing more goes in. The argument is a leat_queue. */
bool queue_over(void *q);

/* queue_pushed: how many items ever went in. */
static inline uint64_t queue_pushed(const leat_queue *q)
{
	return ring_tail(&q->ring);
}

/* queue_popped: how many were ever taken. */
static inline uint64_t queue_popped(const leat_queue *q)
{
	return load_acquire(&q->ring.head);
}

/* queue_depth: how many are inside. The head first, which others may move
 * beyond a tail that was looked at before. */
static inline uint64_t queue_depth(const leat_queue *q)
{
	uint64_t popped = queue_popped(q);

	return queue_pushed(q) - popped;
}

#endif
