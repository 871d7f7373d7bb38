/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <leat/error.h>
#include "queues/ring.h"
#include "queues/wait.h"

/* How often consumers look at the depth: once in so many positions. */
#define SAMPLE 256

/* How many turns a look takes in: eight lines. */
#define LOOK 512

/* How far beyond its position a side fetches places, and at most how many at a
 * time: eight lines. */
#define AHEAD	 64
#define PER_LINE (LINE / sizeof(void *))

/* Nanoseconds that a thread waits after another one was first to a claim, twice
 * as long each time, up to a maximum. */
#define BACK_OFF	 12000
#define BACK_OFF_WORKERS 1000
#define BACK_OFF_MAX	 24000

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

static void copy_many_in(
	struct ring *r, uint64_t pos, void *const *items, size_t n)
{
	size_t first = piece(r, pos, n);

	memcpy(ring_place(r, pos), items, first * sizeof(*items));
	if (unlikely(first < n))
		memcpy(r->item, items + first, (n - first) * sizeof(*items));
}

static void copy_many_out(
	const struct ring *r, uint64_t pos, void **items, size_t n)
{
	size_t first = piece(r, pos, n);

	memcpy(items, ring_place(r, pos), first * sizeof(*items));
	if (unlikely(first < n))
		memcpy(items + first, r->item, (n - first) * sizeof(*items));
}

/* A single item has no part in the calls of many: they would be a large part
 * of what the queue costs. */
static inline void copy_in(
	struct ring *r, uint64_t pos, void *const *items, size_t n)
{
	if (n == 1)
		*ring_place(r, pos) = *items;
	else
		copy_many_in(r, pos, items, n);
}

static inline void copy_out(
	const struct ring *r, uint64_t pos, void **items, size_t n)
{
	if (n == 1)
		*items = *ring_place(r, pos);
	else
		copy_many_out(r, pos, items, n);
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

/* until is how many of n places from pos on are before `end`. */
static size_t until(uint64_t end, uint64_t pos, size_t n)
{
	int64_t left = (int64_t)(end - pos);

	return left <= 0 ? 0 : (uint64_t)left < n ? (size_t)left : n;
}

/* look_for_free looks up to where places from pos on are free, n of them at
 * most. Where turns tell, and there are no more places than the capacity
 * allows, the head is not needed. */
/* model: queue.pml look_for_free */
static NO_INLINE uint64_t look_for_free(
	const struct ring *r, uint64_t pos, size_t n)
{
	if (r->sides & RING_SC)
		return load_acquire(&r->head) + r->capacity;
	if (r->capacity <= r->mask)
		n = until(load_acquire(&r->head) + r->capacity, pos, n);
	return pos + run_of(r, pos, n, 0);
}

/* look_for_full looks up to where they are full. */
/* model: queue.pml look_for_full */
static NO_INLINE uint64_t look_for_full(
	const struct ring *r, uint64_t pos, size_t n)
{
	return r->sides & RING_SP ? ring_tail(r) : pos + run_of(r, pos, n, 1);
}

/* known is how many of n places from pos on are the side's, which notes it in
 * `note`. If that does not suffice it looks, at many more, so that the next
 * claims need not. */
/* model: queue.pml claim */
static inline size_t known(const struct ring *r, uint64_t *note, uint64_t pos,
	size_t n,
	uint64_t (*look)(const struct ring *r, uint64_t pos, size_t n))
{
	uint64_t end = load_acquire(note);

	if (unlikely(until(end, pos, n) < n)) {
		end = look(r, pos, n > LOOK ? n : LOOK);
		perturb();
		store_release(note, end);
	}
	return until(end, pos, n);
}

/* free_from is how many of n slots from pos on a producer may fill. */
static size_t free_from(struct ring *r, uint64_t pos, size_t n)
{
	return known(r, &r->free_to, pos, n, look_for_free);
}

/* full_from is how many of n slots from pos on a consumer may empty. */
static size_t full_from(struct ring *r, uint64_t pos, size_t n)
{
	return known(r, &r->full_to, pos, n, look_for_full);
}

/*
 * fetch_ahead is for who will, as a rule, claim what follows, too: n places,
 * AHEAD of pos, are on their way before their turn comes, unless they lie
 * beyond `end`, where the other side is still at work.
 */
static inline void fetch_ahead(const struct ring *r, uint64_t pos, size_t n,
	uint64_t end, void (*fetch)(const void *))
{
	uint64_t to;

	pos += AHEAD;
	to = pos + (n < AHEAD ? n : AHEAD);
	if ((int64_t)(end - to) < 0)
		return;
	pos += -pos % PER_LINE; /* each line once */
	for (; pos < to; pos += PER_LINE)
		fetch(ring_place(r, pos));
}

static inline void fetch_free(const struct ring *r, uint64_t pos, size_t n)
{
	fetch_ahead(r, pos, n, load_relaxed(&r->free_to), fetch_to_write);
}

static inline void fetch_full(const struct ring *r, uint64_t pos, size_t n)
{
	fetch_ahead(r, pos, n, load_relaxed(&r->full_to), fetch_to_read);
}

/* claim moves *index from pos to pos + k, unless another thread was first: that
 * is looked at before, as a swap in vain takes the line from who claims. */
/* model: queue.pml claim */
static bool claim(uint64_t *index, uint64_t pos, size_t k)
{
	return load_relaxed(index) == pos && cas(index, &pos, pos + k);
}

/* back_off waits after another thread was first, for longer each time. Where
 * there are no workers it lets others run meanwhile. */
static void back_off(const struct ring *r, uint64_t *ns)
{
	uint64_t now = leat_now();

	if (*ns == 0)
		*ns = r->workers ? BACK_OFF_WORKERS : BACK_OFF;
	else if (*ns < BACK_OFF_MAX)
		*ns *= 2;
	if (r->workers)
		wait_pause(now + *ns);
	else
		wait_yield(now + *ns);
}

/* push_alone and pop_alone are for a side with a single thread: it claims
 * nothing, and publishes by its own index. */
/* model: queue.pml claim, published */
static size_t push_alone(struct ring *r, void *const *items, size_t n)
{
	uint64_t pos = load_relaxed(&r->tail);
	size_t k;

	if (pos & RING_END)
		return RING_OVER;
	k = free_from(r, pos, n);
	if (k == 0)
		return 0;
	copy_in(r, pos, items, k);
	perturb();
	store_release(&r->tail, pos + k);
	fetch_free(r, pos + k, k);
	return k;
}

/* model: queue.pml claim, publish */
static NO_INLINE size_t push_shared(
	struct ring *r, void *const *items, size_t n)
{
	uint64_t wait = 0;

	for (;;) {
		uint64_t pos = load_relaxed(&r->tail);
		size_t k;

		if (pos & RING_END)
			return RING_OVER;
		k = free_from(r, pos, n);
		if (k > 0 && claim(&r->tail, pos, k)) {
			copy_in(r, pos, items, k);
			perturb();
			set_turns(r, pos, k, 1);
			if (!r->workers)
				fetch_free(r, pos + k, k);
			return k;
		}
		if (k > 0)
			back_off(r, &wait);
		else if (load_relaxed(&r->tail) == pos)
			return 0;
	}
}

size_t ring_push(struct ring *r, void *const *items, size_t n)
{
	return r->sides & RING_SP ? push_alone(r, items, n)
				  : push_shared(r, items, n);
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
static size_t pop_alone(
	struct ring *r, void **items, size_t n, uint64_t limit, uint64_t *at)
{
	uint64_t pos = load_relaxed(&r->head);
	size_t k;

	if (pos >= limit)
		return 0;
	k = full_from(r, pos, n < limit - pos ? n : limit - pos);
	if (k == 0)
		return 0;
	sample(r, pos, k);
	copy_out(r, pos, items, k);
	perturb();
	store_release(&r->head, pos + k);
	fetch_full(r, pos + k, k);
	*at = pos;
	return k;
}

/* model: queue.pml claim, release */
static NO_INLINE size_t pop_shared(
	struct ring *r, void **items, size_t n, uint64_t limit, uint64_t *at)
{
	uint64_t wait = 0;

	for (;;) {
		uint64_t pos = load_acquire(&r->head);
		size_t k;

		if (pos >= limit)
			return 0;
		k = full_from(r, pos, n < limit - pos ? n : limit - pos);
		if (k > 0 && claim(&r->head, pos, k)) {
			sample(r, pos, k);
			copy_out(r, pos, items, k);
			perturb();
			set_turns(r, pos, k, 2);
			if (!r->workers)
				fetch_full(r, pos + k, k);
			*at = pos;
			return k;
		}
		if (k > 0)
			back_off(r, &wait);
		else if (load_relaxed(&r->head) == pos)
			return 0;
	}
}

size_t ring_pop(
	struct ring *r, void **items, size_t n, uint64_t limit, uint64_t *at)
{
	return r->sides & RING_SC ? pop_alone(r, items, n, limit, at)
				  : pop_shared(r, items, n, limit, at);
}

size_t ring_room_from(struct ring *r, uint64_t pos, size_t n)
{
	return piece(r, pos, free_from(r, pos, n));
}

size_t ring_room(struct ring *r, size_t n)
{
	uint64_t pos = load_relaxed(&r->tail);

	return pos & RING_END ? 0 : ring_room_from(r, pos, n);
}

/* model: queue.pml look_for_items */
bool ring_readable(const struct ring *r, uint64_t limit)
{
	uint64_t pos = load_acquire(&r->head);
	uint64_t before;

	do {
		if (pos >= limit)
			return false;
		if (r->sides & RING_SP ? ring_tail(r) != pos
				       : run_of(r, pos, 1, 1) == 1)
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
		if (r->sides & RING_SC || run_of(r, pos, 1, 0) == 1)
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
