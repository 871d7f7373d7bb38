/* SPDX-License-Identifier: BSD-2-Clause */
/* Handing calls over to the queue; fan.h tells when and why. */
#include <sched.h>
#include "stages/fan.h"
#include "stages/light.h"
#include "stages/place.h"

/* is_attended: a worker is going to look for calls soon: before it sleeps, or,
 * if all that are awake are busy for long, at a tick. */
/* model: hand.pml is_attended */
static bool is_attended(const leat_fan *f)
{
	return hand_all_awake(f) || (load_relaxed(&f->chain->crew.awake) > 0 &&
					    place_watched(f->stage));
}

/* may_wait: calls that take little time may wait for company. */
static bool may_wait(const leat_fan *f)
{
	return hand_is_light(f) && is_attended(f);
}

/* push_quietly wakes nobody, if few calls that are light come to an idle
 * worker's queue; it returns how many went in. */
/* model: hand.pml push_quietly */
static size_t push_quietly(leat_fan *f, void *const *items, size_t n)
{
	struct stage *s = f->stage;
	size_t done;

	if (!may_wait(f) ||
		(queue_depth(f->queue) > 0 && !light_rest(s, f->queue)))
		return 0;
	done = queue_put_quietly(f->queue, items, n);
	add_owned(&s->stirs, 1);
	fence_full();
	if (!is_attended(f))
		queue_chain(f->queue);
	return done;
}

/* push puts calls into the queue. They have a place there; the queue may deny
 * it for as long as a worker is in the middle of taking what was there. */
static void push(leat_fan *f, void *const *items, size_t n)
{
	struct wait w = {0};
	size_t done = push_quietly(f, items, n);
	size_t pushed;

	while (done < n) {
		queue_put(f->queue, items + done, n - done, &pushed, &w);
		done += pushed;
		if (done < n)
			sched_yield();
	}
}

/* model: hand.pml hand_all */
static void hand_all(leat_fan *f)
{
	uint64_t from = load_relaxed(&f->handed);
	uint64_t to = load_acquire(&f->made);
	void *items[PENDING];
	size_t n = 0;

	for (uint64_t i = from; i < to; i++)
		items[n++] = f->pending[i % PENDING];
	if (n == 0)
		return;
	push(f, items, n);
	perturb();
	store_release(&f->handed, to);
}

/*
 * Whoever finds somebody at it asks them to look again, and goes away: a call
 * made before that is then seen.
 */
/* model: hand.pml hand_over */
void hand_over(leat_fan *f)
{
	uint64_t state = 0;

	while (!cas(&f->handing, &state, state + 1))
		if (state == 2)
			return;
	if (state == 1)
		return;
	do {
		store_release(&f->handing, 1);
		fence_full();
		perturb();
		hand_all(f);
		state = 1;
	} while (!cas(&f->handing, &state, 0));
}

void hand_over_to(leat_fan *f, uint64_t mark)
{
	while (load_acquire(&f->handed) < mark) {
		hand_over(f);
		if (load_acquire(&f->handed) < mark)
			sched_yield();
	}
}

/* model: hand.pml hand_new */
void hand_new_now(leat_fan *f)
{
	uint64_t handed = load_relaxed(&f->handed);

	if (load_relaxed(&f->made) - handed < COMPANY) {
		fence_full();
		if (may_wait(f) || queue_popped(f->queue) < handed)
			return;
	}
	hand_over(f);
}

/* model: hand.pml hand_look */
void hand_look(void *fan)
{
	leat_fan *f = fan;

	fence_full();
	perturb();
	if (load_relaxed(&f->made) != load_relaxed(&f->handed))
		hand_over(f);
}

/* model: hand.pml hand_last */
void hand_last(leat_fan *f)
{
	if (!may_wait(f) && queue_depth(f->queue) == 0)
		hand_look(f);
}
