/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which work is so light that one thread rather does it than hand it to
 * another. All of it goes by how long items took lately, so these are hints:
 * what comes of them costs time, not items.
 */
#ifndef LEAT_LIGHT_H
#define LEAT_LIGHT_H

#include "stages/chain.h"

/* light_item: an item takes a few nanoseconds. That is far enough from what is
 * worth a thread not to change at every batch. */
bool light_item(const struct stage *s);

/* light_work: n items are less work than a wake-up. One long batch, which may
 * have been the scheduler's doing, does not count. */
bool light_work(const struct stage *s, size_t n);

/* light_thin: a batch of n items is less work than the lines that it moves. */
bool light_thin(const struct stage *s, size_t n);

/* light_room: who hands on to this queue is not blocked, and will not be before
 * it can come and visit. */
bool light_room(const leat_queue *q);

/* light_crowd: the stage has more threads than its work is worth, perhaps. Two
 * are no crowd: they would rather look for work by themselves. */
static inline bool light_crowd(const struct stage *s)
{
	return s->workers > 2 && load_relaxed(&s->light) != 0;
}

/* light_little: those awake will have done what the queue holds before one more
 * thread has woken, and it is not about to be full. */
bool light_little(const struct stage *s, const leat_queue *q);

/* light_rest: the queue before a crowd holds little, and has not ended. */
bool light_rest(const struct stage *s, leat_queue *q);

/*
 * light_source: the next stage draws from the source, which is one that may be
 * visited; that is, its workers visit it when they have nothing left. That does
 * not pay if the source takes long, and a processor would be free for it; and a
 * stage that is light is rather visited itself.
 */
bool light_source(const leat_worker *w);

/*
 * light_split says which light stages keep their threads all the same: visits
 * alone would run a chain of them on one thread. So it is split into parts of
 * about equal work, at most one for each processor, and none too small to be
 * worth the lines that move between them: the first stage of each but the first
 * is not visited. For the first place of the first stage to call every now and
 * then.
 */
void light_split(struct leat_chain *c);

#endif
