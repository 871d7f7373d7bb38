/* SPDX-License-Identifier: BSD-2-Clause */
/* Handing calls over to the workers; fan.h tells when and why. */
#include "stages/fan.h"
#include "stages/light.h"
#include "stages/place.h"

/* How long a worker lets callers get ahead, and how often it looks whether they
 * do: some 300 calls of nothing, and some 40. */
#define AHEAD  (8 * LEAT_US)
#define GLANCE LEAT_US

/*
 * attended: a worker is going to look for calls soon: before it sleeps, or, if
 * all that are awake are busy for long, at a tick. The caller needs no fence
 * before: who leaves the watch makes all threads pass one.
 */
/* model: hand.pml attended */
static bool attended(const leat_fan *f)
{
	return hand_all_awake(f) || (load_relaxed(&f->chain->crew.awake) > 0 &&
					    place_watched(f->stage));
}

/* Beside who moves the tail under the lock: none is to move it back. */
/* model: hand.pml hand_over */
void hand_over(leat_fan *f)
{
	uint64_t *tail = &f->queue->ring.tail;
	uint64_t made = fan_made(f);
	uint64_t handed = load_relaxed(tail);

	while (handed < made && !cas(tail, &handed, made))
		;
}

/* model: hand.pml hand_over_now */
void hand_over_now(leat_fan *f)
{
	hand_over(f);
	queue_chain(f->queue);
}

/*
 * is_left: only others before this call have been handed over, and are yet to
 * be taken. Somebody was awake for them, or whoever handed them over has woken
 * somebody, or is about to; who looks once it has taken something, or before it
 * sleeps. If this call is handed over, too, it is its caller who has to wake.
 */
static bool is_left(const leat_fan *f, uint64_t made)
{
	uint64_t popped, pushed;

	fence_full();
	popped = queue_popped(f->queue);
	pushed = queue_pushed(f->queue);
	return popped < pushed && pushed < made;
}

/* model: hand.pml hand_new */
void hand_new_now(leat_fan *f, uint64_t made)
{
	struct stage *s = f->stage;
	bool company = made % COMPANY == 0;
	bool left = false;

	if (hand_is_light(f)) {
		store_relaxed(&s->stirs, made);
		if (load_relaxed(&may_fence_all) == 0)
			fence_full();
		if (attended(f))
			left = !company || light_little(s, f->queue);
		else
			left = !company && is_left(f, made);
	}
	if (!left)
		hand_over_now(f);
}

/* model: hand.pml hand_look */
void hand_look(void *fan)
{
	fence_full();
	perturb();
	if (fan_made(fan) > 0) /* else the fan may not know its queue yet */
		hand_over(fan);
}

uint64_t hand_wait(void *fan)
{
	uint64_t made = fan_made(fan), before;
	uint64_t from = leat_now(), now = from;

	do {
		now = wait_pause(now + GLANCE);
		before = made;
		made = fan_made(fan);
	} while (made != before && now - from < AHEAD);
	return now - from;
}
