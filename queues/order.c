/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "queues/order.h"

/*
 * A run's word: n in the upper half, m in the lower. More items than positions
 * do not fit in the window: SPILT then says that the run's first place holds
 * the memory where they are.
 */
#define SPILT	  (UINT64_C(1) << 31)
#define RUN(n, m) ((uint64_t)(n) << 32 | (m))
#define RUN_N(r)  ((r) >> 32)
#define RUN_M(r)  ((size_t)((r) & (SPILT - 1)))

int order_init(struct order *o, uint64_t size, struct park *credit)
{
	*o = (struct order){.size = size, .credit = credit};
	o->run = calloc(size, sizeof(*o->run));
	o->item = calloc(size, sizeof(*o->item));
	if (o->run != NULL && o->item != NULL)
		return 0;
	free(o->run);
	free(o->item);
	o->run = NULL; /* for order_fini */
	o->item = NULL;
	return -ENOMEM;
}

static uint64_t *run_at(struct order *o, uint64_t pos)
{
	return &o->run[pos & (o->size - 1)];
}

static void **item_at(struct order *o, uint64_t pos)
{
	return &o->item[pos & (o->size - 1)];
}

/* How many places from pos on are in one piece. */
static size_t piece(const struct order *o, uint64_t pos, size_t m)
{
	uint64_t left = o->size - (pos & (o->size - 1));

	return m < left ? m : (size_t)left;
}

/* lay_down publishes the run with its word; the items come before it. */
/* model: order.pml give */
static int lay_down(
	struct order *o, uint64_t pos, uint64_t n, void *const *items, size_t m)
{
	size_t first = piece(o, pos, m);
	uint64_t run = RUN(n, m);

	if (m > n) {
		void **spill = malloc(m * sizeof(*spill));

		if (spill == NULL)
			return -ENOMEM;
		memcpy(spill, items, m * sizeof(*spill));
		*item_at(o, pos) = spill;
		run |= SPILT;
	} else if (m > 0) {
		memcpy(item_at(o, pos), items, first * sizeof(*items));
		memcpy(o->item, items + first, (m - first) * sizeof(*items));
	}
	perturb();
	store_release(run_at(o, pos), run);
	return 0;
}

static void hand_on(struct order *o, uint64_t pos, uint64_t run,
	order_sink *sink, void *ctx)
{
	size_t m = RUN_M(run);
	size_t first = piece(o, pos, m);

	if (run & SPILT) {
		void **spill = *item_at(o, pos);

		sink(ctx, spill, m);
		free(spill);
		return;
	}
	if (first > 0)
		sink(ctx, item_at(o, pos), first);
	if (m > first)
		sink(ctx, o->item, m - first);
}

/* The places up to `next` may be laid down again once it has moved. */
/* model: order.pml advance */
static void advance(struct order *o, uint64_t next)
{
	store_release(&o->next, next);
	perturb();
	park_signal(o->credit);
}

/* model: order.pml drain */
static void hand_on_laid_down(struct order *o, order_sink *sink, void *ctx)
{
	for (;;) {
		uint64_t pos = load_relaxed(&o->next);
		uint64_t run = load_acquire(run_at(o, pos));

		if (run == 0)
			return;
		/* First, so that what a sink never returned from is not handed
		 * on twice. */
		store_relaxed(run_at(o, pos), 0);
		hand_on(o, pos, run, sink, ctx);
		advance(o, pos + RUN_N(run));
	}
}

/* model: order.pml try_lock */
static bool try_lock(struct order *o)
{
	uint64_t open = 0;

	return load_relaxed(&o->lock) == 0 && cas(&o->lock, &open, 1);
}

/* unlock lets go and wakes whoever waits for their turn; the fence is for
 * them, and for the look at what was laid down meanwhile. */
/* model: order.pml unlock */
static void unlock(struct order *o)
{
	store_release(&o->lock, 0);
	perturb();
	bell_ring(&o->turn);
}

/* model: order.pml look_for_next */
static bool next_is_laid_down(struct order *o)
{
	return load_acquire(run_at(o, load_acquire(&o->next))) != 0;
}

/* drain, with the lock held: hands on what is next, and lets go. */
static void drain(struct order *o, order_sink *sink, void *ctx)
{
	do {
		hand_on_laid_down(o, sink, ctx);
		unlock(o);
	} while (next_is_laid_down(o) && try_lock(o));
}

void order_leave(
	struct order *o, uint64_t pos, uint64_t n, order_sink *sink, void *ctx)
{
	advance(o, pos + n);
	drain(o, sink, ctx);
}

/* Only the owner of the next position may find it next, so after the lock
 * `next` need not be looked at again. */
static bool try_enter(struct order *o, uint64_t pos)
{
	return load_acquire(&o->next) == pos && try_lock(o);
}

/* model: order.pml give */
int order_give(struct order *o, uint64_t pos, uint64_t n, void *const *items,
	size_t m, order_sink *sink, void *ctx)
{
	int rc;

	if (try_enter(o, pos)) {
		if (m > 0)
			sink(ctx, items, m);
		order_leave(o, pos, n, sink, ctx);
		return 0;
	}
	rc = lay_down(o, pos, n, items, m);
	if (rc < 0)
		return rc;
	fence_full();
	if (next_is_laid_down(o) && try_lock(o))
		drain(o, sink, ctx);
	return 0;
}

/* model: order.pml enter */
int order_enter(struct order *o, uint64_t pos)
{
	uint32_t heard;

	for (;;) {
		if (load_acquire(&o->cancelled))
			return -ECANCELED;
		if (try_enter(o, pos))
			return 0;
		heard = bell_listen(&o->turn);
		perturb();
		if (load_relaxed(&o->cancelled) ||
			(load_acquire(&o->next) == pos &&
				load_acquire(&o->lock) == 0))
			bell_leave(&o->turn);
		else
			bell_wait(&o->turn, heard, UINT64_MAX);
	}
}

void order_cancel(struct order *o)
{
	store_release(&o->cancelled, 1);
	bell_ring(&o->turn);
}

/* No worker is left. Runs may have gaps between them, so every place of the
 * window is looked at. */
void order_fini(struct order *o, order_sink *sink, void *ctx)
{
	if (o->run == NULL)
		return;
	for (uint64_t i = 0; i < o->size; i++) {
		uint64_t pos = load_relaxed(&o->next) + i;
		uint64_t run = load_acquire(run_at(o, pos));

		if (run != 0)
			hand_on(o, pos, run, sink, ctx);
	}
	free(o->run);
	free(o->item);
}
