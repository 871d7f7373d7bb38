/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "queues/ring.h"

/* How often consumers look at the depth: once in so many positions. */
#define SAMPLE 256

static uint32_t log2_up(uint64_t n)
{
	uint32_t shift = 0;

	while ((UINT64_C(1) << shift) < n)
		shift++;
	return shift;
}

int ring_init(struct ring *r, uint64_t capacity, unsigned sides)
{
	uint32_t shift = log2_up(capacity);
	size_t slots = (size_t)1 << shift;
	size_t turn = sides == RING_SPSC ? 0 : sizeof(*r->turn);
	void *memory = calloc(slots, sizeof(*r->item) + turn);

	if (memory == NULL)
		return -ENOMEM;
	*r = (struct ring){
		.item = memory,
		.turn = (uint8_t *)memory + slots * sizeof(*r->item),
		.mask = slots - 1,
		.capacity = capacity,
		.shift = shift,
		.sides = sides,
	};
	return 0;
}

void ring_fini(struct ring *r)
{
	free(r->item);
}

/* piece is how many of n places from pos on lie in one piece, one lap. */
static size_t piece(const struct ring *r, uint64_t pos, size_t n)
{
	uint64_t left = r->mask + 1 - (pos & r->mask);

	return n < left ? n : (size_t)left;
}

static void copy_in(struct ring *r, uint64_t pos, void *const *items, size_t n)
{
	size_t first = piece(r, pos, n);

	memcpy(r->item + (pos & r->mask), items, first * sizeof(*items));
	memcpy(r->item, items + first, (n - first) * sizeof(*items));
}

static void copy_out(const struct ring *r, uint64_t pos, void **items, size_t n)
{
	size_t first = piece(r, pos, n);

	memcpy(items, r->item + (pos & r->mask), first * sizeof(*items));
	memcpy(items + first, r->item, (n - first) * sizeof(*items));
}

/*
 * room is how many of n places from pos on the capacity allows. The cached
 * head is tried first, since the true one is on the consumers' line. Negative
 * when pos is stale: consumers are already beyond it.
 */
/* model: queue.pml claim */
static int64_t room(struct ring *r, uint64_t pos, size_t n)
{
	int64_t left =
		(int64_t)(r->capacity - pos + load_relaxed(&r->head_cache));

	if (left < (int64_t)n) {
		uint64_t head = load_acquire(&r->head);

		store_relaxed(&r->head_cache, head);
		left = (int64_t)(r->capacity - pos + head);
	}
	if (left > (int64_t)r->capacity)
		return -1;
	return left < (int64_t)n ? left : (int64_t)n;
}

/* run_of counts the slots from pos on, n at most, whose turn is `off` past
 * free. */
/* model: queue.pml claim */
static size_t run_of(const struct ring *r, uint64_t pos, size_t n, uint8_t off)
{
	uint8_t turn = (uint8_t)(ring_free(r, pos) + off);
	size_t first, k;

	if (n > r->mask + 1)
		n = r->mask + 1;
	first = piece(r, pos, n);
	k = equal_acquire_8(r->turn + (pos & r->mask), turn, first);
	if (unlikely(k == first && k < n))
		k += equal_acquire_8(r->turn, (uint8_t)(turn + 2), n - first);
	return k;
}

/* set_turns makes the turns of n slots from pos on `off` past free. */
static void set_turns(struct ring *r, uint64_t pos, size_t n, uint8_t off)
{
	uint8_t turn = (uint8_t)(ring_free(r, pos) + off);
	size_t first = piece(r, pos, n);

	fill_release_8(r->turn + (pos & r->mask), turn, first);
	if (unlikely(first < n))
		fill_release_8(r->turn, (uint8_t)(turn + 2), n - first);
}

/* claim moves *index from pos to pos + k. A single thread need not compare. */
/* model: queue.pml claim */
static bool claim(uint64_t *index, uint64_t pos, size_t k, bool single)
{
	if (single) {
		store_release(index, pos + k);
		return true;
	}
	return cas(index, &pos, pos + k);
}

/* model: queue.pml claim, publish */
static size_t push_shared(struct ring *r, void *const *items, size_t n)
{
	for (;;) {
		uint64_t pos = load_relaxed(&r->tail);
		int64_t k;

		if (pos & RING_END)
			return RING_OVER;
		k = room(r, pos, n);
		if (k > 0)
			k = (int64_t)run_of(r, pos, (size_t)k, 0);
		if (k > 0 &&
			claim(&r->tail, pos, (size_t)k, r->sides & RING_SP)) {
			perturb();
			copy_in(r, pos, items, (size_t)k);
			set_turns(r, pos, (size_t)k, 1);
			return (size_t)k;
		}
		if (k == 0 && load_relaxed(&r->tail) == pos)
			return 0;
	}
}

static void sample(struct ring *r, uint64_t pos, size_t k)
{
	uint64_t depth;

	if (likely(pos >= SAMPLE && !((pos ^ (pos + k)) & SAMPLE)))
		return;
	depth = ring_tail(r) - pos;
	if (depth > r->capacity)
		depth = r->capacity;
	if (depth > load_relaxed(&r->high))
		store_relaxed(&r->high, depth);
}

/* model: queue.pml claim, release */
static size_t pop_shared(
	struct ring *r, void **items, size_t n, uint64_t limit, uint64_t *at)
{
	for (;;) {
		uint64_t pos = load_relaxed(&r->head);
		size_t k;

		if (pos >= limit)
			return 0;
		k = run_of(r, pos, n < limit - pos ? n : limit - pos, 1);
		if (k > 0 && claim(&r->head, pos, k, r->sides & RING_SC)) {
			perturb();
			sample(r, pos, k);
			copy_out(r, pos, items, k);
			set_turns(r, pos, k, 2);
			*at = pos;
			return k;
		}
		if (k == 0 && load_relaxed(&r->head) == pos)
			return 0;
	}
}

/* The end comes from the producer itself, so its own tail is never stale. */
/* model: queue.pml claim, published */
static size_t push_single(struct ring *r, void *const *items, size_t n)
{
	uint64_t pos = load_relaxed(&r->tail);
	int64_t k;

	if (pos & RING_END)
		return RING_OVER;
	k = room(r, pos, n);
	if (k == 0)
		return 0;
	copy_in(r, pos, items, (size_t)k);
	perturb();
	store_release(&r->tail, pos + (uint64_t)k);
	return (size_t)k;
}

/* model: queue.pml claim, release */
static size_t pop_single(
	struct ring *r, void **items, size_t n, uint64_t limit, uint64_t *at)
{
	uint64_t pos = load_relaxed(&r->head);
	uint64_t there = r->tail_cache - pos;

	if (there < n) {
		r->tail_cache = ring_tail(r);
		there = r->tail_cache - pos;
		if (there > load_relaxed(&r->high))
			store_relaxed(&r->high, there);
	}
	if (pos >= limit)
		return 0;
	if (n > limit - pos)
		n = limit - pos;
	if (n > there)
		n = there;
	if (n == 0)
		return 0;
	copy_out(r, pos, items, n);
	perturb();
	store_release(&r->head, pos + n);
	*at = pos;
	return n;
}

size_t ring_room(struct ring *r, size_t n)
{
	uint64_t pos = load_relaxed(&r->tail);
	int64_t k;

	if (pos & RING_END)
		return 0;
	k = room(r, pos, n);
	if (k <= 0)
		return 0;
	if (r->sides == RING_SPSC)
		return (size_t)k;
	return run_of(r, pos, (size_t)k, 0);
}

size_t ring_push(struct ring *r, void *const *items, size_t n)
{
	return r->sides == RING_SPSC ? push_single(r, items, n)
				     : push_shared(r, items, n);
}

size_t ring_pop(
	struct ring *r, void **items, size_t n, uint64_t limit, uint64_t *pos)
{
	return r->sides == RING_SPSC ? pop_single(r, items, n, limit, pos)
				     : pop_shared(r, items, n, limit, pos);
}

/* model: queue.pml look_for_items */
bool ring_readable(const struct ring *r, uint64_t limit)
{
	uint64_t pos = load_acquire(&r->head);
	uint64_t before;

	if (r->sides == RING_SPSC)
		return pos < limit && ring_tail(r) != pos;
	do {
		if (pos >= limit)
			return false;
		if (run_of(r, pos, 1, 1) == 1)
			return true;
		before = pos;
		pos = load_acquire(&r->head);
	} while (pos != before);
	return false;
}

/* model: queue.pml look_for_room */
bool ring_writable(struct ring *r)
{
	uint64_t pos = load_acquire(&r->tail);
	uint64_t before;

	do {
		if (pos & RING_END)
			return true;
		if (pos - load_acquire(&r->head) >= r->capacity)
			return false;
		if (r->sides == RING_SPSC || run_of(r, pos, 1, 0) == 1)
			return true;
		before = pos;
		pos = load_acquire(&r->tail);
	} while (pos != before);
	return false;
}

/* model: queue.pml end_input */
void ring_end(struct ring *r)
{
	if (r->sides & RING_SP)
		store_release(&r->tail, load_relaxed(&r->tail) | RING_END);
	else
		fetch_or(&r->tail, RING_END);
}
