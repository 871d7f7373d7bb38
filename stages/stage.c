/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "queues/lines.h"
#include "stages/chain.h"
#include "stages/guard.h"
#include "stages/item.h"
#include "stages/light.h"
#include "stages/output.h"
#include "stages/retry.h"
#include "stages/visit.h"

/* Which worker this thread is: a call that would wait for itself returns
 * -EDEADLK by that. */
static _Thread_local leat_worker *self;

leat_worker *stage_self(void)
{
	return self;
}

leat_queue *stage_input(const leat_worker *w)
{
	const struct edge *in = w->stage->in;

	return in->queue[in->n == 1 ? 0 : w->view.index];
}

#ifdef LEAT_PERTURB
#define COMPANY_NS LEAT_MS
#else
#define COMPANY_NS (4 * LEAT_US) /* light: a few make a wake-up's worth */
#endif

#define FEW 8 /* items of a batch: one alone may be waited for */

#define ROUNDS 64 /* of the first place, until the chain is split anew */

/* note_least writes where other workers read, so it does only when the figure
 * is another one. */
static void note_least(struct stage *s, uint64_t ns)
{
	uint64_t old = load_relaxed(&s->least_ns);
	uint64_t change = ns > old ? ns - old : old - ns;

	if (change > (s->workers == 1 ? 0 : old / 4 + 1))
		store_relaxed(&s->least_ns, ns);
}

/*
 * adapt fits the grain to how long an item takes, so that no worker sits on
 * work that another could do. It shrinks at once and doubles at most.
 */
static void adapt(leat_worker *w, size_t n, uint64_t elapsed)
{
	uint64_t ns = elapsed / n + 1;
	uint64_t light, fit;

	if (w->last_ns != 0)
		note_least(w->stage, ns < w->last_ns ? ns : w->last_ns);
	w->last_ns = ns;
	if (ns < w->item_ns)
		ns = (3 * w->item_ns + ns) / 4;
	w->item_ns = ns;
	light = ns <= COMPANY_NS && w->stage->visitable &&
		w->stage->order == NULL;
	if (unlikely(light != load_relaxed(&w->stage->light)))
		store_relaxed(&w->stage->light, light);
	fit = GRAIN_NS / ns;
	if (fit > 2 * w->grain)
		fit = 2 * w->grain;
	if (fit > GRAIN_MAX)
		fit = GRAIN_MAX;
	store_relaxed(&w->grain, fit < 1 ? 1 : fit);
}

/* Waits are the home's, where another thread may be by now. */
static void account_waits(struct tally *t, struct thread *me)
{
	fetch_add(&t->blocked_in_ns, me->in.spent);
	fetch_add(&t->blocked_out_ns, me->out.spent);
	me->in.spent = 0;
	me->out.spent = 0;
}

void stage_account_home(struct thread *t)
{
	account_waits(&t->home->tally, t);
	t->clock = leat_now();
}

/* Time not spent waiting was busy. */
void stage_account(leat_worker *w, size_t n)
{
	struct tally *t = &w->tally;
	struct thread *me = w->thread;
	uint64_t now = leat_now();
	uint64_t waited = me->in.spent + me->out.spent;
	uint64_t elapsed = now - me->clock;

	elapsed = elapsed > waited ? elapsed - waited : 0;
	me->clock = now;
	if (unlikely(waited != 0))
		account_waits(t, me);
	add_owned(&t->busy_ns, elapsed);
	if (n == 0)
		return;
	adapt(w, n, elapsed);
	if (w->stage->index == 0 && w->view.index == 0 &&
		++w->rounds % ROUNDS == 0)
		light_split(w->stage->chain);
}

/* how_many to take: a grain, or a worker's share of what is there; but a heavy
 * item goes alone all the same, and so does the first one after a sleep, for
 * what came then may be of another kind, and others have slept, too. */
static uint64_t how_many(const leat_worker *w, const leat_queue *q)
{
	uint64_t share = queue_depth(q) / w->stage->workers;
	uint64_t most = w->item_ns == 0 ? 0 : SHARE_NS / w->item_ns;

	if (w->thread->slept && w->stage->workers > 1)
		return 1;
	if (share > most)
		share = most;
	if (share > GRAIN_MAX)
		share = GRAIN_MAX;
	return share > w->grain ? share : w->grain;
}

int stage_take(leat_worker *w, size_t *n, uint64_t *pos)
{
	const struct hooks *hooks = &w->stage->chain->hooks;
	leat_queue *q = stage_input(w);
	int rc;

	stage_claim(w, q);
	rc = queue_take(q, w->thread->batch, how_many(w, q), n, pos);
	if (likely(rc == 0)) {
		w->thread->slept = false;
		stage_took(w, *pos);
		if (hooks->taken != NULL)
			hooks->taken(w->thread->batch, *n);
	}
	return rc;
}

/* account_wait: a wait is that of the place where it was, not of the next. */
static void account_wait(leat_worker *w)
{
	if (unlikely(w->thread->in.spent + w->thread->out.spent > 0))
		stage_account(w, 0);
}

/* Where workers are in each other's way, that is not the items' time: else they
 * would seem to be worth a thread because there are too many. */
void stage_run(leat_worker *w, size_t n, uint64_t pos)
{
	if (w->stage->workers > 1)
		stage_account(w, 0);
	items_run(w, n, pos);
	stage_account(w, n);
	w->thread->quiet = true;
	outputs_give(w, pos + n);
	w->thread->quiet = false;
	account_wait(w);
}

/* take_at is one try to take, in a place that the thread runs. */
static int take_at(leat_worker *w, size_t *n, uint64_t *pos)
{
	int rc;

	if (unlikely(w->n_held > 0))
		held_retry(w);
	rc = stage_take(w, n, pos);
	if (rc != 0)
		stage_idle(w);
	if (rc == LEAT_END && w->n_held > 0) {
		worker_rest(w, held_due(w));
		rc = -EAGAIN;
	}
	return rc;
}

/*
 * take waits for items and returns the place where they are; NULL at the end
 * of input, or when the chain is halted, or when the thread has another home
 * now. However it ends, a thread that has waited may have taken more wakes than
 * its own, and passes them on; also for what was left to it, be it to watch or
 * to come.
 */
static leat_worker *take(struct thread *t, size_t *n, uint64_t *pos)
{
	leat_worker *home = t->home, *w;
	bool waited = false;
	int rc;

	do {
		w = t->place ? t->place : place_man(t, home);
		t->place = NULL;
		rc = w != NULL ? take_at(w, n, pos) : -EAGAIN;
		if (rc == 0)
			break;
		if (w != NULL) {
			account_wait(w);
			place_leave(w);
		}
		if (rc != -EAGAIN)
			break;
		if (w == NULL || !visit_source(t))
			place_await(t, held_due(home), false);
		waited = true;
	} while (t->home == home);
	if (t->in.looked) {
		wait_look(&t->in);
		t->in.looked = false;
		waited = true;
	}
	if (waited)
		place_wake(home->stage, stage_input(home));
	return rc == 0 ? w : NULL;
}

/* let_ahead is for a batch that was little work. The wait is for input, and not
 * the items' time. */
static void let_ahead(const leat_worker *w, size_t n)
{
	const struct hooks *hooks = &w->stage->chain->hooks;

	if (hooks->thin != NULL && n >= FEW && light_thin(w->stage, n))
		w->thread->in.spent += hooks->thin(hooks->look_arg);
}

/* run_items is a batch at home, and visits for what came of it. It returns
 * false at the end of the home's input. */
static bool run_items(struct thread *t)
{
	leat_worker *home = t->home;
	uint64_t pos;
	size_t n;
	leat_worker *w = take(t, &n, &pos);

	if (w == NULL)
		return t->home != home;
	stage_run(w, n, pos);
	let_ahead(w, n);
	if (!t->owes) {
		bool yield = place_yield(w);

		if (!yield && !place_spare(w, n)) {
			t->place = w;
			return true;
		}
		place_await(t, LEAT_NEVER, yield);
		place_wake(w->stage, stage_input(w)); /* not the new home's */
		return true;
	}
	if (w->stage->visitable)
		stage_idle(w);
	place_leave(w);
	visit(t, w->stage + 1);
	return true;
}

/* model: visit.pml stage_make */
bool stage_make(leat_worker *w, size_t *n)
{
	bool more = true;

	*n = items_source(w, w->grain, &more);
	w->thread->quiet = false;
	stage_account(w, *n);
	outputs_give(w, 0);
	account_wait(w);
	if (!more)
		store_release(&w->dry, 1);
	return more;
}

/*
 * run_source is a batch of calls at home, and visits for what came of it. The
 * last one wakes the next stage rather than visit it: whoever takes over the
 * home of a visitor must not call a source that has ended. It returns false
 * when the source has.
 */
/* model: visit.pml source */
static bool run_source(struct thread *t)
{
	leat_worker *home = t->home;
	leat_worker *w = t->place ? t->place : place_man(t, home);
	bool more, visits;
	size_t n;

	t->place = NULL;
	if (w == NULL || load_relaxed(&w->dry) || place_rest(w)) {
		if (w != NULL)
			place_leave(w);
		if (load_relaxed(&home->dry))
			return false;
		place_await(t, LEAT_NEVER, false);
		return true;
	}
	visits = visit_welcome(w->stage, w->grain);
	t->quiet = visits || (w->stage->index + 1 < w->stage->chain->n &&
				     place_attended(w->stage + 1));
	more = stage_make(w, &n);
	if (t->owes && !visits) {
		t->owes = false;
		place_wake(w->stage + 1, w->stage->out->queue[0]);
	}
	if (more && !t->owes) {
		t->place = w;
		return true;
	}
	place_leave(w);
	if (more) {
		visit(t, w->stage + 1);
	} else if (t->owes) {
		t->owes = false;
		queue_chain(w->stage->out->queue[0]);
	}
	return more;
}

/* The last one to leave ends the next stage's input. */
/* model: chain.pml leave */
static void leave(leat_worker *w)
{
	struct stage *s = w->stage;

	store_release(&w->low, UINT64_MAX);
	if (fetch_add(&s->live, UINT64_MAX) == 1)
		edge_end(s->out);
	bell_ring(&s->chain->passed);
	fetch_add(&s->chain->crew.awake, UINT64_MAX);
}

/* finish closes the home. No visitor comes there any more. */
static void finish(struct thread *t)
{
	leat_worker *w = t->home;

	place_keep(t);
	t->step = STEP_FLUSH;
	held_cancel(w);
	if (w->stage->row.flush != NULL && !chain_halted(w->stage->chain))
		item_flush(w);
	stage_account(w, 0);
}

static void work(struct thread *t)
{
	t->clock = leat_now();
	while (stage_is_source(t->home->stage) ? run_source(t) : run_items(t))
		;
	finish(t);
	t->step = STEP_CLOSE;
}

/* A thread's name has 15 characters: the row's, shortened, and the index. */
void stage_name(const struct thread *t)
{
	const leat_worker *w = t->home;
	const struct stage *s = w->stage;
	char index[12] = "";
	char name[16];
	int len = 0;

	if (s->workers > 1)
		len = snprintf(index, sizeof(index), "/%u", w->view.index);
	snprintf(name, sizeof(name), "%.*s%s", 15 - len, s->row.name, index);
	pthread_setname_np(pthread_self(), name);
}

static int open_state(leat_worker *w)
{
	const leat_stage *row = &w->stage->row;
	int rc = row->open == NULL ? 0 : row->open(&w->view.state, w);

	if (rc >= 0)
		return 0;
	if (!(w->odd & ODD_SAID) || w->said != rc)
		leat_error(
			w, rc, "the row's open failed: %s", leat_strerror(rc));
	item_note_failure(w, rc, true);
	return rc;
}

/* arrive waits until the others are open too. A cancellation would act there,
 * so row.open must not have left it enabled. */
static void arrive(struct thread *t, int code)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	t->opened = code == 0;
	t->step = pool_arrive(&t->home->stage->chain->pool, code) == 0
			  ? STEP_WORK
			  : STEP_CLOSE;
}

static void close_state(struct thread *t)
{
	const leat_worker *w = t->home;

	t->step = STEP_LEAVE;
	if (t->opened && w->stage->row.close != NULL)
		w->stage->row.close(w->view.state);
}

/* live is a thread's life, from the step on that it has got to. */
static void live(void *thread)
{
	struct thread *t = thread;

	if (t->step == STEP_OPEN)
		arrive(t, open_state(t->home));
	if (t->step == STEP_WORK)
		work(t);
	if (t->step == STEP_CLOSE)
		close_state(t);
	leave(t->home);
}

static void note_ended(leat_worker *w, const char *function)
{
	leat_error(w, LEAT_ETHREAD,
		"%s ended its thread: let it return instead", function);
	item_note_failure(w, LEAT_ETHREAD, true);
	w->odd = 0;
}

static void work_ended(struct thread *t)
{
	leat_worker *w = place_of(t);

	if (w != NULL) {
		items_ended(w);
		stage_idle(w);
		place_leave(w);
	}
	visit_ended(t);
}

/*
 * go_on is called in the place of a function that has ended the thread. It
 * sees to it that nobody waits for what the thread was at; then the thread
 * goes on, mostly to its end, since the chain is halted.
 */
static void go_on(void *thread)
{
	struct thread *t = thread;

	t->ended = true;
	switch (t->step) {
	case STEP_OPEN:
		note_ended(t->home, "the row's open");
		arrive(t, LEAT_ETHREAD);
		break;
	case STEP_WORK:
		work_ended(t);
		break;
	case STEP_FLUSH:
		flush_ended(t->home);
		t->step = STEP_CLOSE;
		break;
	default:
		note_ended(t->home, "the row's close");
		break;
	}
	guard(live, go_on, t);
}

void *stage_main(void *thread)
{
	struct thread *t = thread;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	self = t->home;
	stage_name(t);
	guard(live, go_on, t);
	return NULL;
}

int stage_open(struct stage *s, uint32_t workers)
{
	s->worker = calloc_lines(workers, sizeof(*s->worker));
	if (s->worker == NULL)
		return -ENOMEM;
	s->live = workers;
	s->visitable = !stage_is_source(s) && s->row.key == NULL &&
		       s->row.retries == 0;
	for (s->workers = 0; s->workers < workers; s->workers++) {
		leat_worker *w = &s->worker[s->workers];

		*w = (leat_worker){
			.view = {.arg = s->row.arg, .index = s->workers},
			.stage = s,
			.low = UINT64_MAX,
			.awaited = UINT64_MAX,
			.grain = 1};
		w->in = w;
		if (s->row.retries > 0) {
			w->held = malloc((HELD_MAX + 1) * sizeof(*w->held));
			if (w->held == NULL)
				return -ENOMEM;
		}
	}
	return 0;
}

void stage_close(struct stage *s)
{
	for (uint32_t i = 0; i < s->workers; i++)
		free(s->worker[i].held);
	free(s->worker);
}
