/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A park: where threads sleep until a condition may hold. It is an event
 * semaphore of 8 bytes, {waiters, tokens}, written only when somebody sleeps.
 *
 * A waiter			A signaller
 *   park_announce		  makes the condition true
 *   looks at the condition	  park_signal
 *   true: park_retract
 *   else: park_wait, and looks again
 *
 * Both sides have a full fence between their two steps, so at least one of
 * them sees the other. At most one wake is in flight: a signal while a token
 * waits to be taken does nothing. Therefore whoever announced, and leaves
 * while the condition still holds for others, signals again.
 *
 * Every announced thread leaves by taking a token, or by taking its own
 * announcement back: waiters + tokens is the number of announced threads.
 */
#ifndef LEAT_PARK_H
#define LEAT_PARK_H

#include "queues/atomic.h"

struct park {
	uint64_t word; /* waiters in the upper half, tokens in the lower */
};

/* park_busy tells whether anybody has announced. Needs a fence before it. */
static inline bool park_busy(const struct park *p)
{
	return unlikely(load_relaxed(&p->word) >> 32);
}

void park_announce(struct park *p);
void park_retract(struct park *p);

/*
 * park_wait sleeps until a token comes and takes it, and returns 0; or returns
 * -ETIMEDOUT when `deadline` has passed, retracted.
 */
int park_wait(struct park *p, uint64_t deadline);

/* park_post wakes one waiter unless a wake is on its way already. */
void park_post(struct park *p);

/* park_post_all wakes every waiter. */
void park_post_all(struct park *p);

/* park_signal: what the caller has published becomes visible, then a waiter,
 * if there is one, is woken. */
static inline void park_signal(struct park *p)
{
	fence_full();
	if (park_busy(p))
		park_post(p);
}

/* park_signal_all is park_signal for every waiter. */
static inline void park_signal_all(struct park *p)
{
	fence_full();
	park_post_all(p);
}

#endif
