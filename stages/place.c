/* SPDX-License-Identifier: BSD-2-Clause */
#include "stages/item.h"
#include "stages/light.h"
#include "stages/place.h"

#ifdef LEAT_PERTURB /* changes of home all the time */
#define TICK   LEAT_MS
#define CHANCE (10 * LEAT_US)
#define LINES  LEAT_MS
#define THIN   1
#else
#define TICK   (10 * LEAT_MS)  /* of a watcher */
#define CHANCE (200 * LEAT_US) /* for visitors to come, after a yield */
#define LINES  500	       /* nanoseconds that a batch's lines take */
#define THIN   16 /* batches that are not worth them: one is too many here */
#endif

/* move_in: the thread has the place, and works there with what is its own. */
static void move_in(struct thread *t, leat_worker *w)
{
	w->thread = t;
	w->out = t->outputs;
	w->cap_out = w->stage->sink ? 0 : t->cap_outputs;
}

/* model: visit.pml try_man */
static bool try_man(struct thread *t, leat_worker *w)
{
	uint64_t nobody = 0;

	if (load_relaxed(&w->manned) != 0 ||
		!cas(&w->manned, &nobody, (uint64_t)(uintptr_t)t))
		return false;
	move_in(t, w);
	return true;
}

leat_worker *place_man_any(struct thread *t, struct stage *s, uint32_t first)
{
	for (uint32_t i = 0; i < s->workers; i++) {
		leat_worker *w = &s->worker[(first + i) % s->workers];

		if (try_man(t, w))
			return w;
	}
	return NULL;
}

leat_worker *place_man(struct thread *t, leat_worker *home)
{
	if (home->stage->visitable)
		return place_man_any(t, home->stage, home->view.index);
	move_in(t, home);
	return home;
}

leat_worker *place_of(struct thread *t)
{
	struct leat_chain *c = t->home->stage->chain;

	for (size_t i = 0; i < c->n; i++)
		for (uint32_t k = 0; k < c->stage[i].workers; k++) {
			leat_worker *w = &c->stage[i].worker[k];

			if (load_relaxed(&w->manned) == (uint64_t)(uintptr_t)t)
				return w;
		}
	return t->home->stage->visitable ? NULL : t->home;
}

/* wake_source wakes who is at home there, unless it is for others to go on. */
/* model: visit.pml leave_source */
static void wake_source(const leat_worker *w)
{
	leat_queue *q = w->stage->out->queue[0];

	fence_full();
	if (park_busy(&q->not_full) &&
		(!light_source(w) || load_relaxed(&w->dry) || queue_over(q)))
		park_post(&q->not_full);
}

void place_leave(leat_worker *w)
{
	if (!w->stage->visitable)
		return;
	store_release(&w->manned, 0);
	perturb();
	if (stage_is_source(w->stage))
		wake_source(w);
	else
		place_wake(w->stage, stage_input(w));
}

bool place_attended(const struct stage *s)
{
	return light_crowd(s) && place_watched(s) &&
	       load_relaxed(&s->idle) < s->workers;
}

void place_wake(const struct stage *s, leat_queue *q)
{
	if (light_rest(s, q)) {
		fence_full();
		if (place_attended(s))
			return;
	}
	queue_chain(q);
}

static bool any_free(const struct stage *s)
{
	for (uint32_t i = 0; i < s->workers; i++)
		if (load_relaxed(&s->worker[i].manned) == 0)
			return true;
	return false;
}

static bool is_free(void *home)
{
	const leat_worker *w = home;

	return load_relaxed(&w->manned) == 0;
}

static uint64_t visits_of(const struct stage *s)
{
	uint64_t n = load_relaxed(&s->stirs);

	for (uint32_t i = 0; i < s->workers; i++)
		n += load_relaxed(&s->worker[i].visits);
	return n;
}

/* visitor is the thread that is on a visit in the place, and the visit's
 * number. One that got a home in this stage instead of its own is none any
 * more. */
static struct thread *visitor(const leat_worker *w, uint64_t *away)
{
	uint64_t by = load_acquire(&w->manned);
	struct thread *t = (struct thread *)(uintptr_t)by;

	if (t == NULL)
		return NULL;
	*away = load_acquire(&t->away);
	return *away & 1 ? t : NULL;
}

static bool any_visitor(const struct stage *s)
{
	uint64_t away;

	for (uint32_t i = 0; i < s->workers; i++)
		if (visitor(&s->worker[i], &away) != NULL)
			return true;
	return false;
}

/* take_over: the two threads change homes. The visitor finds out when it is
 * done in the place; until then it does not look at its home, so the watcher
 * may have it at once. */
/* model: visit.pml await */
/* model: sweep.pml await */
static bool take_over(struct thread *t, struct thread *other, uint64_t away)
{
	uint64_t theirs = load_relaxed(&other->left);

	if (!cas(&other->away, &away, (uint64_t)(uintptr_t)t->home))
		return false;
	stage_account_home(t);
	t->home = (leat_worker *)(uintptr_t)theirs;
	stage_name(t);
	return true;
}

/* look_after is a watcher's tick. A visit that was there at the last one is
 * stuck. It returns whether there are others; or the watcher has a new home. */
static bool look_after(struct thread *t)
{
	struct stage *s = t->home->stage;
	bool seen = false;

	for (uint32_t i = 0; i < s->workers; i++) {
		leat_worker *w = &s->worker[i];
		uint64_t away = 0;
		struct thread *other = visitor(w, &away);

		if (other != NULL && other == w->seen && away == w->seen_away &&
			take_over(t, other, away)) {
			store_relaxed(&w->shy, SHY);
			return true;
		}
		w->seen = other;
		w->seen_away = away;
		seen |= other != NULL;
	}
	return seen;
}

static bool begin_watch(struct stage *s)
{
	uint64_t nobody = 0;

	if (!s->visitable || load_relaxed(&s->watching) != 0 ||
		!cas(&s->watching, &nobody, 1))
		return false;
	for (uint32_t i = 0; i < s->workers; i++)
		s->worker[i].seen = NULL;
	return true;
}

/* end_watch succeeds only while nobody is on a visit: a visitor mans its place
 * before it looks whether somebody watches. */
/* model: visit.pml await, rest */
static bool end_watch(struct stage *s)
{
	store_release(&s->watching, 0);
	fence_full();
	if (!any_visitor(s))
		return true;
	return !begin_watch(s);
}

/* is_unwatched: there are visitors, and no thread that would help them. One of
 * those that sleep shall; if there is but one thread, it is where they wait.
 * Of first stages only a source is visited, whose thread is alone. */
static bool is_unwatched(const struct stage *s)
{
	return s->index > 0 && s->workers > 1 && s->visitable &&
	       load_relaxed(&s->watching) == 0 && any_visitor(s);
}

/*
 * pass_watch: whoever goes to run items may get stuck, or blocked, as visitors
 * may. So it wakes another thread, which will watch; or, if that finds an item
 * instead, passes it on in its turn.
 */
/* model: visit.pml await, rest */
static void pass_watch(struct stage *s)
{
	fence_full();
	if (stage_is_source(s))
		park_post(&s->out->queue[0]->not_full);
	else if (is_unwatched(s))
		park_post(&s->in->queue[0]->not_empty);
}

static bool ready_to_run(void *home)
{
	const leat_worker *w = home;
	const struct stage *s = w->stage;

	return (queue_ready_to_take(stage_input(w)) &&
		       (!s->visitable || is_free(home) || any_free(s))) ||
	       is_unwatched(s);
}

/* ready_for_plenty is for one of several that are awake: it leaves little work
 * to the others, and to who watches, if they turn out to be stuck. */
static bool ready_for_plenty(void *home)
{
	const leat_worker *w = home;
	const struct stage *s = w->stage;

	if (light_rest(s, stage_input(w)) && place_watched(s))
		return false;
	return ready_to_run(home);
}

/*
 * ready_to_make: while somebody watches, others make the items. But those who
 * had found nothing to take before there was a watch are asleep.
 */
/* model: visit.pml look_to_make */
static bool ready_to_make(void *home)
{
	const leat_worker *w = home;
	leat_queue *q = w->stage->out->queue[0];

	return load_relaxed(&w->manned) == 0 &&
	       (!place_watched(w->stage) || load_relaxed(&w->dry) ||
		       queue_over(q) || queue_depth(q) == 0);
}

/* await_items: the last one to fall asleep looks for any item. */
static int await_items(
	struct thread *t, leat_worker *home, bool (*ready)(void *))
{
	struct stage *s = home->stage;
	leat_queue *q = stage_input(home);
	int rc;

	if (wait_awake(&t->in, &q->patient_out, ready, home))
		return 0;
	if (fetch_add(&s->idle, 1) + 1 == s->workers &&
		ready == ready_for_plenty)
		ready = ready_to_run;
	rc = wait_asleep(&t->in, &q->not_empty, ready, home);
	fetch_add(&s->idle, UINT64_MAX);
	t->slept = true;
	return rc;
}

/* await waits where the threads at home do: those of a source for room. */
static int await(struct thread *t, leat_worker *home, bool (*ready)(void *),
	uint64_t deadline)
{
	const struct stage *s = home->stage;
	int rc;

	if (!stage_is_source(s)) {
		t->in.deadline = deadline;
		return await_items(t, home, ready);
	}
	t->out.deadline = deadline;
	rc = wait_asleep(&t->out, &s->out->queue[0]->not_full, ready, home);
	queue_chain_room(s->out->queue[0]);
	return rc;
}

/* Those who wait here wait for different places, and may take each other's
 * wakes: so they sleep in ticks. */
/* model: visit.pml leave */
void place_keep(struct thread *t)
{
	leat_worker *w = t->home;

	if (!w->stage->visitable) {
		move_in(t, w);
		return;
	}
	if (try_man(t, w))
		return;
	do {
		await(t, w, is_free, leat_after(TICK));
	} while (!try_man(t, w));
	if (!stage_is_source(w->stage))
		queue_chain(stage_input(w)); /* the wakes that it took */
}

/* is_spared: a thread of the stage before is likely to come and do the work of
 * this one, if it sleeps. */
static bool is_spared(const leat_worker *w)
{
	const struct stage *s = w->stage;

	return s->visitable && s->index > 0 && !load_relaxed(&s->apart) &&
	       light_work(s, load_relaxed(&s[-1].worker[0].grain));
}

/* is_left_alone: after a yield, no visitor is going to come, or they do not
 * keep up, or nobody watches them. */
static bool is_left_alone(void *home)
{
	const leat_worker *w = home;
	leat_queue *q = stage_input(w);

	return queue_over(q) || !light_room(q) || !place_watched(w->stage);
}

/* look_for_watched is for who has watched over a fan, and leaves while others
 * sleep: what was left to it, also without a fence, is to be found when it has
 * taken something. */
/* model: hand.pml await */
static void look_for_watched(struct thread *t)
{
	t->in.looked = true;
	if (load_relaxed(&may_fence_all) != 0)
		fence_all();
}

/*
 * A source puts items without a fence: one of them may escape who looks just
 * then. It is found at the next tick: so there is one before a long sleep, and
 * one more after the end of a watch.
 */
/* model: visit.pml await, rest */
void place_await(struct thread *t, uint64_t deadline, bool yield)
{
	leat_worker *home = t->home;
	struct stage *s = home->stage;
	bool watch = yield ? t->watches : begin_watch(s);
	bool watched = watch;
	bool ticks = watch || (s->index > 0 && item_direct(s - 1) != NULL);
	bool crowd = light_crowd(s) && load_relaxed(&s->idle) + 1 < s->workers;
	bool (*usual)(void *) =
		stage_is_source(s) ? ready_to_make : ready_to_run;
	bool (*ready)(void *) = yield	? is_left_alone
				: crowd ? ready_for_plenty
					: usual;
	uint64_t visits = watch || yield ? visits_of(s) : 0;
	bool seen;

	t->in.spared = is_spared(home);
	t->in.single = crowd;
	for (;; yield = false) {
		uint64_t tick = yield	? leat_after(CHANCE)
				: ticks ? leat_after(TICK)
					: LEAT_NEVER;

		if (await(t, home, ready, tick < deadline ? tick : deadline) ==
				0 ||
			leat_now() >= deadline)
			break;
		ticks = watch;
		if (ready != is_left_alone || visits_of(s) == visits)
			ready = usual;
		if (!watch)
			continue;
		seen = look_after(t);
		if (t->home != home)
			break;
		if (visits_of(s) == visits && !seen)
			watch = !end_watch(s);
		visits = visits_of(s);
		if (!watch && stage_is_source(s)) {
			store_relaxed(&home->shy, 1);
			break;
		}
	}
	if (watch)
		store_release(&s->watching, 0);
	pass_watch(s);
	if (watched && t->in.look != NULL && load_relaxed(&s->idle) > 0)
		look_for_watched(t);
}

bool place_spare(leat_worker *w, size_t n)
{
	struct stage *s = w->stage;

	if (likely(!light_crowd(s) ||
		    n * load_relaxed(&s->least_ns) >= LINES)) {
		w->thin = 0;
		return false;
	}
	if (++w->thin < THIN || load_relaxed(&s->idle) + 1 >= s->workers)
		return false;
	w->thin = 0;
	stage_idle(w);
	place_leave(w);
	return true;
}

bool place_yield(leat_worker *w)
{
	struct stage *s = w->stage;
	leat_queue *q;

	if (likely(load_relaxed(&s->asked) == 0) || load_relaxed(&s->apart))
		return false;
	q = stage_input(w);
	if (!light_item(s) || queue_over(q) || !light_room(q))
		return false;
	store_relaxed(&s->asked, 0);
	w->thread->watches = begin_watch(s);
	if (!w->thread->watches && !place_watched(s))
		return false;
	stage_idle(w);
	store_release(&w->manned, 0);
	return true;
}

bool place_rest(leat_worker *w)
{
	const struct stage *s = w->stage;
	uint64_t shy = load_relaxed(&w->shy);
	leat_queue *q;

	if (!s->visitable || chain_stopping(s->chain))
		return false;
	q = s->out->queue[0];
	if (ring_room(&q->ring, 1) > 0)
		return false;
	if (shy > 0) {
		store_relaxed(&w->shy, shy - 1);
		return false;
	}
	if (!light_source(w))
		return false;
	queue_mute(q);
	return true;
}
