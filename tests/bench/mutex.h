/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue that everyone writes: a ring under a mutex, with two condition
 * variables. With PATIENT it yields before it sleeps, and signals only when
 * somebody sleeps.
 */
#ifndef MUTEX_H
#define MUTEX_H

#include <pthread.h>
#include <sched.h>

#include "bench.h"

#ifndef PATIENT
#define PATIENT 0
#endif

#define YIELDS 2

struct gate {
	pthread_cond_t cond;
	unsigned asleep;
};

struct queue {
	pthread_mutex_t lock;
	struct gate items, room;
	uint64_t slot[QUEUE_ITEMS];
	uint64_t in, out;
	unsigned producers;
};

HELPER void queue_init(struct queue *q, unsigned producers)
{
	memset(q, 0, sizeof(*q));
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->items.cond, NULL);
	pthread_cond_init(&q->room.cond, NULL);
	q->producers = producers;
}

/* gate_wait waits once; the caller looks again. */
HELPER void gate_wait(struct queue *q, struct gate *g, unsigned *yields)
{
	if (PATIENT && (*yields)++ < YIELDS) {
		pthread_mutex_unlock(&q->lock);
		sched_yield();
		pthread_mutex_lock(&q->lock);
		return;
	}
	g->asleep++;
	pthread_cond_wait(&g->cond, &q->lock);
	g->asleep--;
}

HELPER void gate_open(struct queue *q, struct gate *g)
{
	int wake = !PATIENT || g->asleep;

	pthread_mutex_unlock(&q->lock);
	if (wake)
		pthread_cond_signal(&g->cond);
}

/* copy_in and copy_out move what fits without a wrap. */
HELPER unsigned least(uint64_t a, uint64_t b, uint64_t c)
{
	a = a < b ? a : b;
	return (unsigned)(a < c ? a : c);
}

HELPER unsigned copy_in(struct queue *q, const uint64_t *x, unsigned n)
{
	uint64_t at = q->in % QUEUE_ITEMS;

	n = least(n, QUEUE_ITEMS - (q->in - q->out), QUEUE_ITEMS - at);
	memcpy(q->slot + at, x, n * sizeof(*x));
	q->in += n;
	return n;
}

HELPER unsigned copy_out(struct queue *q, uint64_t *x, unsigned n)
{
	uint64_t at = q->out % QUEUE_ITEMS;

	n = least(n, q->in - q->out, QUEUE_ITEMS - at);
	memcpy(x, q->slot + at, n * sizeof(*x));
	q->out += n;
	return n;
}

HELPER void queue_push(struct queue *q, const uint64_t *x, unsigned n)
{
	unsigned k;

	for (; n; n -= k, x += k) {
		unsigned yields = 0;

		pthread_mutex_lock(&q->lock);
		while (q->in - q->out == QUEUE_ITEMS)
			gate_wait(q, &q->room, &yields);
		k = copy_in(q, x, n);
		gate_open(q, &q->items);
	}
}

/* queue_pop takes up to max items; 0 is the end. */
HELPER unsigned queue_pop(struct queue *q, uint64_t *x, unsigned max)
{
	unsigned n, yields = 0;

	pthread_mutex_lock(&q->lock);
	while (q->in == q->out && q->producers)
		gate_wait(q, &q->items, &yields);
	n = copy_out(q, x, max);
	gate_open(q, &q->room);
	return n;
}

HELPER void queue_end(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	if (--q->producers == 0)
		pthread_cond_broadcast(&q->items.cond);
	pthread_mutex_unlock(&q->lock);
}

#endif
