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
 * them sees the other. A signaller's fence waits until what it has published
 * is out of the store buffer, for as long as lines take to come from another
 * processor: that is most of the cost of a queue where nobody sleeps. So after
 * a while without waiters a park becomes *quiet*: signallers have no fence
 * then, and whoever is the first to announce again makes all threads of the
 * process pass one, by membarrier(2), before it looks; until it has, the park
 * stays quiet. (After D. Dice, H. Huang and M. Yang, Asymmetric Dekker
 * Synchronization.)
 *
 * At most one wake is in flight: a signal while a token waits to be taken does
 * nothing. Therefore whoever announced, and leaves while the condition still
 * holds for others, signals again.
 *
 * Every announced thread leaves by taking a token, or by taking its own
 * announcement back: waiters + tokens is the number of announced threads.
 *
 * Whoever takes a token may announce again and take the next one too. So a
 * park is for threads that all wait for the same. Those that each wait for
 * something of their own use a bell: it counts how often it was rung, and
 * whoever has listened before wakes at every ring.
 *
 *   heard = bell_listen		  makes a condition true
 *   looks at the condition	  bell_ring
 *   true: bell_leave
 *   else: bell_wait(heard), and looks again
 */
#ifndef LEAT_PARK_H
#define LEAT_PARK_H

#include "queues/atomic.h"

struct park {
	/* PARK_QUIET, waiters in the upper half, tokens in the lower. */
	uint64_t word;
};

#define PARK_QUIET	(UINT64_C(1) << 63)
#define PARK_WAITERS(w) ((w) << 1 >> 33)

static inline uint64_t park_waiters(const struct park *p)
{
	return PARK_WAITERS(load_relaxed(&p->word));
}

/* park_busy tells whether anybody has announced. Needs a fence before it. */
static inline bool park_busy(const struct park *p)
{
	return unlikely(park_waiters(p) > 0);
}

/* park_quiet: nobody has announced, and a signaller needs no fence to be sure
 * of that. */
static inline bool park_quiet(const struct park *p)
{
	return load_relaxed(&p->word) == PARK_QUIET;
}

/*
 * park_look is for a signaller that has not found the park quiet. It has the
 * fence, and returns whether anybody has announced. Otherwise it counts, in
 * *calm; after enough of that in a row the park becomes quiet. `calm` belongs
 * to this kind of signallers, beside what they write anyway.
 */
bool park_look(struct park *p, uint64_t *calm);

/* park_open asks the kernel for fence_all; without it there are no quiet parks.
 * Once at least, before park_look. */
void park_open(void);

/* fence_all makes each thread of the process pass a full fence. Only where
 * may_fence_all is 1. */
extern uint64_t may_fence_all;
void fence_all(void);

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

struct bell {
	uint64_t word; /* waiters in the upper half, rings in the lower */
};

/* bell_listen announces a waiter and returns the rings so far. */
uint32_t bell_listen(struct bell *b);
void bell_leave(struct bell *b);

/* bell_wait sleeps until there are other rings than those heard, and leaves.
 * Returns 0, or -ETIMEDOUT when `deadline` has passed. */
int bell_wait(struct bell *b, uint32_t heard, uint64_t deadline);

/* bell_wake is what a ring does when somebody waits. */
void bell_wake(struct bell *b);

/* bell_ring: what the caller has published becomes visible, then every waiter
 * is woken. */
/* model: order.pml bell_ring */
static inline void bell_ring(struct bell *b)
{
	fence_full();
	if (unlikely(load_relaxed(&b->word) >> 32))
		bell_wake(b);
}

#endif
