/* SPDX-License-Identifier: BSD-2-Clause */
/* What leat_wait waits for: how far each worker has got. */
#include "stages/chain.h"
#include "stages/retry.h"

/* The workers that take from input queue i: its own one in a keyed row. */
static leat_worker *takers(struct stage *s, uint32_t i, uint32_t *n)
{
	bool keyed = s->in->n > 1;

	*n = keyed ? 1 : s->workers;
	return &s->worker[keyed ? i : 0];
}

/* model: wait.pml stage_passed */
bool stage_passed(struct stage *s, uint32_t i, uint64_t pos)
{
	leat_worker *w;
	uint32_t n;

	if (stage_is_source(s))
		return load_acquire(&s->live) == 0;
	if (s->order != NULL)
		return order_reached(s->order, pos);
	if (queue_popped(s->in->queue[i]) < pos)
		return false;
	w = takers(s, i, &n);
	for (uint32_t k = 0; k < n; k++)
		if (load_acquire(&w[k].low) < pos)
			return false;
	return true;
}

/* model: wait.pml stage_watch */
void stage_watch(struct stage *s, uint32_t i, uint64_t pos)
{
	uint32_t n;
	leat_worker *w = takers(s, i, &n);

	for (uint32_t k = 0; k < n; k++) {
		uint64_t old = load_relaxed(&w[k].awaited);

		while (pos < old && !cas(&w[k].awaited, &old, pos))
			;
	}
}

/*
 * moved wakes leat_wait if what it waits for has been passed. There is a fence
 * between writing `low` and this: leat_wait sees the `low` of a worker that
 * does not see what it awaits, and of two workers that pass it at the same
 * time one sees the other's.
 */
/* model: wait.pml moved */
static void moved(leat_worker *w)
{
	struct stage *s = w->stage;
	uint64_t pos = load_relaxed(&w->awaited);

	if (likely(pos == UINT64_MAX))
		return;
	if (stage_passed(s, s->in->n > 1 ? w->view.index : 0, pos)) {
		store_relaxed(&w->awaited, UINT64_MAX);
		bell_ring(&s->chain->passed);
	}
}

/* lowest is pos, or what is held below it. */
static uint64_t lowest(const leat_worker *w, uint64_t pos)
{
	uint64_t held = held_low(w);

	return held < pos ? held : pos;
}

/* model: wait.pml take */
void stage_claim(leat_worker *w, leat_queue *q)
{
	store_release(&w->low, lowest(w, queue_popped(q)));
}

/* model: wait.pml take */
void stage_took(leat_worker *w, uint64_t pos)
{
	uint64_t low = lowest(w, pos);

	if (unlikely(load_relaxed(&w->low) != low))
		store_release(&w->low, low);
	fence_full();
	moved(w);
}

/* The fence is for leat_wait. */
/* model: wait.pml wait */
void stage_idle(leat_worker *w)
{
	store_release(&w->low, held_low(w));
	fence_full();
	moved(w);
}
