/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places. A place is run by the thread that has manned it, with its index, its
 * state, its turn in the order. A thread runs one place at a time: it leaves
 * one before it mans the next. Whoever leaves a place looks once more whether
 * there is something to take, so who finds all places manned may rely on that
 * and wakes nobody.
 *
 * A function that is visited, see visit.h, may wait for something that an
 * earlier stage is yet to do, whose thread is the visitor. Therefore a place is
 * visited only while a thread of its stage watches: it sleeps in ticks, and
 * when it finds the same visit at two of them it takes over the visitor's home,
 * and the visitor is at home where it is. A stage that is not visited is not
 * watched, so idle chains sleep for good.
 */
#ifndef LEAT_PLACE_H
#define LEAT_PLACE_H

#include "stages/chain.h"

/* place_man tries to man the thread's home, or another place of its stage;
 * NULL when others run all of them. */
leat_worker *place_man(struct thread *t, leat_worker *home);

/* place_man_any mans any place of a stage, from the first-th on; or NULL. */
leat_worker *place_man_any(struct thread *t, struct stage *s, uint32_t first);

/* place_leave leaves it, and wakes who should come instead. */
void place_leave(leat_worker *w);

/*
 * place_wake wakes a thread for what waits in the queue of a stage. But while
 * one watches, and the rest is little work, it leaves that to those awake, and
 * at the latest to the watcher's tick: for light work few threads are faster
 * than many, which but move lines between processors.
 */
void place_wake(const struct stage *s, leat_queue *q);

/* place_attended: in a crowd one thread watches, and another one is awake and
 * comes by when it has done what it is at, which is little. */
bool place_attended(const struct stage *s);

/*
 * place_spare: there are more threads here than the work is worth: batches were
 * little work, again and again. The thread leaves the place, and place_await is
 * to wait until there is more; but not the last one.
 */
bool place_spare(leat_worker *w, size_t n);

/* place_of is the place that a thread runs in which a function of the table is
 * called; NULL if it has left it. */
leat_worker *place_of(struct thread *t);

/* place_keep waits until the home is free and mans it for good. */
void place_keep(struct thread *t);

/* place_await sleeps until the thread's stage has items and a free place, or
 * until the deadline; after a yield, for as long as visitors come and keep up.
 * The thread may have another home afterwards. */
void place_await(struct thread *t, uint64_t deadline, bool yield);

/*
 * place_yield makes way for visitors, if they have asked, and if the items
 * here are light: the thread leaves the place, although there may be more to
 * take, and returns true. Then it watches, unless another one does; when no
 * visitor comes for a while, or they do not keep up, it goes on itself.
 */
bool place_yield(leat_worker *w);

/* place_rest: the source need not go on at home: its queue is full, and workers
 * of the next stage are going to visit it. */
bool place_rest(leat_worker *w);

/* place_watched: a thread of the stage sleeps in ticks. */
static inline bool place_watched(const struct stage *s)
{
	return load_relaxed(&s->watching) != 0;
}

#endif
