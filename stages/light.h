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
bool light_item(const leat_worker *w);

/* light_work: n items are less work than a wake-up. One long batch, which may
 * have been the scheduler's doing, does not count. */
bool light_work(const leat_worker *w, size_t n);

/*
 * light_source: the next stage draws from the source, which is one that may be
 * visited; that is, its workers visit it when they have nothing left. That does
 * not pay if the source takes long, and a processor would be free for it; and a
 * single worker that is light is rather visited itself.
 */
bool light_source(const leat_worker *w);

/*
 * light_split says which light stages keep their threads all the same: visits
 * alone would run a chain of them on one thread. So it is split into parts of
 * equal work, at most one for each processor, and none too small to be worth
 * the lines that move between them: the first stage of each but the first is
 * not visited. For the first place of the first stage to call every now and
 * then.
 */
void light_split(struct leat_chain *c);

#endif
