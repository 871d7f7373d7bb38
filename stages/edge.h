/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An edge: what joins two stages. It has one queue, or, in front of a keyed
 * row, one for each of its workers, or none. Stages learn of their input and
 * output only through it.
 */
#ifndef LEAT_EDGE_H
#define LEAT_EDGE_H

#include "queues/queue.h"

struct edge {
	leat_queue **queue;
	uint32_t n;
	uint64_t (*key)(const void *item, void *arg);
	void *key_arg;
	void (*free_item)(void *item); /* frees the items in it */
};

struct edge_opts {
	uint32_t queues;    /* how many */
	uint64_t capacity;  /* of each */
	uint32_t producers; /* 1: a single one; else several */
	uint32_t consumers; /* 1: a single one for each queue; else several */
};

/* edge_open makes the queues; 0 or -ENOMEM. */
int edge_open(struct edge *e, const struct edge_opts *opts);
void edge_close(struct edge *e); /* frees what is left inside */

void edge_end(struct edge *e);
void edge_cancel(struct edge *e);

/* edge_free frees one item as this edge's items are freed. */
static inline void edge_free(const struct edge *e, void *item)
{
	if (e->free_item != NULL && item != NULL)
		e->free_item(item);
}

/* edge_queue is the queue that an item belongs to. */
leat_queue *edge_queue(const struct edge *e, const void *item);

/*
 * edge_give hands on all n items, in order (with keys, each key's in order),
 * and waits as needed. What a cancelled queue refuses is freed. Returns how
 * many were handed on.
 */
size_t edge_give(struct edge *e, void *const *items, size_t n, struct wait *w);

/*
 * edge_give_quietly is edge_give for a caller who is going to run the next
 * stage itself: as long as there is room nobody is woken.
 */
size_t edge_give_quietly(
	struct edge *e, void *const *items, size_t n, struct wait *w);

#endif
