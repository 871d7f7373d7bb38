/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include "stages/edge.h"

int edge_open(struct edge *e, const struct edge_opts *opts)
{
	leat_queue_opts qo = {
		.capacity = opts->capacity,
		.producers = opts->producers == 1,
		.consumers = opts->consumers == 1,
		.free_item = e->free_item,
	};

	e->queue = calloc(opts->queues, sizeof(leat_queue *));
	if (e->queue == NULL)
		return -ENOMEM;
	for (e->n = 0; e->n < opts->queues; e->n++) {
		int rc = leat_queue_open(&e->queue[e->n], &qo);

		if (rc < 0)
			return rc;
		e->queue[e->n]->ring.workers = true;
	}
	return 0;
}

void edge_close(struct edge *e)
{
	for (uint32_t i = 0; i < e->n; i++)
		leat_queue_close(e->queue[i]);
	free(e->queue);
}

void edge_end(struct edge *e)
{
	for (uint32_t i = 0; i < e->n; i++)
		leat_queue_end(e->queue[i]);
}

void edge_cancel(struct edge *e)
{
	for (uint32_t i = 0; i < e->n; i++)
		leat_queue_cancel(e->queue[i]);
}

/* Users' keys are often small integers or aligned addresses: mix them (the
 * finalizer of S. Vigna's splitmix64). */
static uint32_t partition(const struct edge *e, const void *item)
{
	uint64_t x = e->key(item, e->key_arg);

	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (uint32_t)((x ^ (x >> 31)) % e->n);
}

leat_queue *edge_queue(const struct edge *e, const void *item)
{
	return e->queue[e->n == 1 ? 0 : partition(e, item)];
}

static size_t put_all(struct edge *e, leat_queue *q, void *const *items,
	size_t n, struct wait *w)
{
	size_t pushed;

	w->deadline = LEAT_NEVER;
	queue_put(q, items, n, &pushed, w);
	for (size_t i = pushed; i < n; i++)
		edge_free(e, items[i]);
	return pushed;
}

#define PART 64 /* items partitioned at a time */

/* give_part splits a few items by partition: those of the first item's, in
 * order, go first, then those of the next one's that is left. */
static size_t give_part(
	struct edge *e, void *const *items, size_t n, struct wait *w)
{
	void *same[PART];
	uint32_t part[PART];
	size_t given = 0;

	for (size_t i = 0; i < n; i++)
		part[i] = partition(e, items[i]);
	for (size_t i = 0; i < n; i++) {
		uint32_t p = part[i];
		size_t k = 0;

		if (p == UINT32_MAX)
			continue;
		for (size_t j = i; j < n; j++) {
			if (part[j] == p) {
				same[k++] = items[j];
				part[j] = UINT32_MAX;
			}
		}
		given += put_all(e, e->queue[p], same, k, w);
	}
	return given;
}

size_t edge_give(struct edge *e, void *const *items, size_t n, struct wait *w)
{
	size_t given = 0;

	if (likely(e->n == 1))
		return put_all(e, e->queue[0], items, n, w);
	for (size_t i = 0; i < n; i += PART)
		given +=
			give_part(e, items + i, n - i < PART ? n - i : PART, w);
	return given;
}

size_t edge_give_quietly(
	struct edge *e, void *const *items, size_t n, struct wait *w)
{
	size_t given = queue_put_quietly(e->queue[0], items, n);

	if (unlikely(given < n)) {
		queue_chain(e->queue[0]);
		given += edge_give(e, items + given, n - given, w);
	}
	return given;
}
