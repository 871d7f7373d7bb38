/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Visits. Handing a few light items to a sleeping thread costs far more than
 * running them: a wake-up takes microseconds, and every line of a queue moves
 * to another core and back. So a thread that has made light work for the next
 * stage, whose own threads sleep, borrows a place there and runs it itself,
 * and so on down the chain.
 *
 * A place is run by the thread that has manned it, with its index, its state,
 * its turn in the order. A thread runs one place at a time: it leaves one
 * before it mans the next. Whoever leaves a place looks once more whether
 * there is something to take, so who finds all places manned may rely on that
 * and wakes nobody.
 *
 * A function that is visited may wait for something that an earlier stage is
 * yet to do, whose thread is the visitor. Therefore a place is visited only
 * while a thread of its stage watches: it sleeps in ticks, and when it finds
 * the same visit at two of them it takes over the visitor's home, and the
 * visitor is at home where it is. A stage that is not visited is not watched,
 * so idle chains sleep for good.
 *
 * A source is visited the other way round, by workers of the next stage that
 * have nothing left: they draw from it, rather than wait until its own thread,
 * which sleeps since the queue was full, has woken and filled it. That one
 * watches meanwhile.
 */
#ifndef LEAT_VISIT_H
#define LEAT_VISIT_H

#include "stages/chain.h"

/* place_man tries to man the thread's home, or another place of its stage;
 * NULL when others run all of them. */
leat_worker *place_man(struct thread *t, leat_worker *home);

/* place_leave leaves it, and wakes who should come instead. */
void place_leave(leat_worker *w);

/* place_of is the place that a thread runs in which a function of the table is
 * called; NULL if it has left it. */
leat_worker *place_of(struct thread *t);

/* place_keep waits until the home is free and mans it for good. */
void place_keep(struct thread *t);

/* place_await sleeps until the thread's stage has items and a free place, or
 * until the deadline; after a yield, at least until visitors have had a chance.
 * The thread may have another home afterwards. */
void place_await(struct thread *t, uint64_t deadline, bool yield);

/*
 * place_yield makes way for visitors, if they have asked, and if the items
 * here are light: the thread leaves the place, although there may be
 * more to take, and returns true. Then it watches until they come; if none
 * does for a while, it goes on itself.
 */
bool place_yield(leat_worker *w);

/* place_rest: the source need not go on at home: its queue is full, and workers
 * of the next stage are going to visit it. */
bool place_rest(leat_worker *w);

/* visit_source is for a thread that has found nothing to take: it visits the
 * source, if it is before it and rests, and returns whether that made items. */
bool visit_source(struct thread *t);

/* visit_welcome: after `s` has made n items, the next stage may be visited. If
 * that is but for its threads being awake, they are asked to make way. */
bool visit_welcome(struct stage *s, size_t n);

/* visit_split says which light stages keep their threads all the same. For the
 * first place of the first stage to call every now and then. */
void visit_split(struct leat_chain *c);

/* visit_watched: a thread of the stage sleeps in ticks. */
static inline bool visit_watched(const struct stage *s)
{
	return load_relaxed(&s->watching) != 0;
}

/* visit pays what the thread owes: it runs the stage, or wakes its threads,
 * and goes on down the chain. The thread may have another home afterwards. */
void visit(struct thread *t, struct stage *s);

/* visit_ended: the thread has left all places and has nothing to give. */
void visit_ended(struct thread *t);

#endif
