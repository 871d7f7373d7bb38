/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Visits. Handing a few light items to a sleeping thread costs far more than
 * running them: a wake-up takes microseconds, and every line of a queue moves
 * to another core and back. So a thread that has made light work for the next
 * stage, whose own threads sleep, borrows a place there and runs it itself,
 * and so on down the chain.
 *
 * A source is visited the other way round, by workers of the next stage that
 * have nothing left: they draw from it, rather than wait until its own thread,
 * which sleeps since the queue was full, has woken and filled it. That one
 * watches meanwhile.
 */
#ifndef LEAT_VISIT_H
#define LEAT_VISIT_H

#include "stages/place.h"

/* visit_source is for a thread that has found nothing to take: it visits the
 * source, if it is before it and rests, and returns whether that made items. */
bool visit_source(struct thread *t);

/* visit_welcome: after `s` has made n items, the next stage may be visited. If
 * it is light, those of its threads that are awake are asked to make way. */
bool visit_welcome(struct stage *s, size_t n);

/* visit pays what the thread owes: it runs the stage, or wakes its threads,
 * and goes on down the chain. The thread may have another home afterwards. */
void visit(struct thread *t, struct stage *s);

/* visit_ended: the thread has left all places and has nothing to give. */
void visit_ended(struct thread *t);

#endif
