/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include "queues/lines.h"
#include "queues/queue.h"
#include "queues/sized.h"

/* How long a producer sleeps before any place will do. */
#define TICK (10 * LEAT_MS)

/* A consumer may take positions below the limit: the order's credit. */
static uint64_t limit(const leat_queue *q)
{
	return unlikely(q->order != NULL) ? order_limit(q->order) : UINT64_MAX;
}

bool queue_ready_to_take(void *queue)
{
	leat_queue *q = queue;

	return load_relaxed(&q->cancelled) ||
	       ring_readable(&q->ring, limit(q)) || ring_drained(&q->ring);
}

bool queue_over(void *queue)
{
	leat_queue *q = queue;

	return load_relaxed(&q->cancelled) ||
	       load_acquire(&q->ring.tail) & RING_END;
}

static bool ready_to_put(void *queue)
{
	leat_queue *q = queue;

	return load_relaxed(&q->cancelled) || ring_writable(&q->ring);
}

/* The head at which a queue that is full now has so many places free. */
/* model: queue.pml no_room */
static void set_wake_at(leat_queue *q, uint64_t places)
{
	store_relaxed(
		&q->wake_at, ring_tail(&q->ring) - q->ring.capacity + places);
}

static int await_items(leat_queue *q, struct wait *w)
{
	if (wait_awake(w, &q->patient_out, queue_ready_to_take, q))
		return 0;
	return wait_asleep(w, &q->not_empty, queue_ready_to_take, q);
}

int queue_await_room(leat_queue *q, struct wait *w)
{
	uint64_t deadline = w->deadline;
	uint64_t tick;
	int rc;

	if (wait_awake(w, &q->patient_in, ready_to_put, q))
		return 0;
	tick = leat_after(TICK);
	set_wake_at(q, q->ring.capacity / 4);
	w->deadline = tick < deadline ? tick : deadline;
	rc = wait_asleep(w, &q->not_full, ready_to_put, q);
	w->deadline = deadline;
	if (rc != -ETIMEDOUT || tick >= deadline)
		return rc;
	fetch_add(&q->pressed, 1);
	rc = wait_asleep(w, &q->not_full, ready_to_put, q);
	fetch_add(&q->pressed, UINT64_MAX);
	return rc;
}

int queue_await_plenty(leat_queue *q, struct wait *w)
{
	set_wake_at(q, q->ring.capacity / 2);
	return wait_asleep(w, &q->not_full, ready_to_put, q);
}

void queue_mute(leat_queue *q)
{
	store_relaxed(&q->wake_at, UINT64_MAX);
}

/* wake_consumers wakes one if there is something to take, all if there will be
 * nothing any more. */
/* model: queue.pml chain */
static void wake_consumers(leat_queue *q)
{
	if (ring_readable(&q->ring, limit(q)))
		park_post(&q->not_empty);
	else if (load_relaxed(&q->cancelled) || ring_drained(&q->ring))
		park_post_all(&q->not_empty);
}

void queue_chain(leat_queue *q)
{
	fence_full();
	if (park_busy(&q->not_empty))
		wake_consumers(q);
}

/* pushed_some looks for sleepers once the items are published: one look for all
 * of them. */
/* model: queue.pml published */
static void pushed_some(leat_queue *q)
{
	perturb();
	if (likely(park_quiet(&q->not_empty)))
		return;
	if (park_look(&q->not_empty, &q->ring.calm_in))
		park_post(&q->not_empty);
}

/* is_worth_a_wake: to a producer that sleeps. */
static bool is_worth_a_wake(const leat_queue *q)
{
	return load_acquire(&q->ring.head) >= load_relaxed(&q->wake_at) ||
	       load_relaxed(&q->pressed) > 0;
}

/*
 * popped_some: the head may reach the end under a consumer that has seen an
 * item it did not get: hence the look at the consumers too.
 */
/* model: queue.pml release */
static void popped_some(leat_queue *q)
{
	perturb();
	if (likely(park_quiet(&q->not_full) && park_quiet(&q->not_empty)))
		return;
	if (park_look(&q->not_full, &q->ring.calm_out) && is_worth_a_wake(q))
		park_post(&q->not_full);
	if (park_busy(&q->not_empty) && ring_drained(&q->ring))
		park_post_all(&q->not_empty);
}

/* over is what a call says that has found the end; but if a cancel came before
 * that, after the call had looked for one, it was cancelled. */
static int over(leat_queue *q, int rc)
{
	fence_full();
	return load_relaxed(&q->cancelled) ? -ECANCELED : rc;
}

/* note_full: consumers sample how many there are, but this they may miss. */
static void note_full(leat_queue *q)
{
	uint64_t capacity = q->ring.capacity;

	if (load_relaxed(&q->ring.high) < capacity)
		store_relaxed(&q->ring.high, capacity);
}

/* put_some pushes what fits at once. */
static int put_some(leat_queue *q, void *const *items, size_t n, size_t *done)
{
	size_t k;

	if (unlikely(load_relaxed(&q->cancelled)))
		return -ECANCELED;
	k = ring_push(&q->ring, items, n);
	if (k == RING_OVER)
		return over(q, -EPIPE);
	if (k == 0) {
		note_full(q);
		return -EAGAIN;
	}
	pushed_some(q);
	*done += k;
	return 0;
}

void queue_chain_room(leat_queue *q)
{
	fence_full();
	if (park_busy(&q->not_full) && ring_writable(&q->ring))
		park_post(&q->not_full);
}

int queue_put(leat_queue *q, void *const *items, size_t n, size_t *pushed,
	struct wait *w)
{
	bool waited = false;
	size_t done = 0;
	int rc = 0;

	while (done < n && rc == 0) {
		rc = put_some(q, items + done, n - done, &done);
		if (rc == -EAGAIN && w->deadline != 0) {
			rc = queue_await_room(q, w);
			waited = true;
		}
	}
	if (waited)
		queue_chain_room(q);
	*pushed = done;
	return rc;
}

size_t queue_put_quietly(leat_queue *q, void *const *items, size_t n)
{
	size_t k;

	if (unlikely(load_relaxed(&q->cancelled)))
		return 0;
	k = ring_push(&q->ring, items, n);
	return k == RING_OVER ? 0 : k;
}

int queue_take(
	leat_queue *q, void **items, size_t max, size_t *n, uint64_t *pos)
{
	*n = 0;
	if (unlikely(load_relaxed(&q->cancelled)))
		return -ECANCELED;
	*n = ring_pop(&q->ring, items, max, limit(q), pos);
	if (likely(*n > 0)) {
		popped_some(q);
		return 0;
	}
	return ring_drained(&q->ring) ? over(q, LEAT_END) : -EAGAIN;
}

/* pop_late is for who has found nothing. */
static NO_INLINE int pop_late(
	leat_queue *q, void **items, size_t max, size_t *n, uint64_t deadline)
{
	struct wait w = {.deadline = deadline};
	uint64_t pos;
	int rc;

	do {
		rc = await_items(q, &w);
		if (rc < 0)
			return rc;
		rc = queue_take(q, items, max, n, &pos);
	} while (rc == -EAGAIN);
	if (rc == 0)
		queue_chain(q);
	return rc;
}

int queue_pop(
	leat_queue *q, void **items, size_t max, size_t *n, uint64_t deadline)
{
	uint64_t pos;
	int rc = queue_take(q, items, max, n, &pos);

	return likely(rc != -EAGAIN) || deadline == 0
		       ? rc
		       : pop_late(q, items, max, n, deadline);
}

static NO_INLINE int push_late(leat_queue *q, void *item, uint64_t deadline)
{
	struct wait w = {.deadline = deadline};
	size_t pushed;

	return queue_put(q, &item, 1, &pushed, &w);
}

static int push(leat_queue *q, void *item, uint64_t deadline)
{
	size_t pushed = 0;
	int rc = put_some(q, &item, 1, &pushed);

	return likely(rc != -EAGAIN) || deadline == 0
		       ? rc
		       : push_late(q, item, deadline);
}

int leat_queue_push(leat_queue *q, void *item)
{
	return push(q, item, LEAT_NEVER);
}

int leat_queue_trypush(leat_queue *q, void *item)
{
	return push(q, item, 0);
}

int leat_queue_push_until(leat_queue *q, void *item, uint64_t deadline)
{
	return push(q, item, queue_deadline(deadline));
}

int leat_queue_pushn(
	leat_queue *q, void *const *items, size_t n, size_t *pushed)
{
	struct wait w = {.deadline = LEAT_NEVER};
	size_t done;

	return queue_put(q, items, n, pushed ? pushed : &done, &w);
}

int leat_queue_pop(leat_queue *q, void **item)
{
	size_t n;

	return queue_pop(q, item, 1, &n, LEAT_NEVER);
}

int leat_queue_trypop(leat_queue *q, void **item)
{
	size_t n;

	return queue_pop(q, item, 1, &n, 0);
}

int leat_queue_pop_until(leat_queue *q, void **item, uint64_t deadline)
{
	size_t n;

	return queue_pop(q, item, 1, &n, queue_deadline(deadline));
}

int leat_queue_popn(leat_queue *q, void **items, size_t max, size_t *n)
{
	*n = 0;
	return max == 0 ? 0 : queue_pop(q, items, max, n, LEAT_NEVER);
}

/*
 * end_again: the last call of end may still be on its way, but this one, too,
 * promises that pushes are refused from now on. A single producer has no
 * other beside it.
 */
static void end_again(leat_queue *q)
{
	if (!(q->ring.sides & RING_SP))
		ring_end(&q->ring);
}

/* model: queue.pml end_input */
void leat_queue_end(leat_queue *q)
{
	uint64_t left = load_relaxed(&q->ends);

	do {
		if (left == 0) {
			end_again(q);
			return;
		}
	} while (!cas(&q->ends, &left, left - 1));
	if (left > 1)
		return;
	ring_end(&q->ring);
	park_signal_all(&q->not_empty);
	park_post_all(&q->not_full);
}

/* model: queue.pml other */
void leat_queue_cancel(leat_queue *q)
{
	store_release(&q->cancelled, 1);
	park_signal_all(&q->not_empty);
	park_post_all(&q->not_full);
}

void leat_queue_stats_sized(
	leat_queue *q, leat_queue_counts *counts, size_t size)
{
	leat_queue_counts c = {.capacity = q->ring.capacity};

	/* In this order, so that no more is popped than pushed. */
	c.popped = queue_popped(q);
	c.pushed = queue_pushed(q);
	c.high_water = load_relaxed(&q->ring.high);
	c.depth = c.pushed - c.popped;
	if (c.depth > c.capacity)
		c.depth = c.capacity;
	if (c.high_water < c.depth)
		c.high_water = c.depth;
	sized_give(counts, size, &c, sizeof(c));
}

int leat_queue_open_sized(
	leat_queue **q, const leat_queue_opts *opts, size_t size)
{
	leat_queue_opts o;
	unsigned sides;
	int rc;

	if (q == NULL)
		return -EINVAL;
	*q = NULL;
	if (opts == NULL)
		return -EINVAL;
	rc = sized_take(&o, sizeof(o), opts, size);
	if (rc < 0)
		return rc;
	if (o.capacity == 0 || o.capacity > LEAT_QUEUE_MAX)
		return LEAT_ESIZE;
	*q = calloc_lines(1, sizeof(**q));
	if (*q == NULL)
		return -ENOMEM;
	(*q)->ends = o.producers > 1 ? o.producers : 1;
	(*q)->free_item = o.free_item;
	park_open();
	wait_open();
	sides = (o.producers == 1 ? RING_SP : 0) |
		(o.consumers == 1 ? RING_SC : 0);
	rc = ring_init(&(*q)->ring, o.capacity, sides);
	if (rc < 0) {
		free(*q);
		*q = NULL;
	}
	return rc;
}

void leat_queue_close(leat_queue *q)
{
	uint64_t pos;
	void *item;

	if (q == NULL)
		return;
	while (ring_pop(&q->ring, &item, 1, UINT64_MAX, &pos) > 0)
		if (item != NULL && q->free_item != NULL)
			q->free_item(item);
	ring_fini(&q->ring);
	free(q);
}
