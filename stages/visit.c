/* SPDX-License-Identifier: BSD-2-Clause */
#include "stages/item.h"
#include "stages/light.h"
#include "stages/visit.h"

#define BATCHES 8 /* at most in a place at a time */
#define SWEEPS	4 /* down the chain, at most in one visit */

bool visit_welcome(struct stage *s, size_t n)
{
	struct stage *next = s + 1;

	if (s->index + 1 == s->chain->n || !next->visitable ||
		load_relaxed(&next->apart) || !light_work(next, n))
		return false;
	if (load_relaxed(&next->idle) < next->workers &&
		load_relaxed(&next->asked) == 0 && light_item(next))
		store_relaxed(&next->asked, 1);
	return load_relaxed(&next->watching) != 0;
}

/* come_home ends a visit. If somebody has taken the home meanwhile, there is
 * another one instead of the visit's number. */
/* model: visit.pml swept */
static void come_home(struct thread *t)
{
	uint64_t away = t->visits;

	if (cas(&t->away, &away, 0))
		return;
	t->home = (leat_worker *)(uintptr_t)away;
	stage_name(t);
	store_release(&t->away, 0);
}

void visit_ended(struct thread *t)
{
	t->quiet = false;
	t->owes = false;
	if (load_relaxed(&t->away) != 0)
		come_home(t);
}

/* run_place takes through what is there. When the stage after is full, this
 * waits as the place's own thread would. */
static void run_place(leat_worker *w)
{
	uint64_t pos;
	size_t n;

	add_owned(&w->visits, 1);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t grain = w->grain;

		if (stage_take(w, &n, &pos) != 0)
			break;
		stage_run(w, n, pos);
		if (n < grain)
			break;
	}
	stage_idle(w);
}

/* visit_stage runs a place of the stage, if there is one. It returns whether
 * something is left to take, for whoever comes next. */
/* model: visit.pml again */
static bool visit_stage(struct thread *t, struct stage *s)
{
	leat_worker *w = place_man_any(t, s, 0);

	t->owes = false;
	if (w == NULL)
		return false;
	perturb();
	if (load_relaxed(&s->watching) == 0) {
		place_leave(w);
		return false;
	}
	run_place(w);
	store_release(&w->manned, 0);
	fence_full();
	return queue_ready_to_take(stage_input(w));
}

/* leave_home begins a visit. Whoever leaves a place that is found manned
 * afterwards sees what was given quietly. */
/* model: visit.pml leave_home */
static void leave_home(struct thread *t)
{
	store_relaxed(&t->left, (uint64_t)(uintptr_t)t->home);
	t->visits += 2;
	store_release(&t->away, t->visits);
	fence_full();
}

/*
 * move_on is for between two places: the visit gets another number, so that who
 * watches the last place comes too late. If the home is taken, the visit ends:
 * the new home may be in a later stage than the next place, which could then
 * wait for room that nobody else makes.
 */
/* model: visit.pml swept */
/* model: sweep.pml again */
static bool move_on(struct thread *t)
{
	uint64_t away = t->visits;

	if (!cas(&t->away, &away, away + 2))
		return false;
	t->visits += 2;
	return true;
}

/* Down the chain, and again while something is left anywhere; what is left
 * after that is for the stages' own threads. */
/* model: visit.pml source */
/* model: sweep.pml visit, again */
void visit(struct thread *t, struct stage *s)
{
	struct stage *last = s;
	bool left = true, away = true;

	leave_home(t);
	for (int sweep = 0; left && away && sweep < SWEEPS; sweep++) {
		left = false;
		for (struct stage *p = s; away && p <= last; p++) {
			left |= visit_stage(t, p);
			if (t->owes && p == last)
				last++;
			away = move_on(t);
		}
	}
	if (!away) { /* what it has given quietly is left, too */
		left = true;
		t->owes = false;
	}
	come_home(t);
	for (; left && s <= last; s++)
		place_wake(s, s->in->queue[0]);
}

/* fill makes items while there is room, and returns how often the source was
 * called. */
/* model: visit.pml draw */
static size_t fill(leat_worker *w)
{
	struct ring *r = &w->stage->out->queue[0]->ring;
	size_t total = 0;
	bool more = true;

	add_owned(&w->visits, 1);
	for (int i = 0; i < BATCHES && more && ring_room(r, 1) > 0; i++) {
		size_t n;

		w->thread->quiet = true;
		more = stage_make(w, &n);
		total += n;
	}
	return total;
}

/* model: visit.pml draw */
bool visit_source(struct thread *t)
{
	struct stage *s = t->home->stage->chain->stage;
	leat_worker *w;
	size_t n = 0;

	if (t->home->stage->index != 1 || !stage_is_source(s) ||
		!place_watched(s))
		return false;
	leave_home(t);
	w = place_man_any(t, s, 0);
	if (w != NULL) {
		perturb();
		if (place_watched(s) && !load_relaxed(&w->dry))
			n = fill(w);
		place_leave(w);
	}
	t->owes = false; /* it is at home in what comes next */
	come_home(t);
	place_wake(s + 1, s->out->queue[0]);
	return n > 0;
}
