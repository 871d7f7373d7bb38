/* SPDX-License-Identifier: BSD-2-Clause */
/* What callers from outside do with a running chain: push, pull, wait. */
#include <errno.h>
#include "stages/chain.h"

/* How often a caller that is blocked looks whether it is in its own way: at
 * first, and, when each look has come twice as late as the one before, at last.
 * And for how long it believes that somebody will begin to pull. */
#define FIRST_LOOK LEAT_MS
#define LOOK	   (50 * LEAT_MS)
#define PATIENCE   (5 * LEAT_S)

/* A caller that waits. */
struct waiter {
	uint64_t deadline;
	uint64_t stuck_since; /* 0: the chain was not when it looked last */
	uint64_t look;	      /* nanoseconds before its next look */
	bool pushes;	      /* waits for room */
};

static leat_queue *results(leat_chain *c)
{
	const struct edge *e = &c->edge[c->n];

	return e->n > 0 ? e->queue[0] : NULL;
}

/* has_room: a stage may go on handing on to the next one. */
static bool has_room(const struct edge *e)
{
	for (uint32_t i = 0; i < e->n; i++)
		if (!ring_writable(&e->queue[i]->ring))
			return false;
	return true;
}

/*
 * is_stuck: the results are full, and a worker sleeps until they are less so. A
 * worker that could go on sleeps on until there is more room: it is woken. That
 * they are full is not enough, as everything may be in them. Nor is it enough
 * for who waits for room, which other stages make for as long as they have some
 * themselves.
 */
static bool is_stuck(leat_chain *c, leat_queue *q, bool pushes)
{
	queue_chain_room(q);
	if (ring_writable(&q->ring) || !park_busy(&q->not_full))
		return false;
	if (!pushes)
		return true;
	for (size_t i = 1; i < c->n; i++)
		if (has_room(&c->edge[i]))
			return false;
	return true;
}

/* in_own_way: the chain is stuck, and nobody but the caller pulls, so a caller
 * that waits for room waits for itself. */
static bool in_own_way(leat_chain *c, struct waiter *w)
{
	leat_queue *q = results(c);
	uint64_t puller = load_relaxed(&c->puller);

	if (q == NULL || (puller != 0 && puller != thread_id()))
		return false;
	if (!is_stuck(c, q, w->pushes)) {
		w->stuck_since = 0;
		return false;
	}
	if (w->stuck_since == 0)
		w->stuck_since = leat_now();
	return puller != 0 || leat_now() - w->stuck_since > PATIENCE;
}

/* look_at is when the waiter looks whether it is in its own way: chains without
 * results need not. */
static uint64_t look_at(leat_chain *c, struct waiter *w)
{
	uint64_t look;

	if (results(c) == NULL)
		return w->deadline;
	if (w->look == 0)
		w->look = FIRST_LOOK;
	else if (w->look < LOOK)
		w->look *= 2;
	look = leat_after(w->look);
	return look < w->deadline ? look : w->deadline;
}

/* push_some pushes items that go to the same queue. */
static int push_some(leat_chain *c, leat_queue *q, void *const *items, size_t n,
	size_t *pushed, uint64_t deadline)
{
	struct waiter waiter = {.deadline = deadline, .pushes = true};
	struct wait w = {0};
	size_t done;
	int rc;

	*pushed = 0;
	for (;;) {
		rc = queue_put(q, items + *pushed, n - *pushed, &done, &w);
		*pushed += done;
		if (rc == -ETIMEDOUT && leat_now() < deadline)
			rc = -EAGAIN;
		if (rc != -EAGAIN || deadline == 0)
			return rc;
		if (in_own_way(c, &waiter))
			return -EDEADLK;
		w.deadline = look_at(c, &waiter);
	}
}

static int push_check(const leat_chain *c, uint64_t deadline)
{
	if (stage_is_source(&c->stage[0]))
		return LEAT_ESOURCE;
	return deadline != 0 && chain_inside(c) ? -EDEADLK : 0;
}

static int push(leat_chain *c, void *const *items, size_t n, size_t *pushed,
	uint64_t deadline)
{
	const struct edge *e = &c->edge[0];
	int rc = push_check(c, deadline);
	size_t done;

	*pushed = 0;
	if (rc < 0)
		return rc;
	if (e->n == 1)
		return push_some(c, e->queue[0], items, n, pushed, deadline);
	for (; *pushed < n && rc == 0; *pushed += done)
		rc = push_some(c, edge_queue(e, items[*pushed]),
			items + *pushed, 1, &done, deadline);
	return rc;
}

int leat_push(leat_chain *c, void *item)
{
	size_t pushed;

	return push(c, &item, 1, &pushed, LEAT_NEVER);
}

int leat_trypush(leat_chain *c, void *item)
{
	size_t pushed;

	return push(c, &item, 1, &pushed, 0);
}

int leat_push_until(leat_chain *c, void *item, uint64_t deadline)
{
	size_t pushed;

	return push(c, &item, 1, &pushed, queue_deadline(deadline));
}

int leat_pushn(leat_chain *c, void *const *items, size_t n, size_t *pushed)
{
	size_t done;

	return push(c, items, n, pushed ? pushed : &done, LEAT_NEVER);
}

/*
 * The workers of a chain that was halted leave, and so end the results, maybe
 * before these are cancelled: that is not the end after the last.
 */
int chain_pull(
	leat_chain *c, void **items, size_t max, size_t *n, uint64_t deadline)
{
	leat_queue *q = results(c);
	int rc;

	if (q == NULL)
		return -EINVAL;
	if (deadline != 0 && chain_inside(c))
		return -EDEADLK;
	know_taker(&c->puller);
	rc = queue_pop(q, items, max, n, deadline);
	return rc == LEAT_END && chain_halted(c) ? -ECANCELED : rc;
}

int leat_pull(leat_chain *c, void **item)
{
	size_t n;

	return chain_pull(c, item, 1, &n, LEAT_NEVER);
}

int leat_trypull(leat_chain *c, void **item)
{
	size_t n;

	return chain_pull(c, item, 1, &n, 0);
}

int leat_pull_until(leat_chain *c, void **item, uint64_t deadline)
{
	size_t n;

	return chain_pull(c, item, 1, &n, queue_deadline(deadline));
}

int leat_pulln(leat_chain *c, void **items, size_t max, size_t *n)
{
	*n = 0;
	return max == 0 ? 0 : chain_pull(c, items, max, n, LEAT_NEVER);
}

/*
 * sleep_once sleeps until a worker gets further. The caller looks again. It
 * listens before it names its position: a worker that forgets a lower one at
 * the same time then rings for it.
 */
/* model: wait.pml waiter */
static int sleep_once(leat_chain *c, struct stage *s, uint32_t i, uint64_t pos,
	struct waiter *w)
{
	uint32_t heard;

	heard = bell_listen(&c->passed);
	stage_watch(s, i, pos);
	if (chain_halted(c) || stage_passed(s, i, pos)) {
		bell_leave(&c->passed);
		return 0;
	}
	if (in_own_way(c, w)) {
		bell_leave(&c->passed);
		return -EDEADLK;
	}
	if (bell_wait(&c->passed, heard, look_at(c, w)) == 0)
		return 0;
	return leat_now() < w->deadline ? 0 : -ETIMEDOUT;
}

static int wait_passed(leat_chain *c, struct stage *s, uint32_t i, uint64_t pos,
	struct waiter *w)
{
	int rc = 0;

	while (rc == 0 && !stage_passed(s, i, pos)) {
		if (chain_halted(c))
			return chain_code(c);
		rc = sleep_once(c, s, i, pos, w);
	}
	return rc;
}

/*
 * wait_stage: all that is in the stage's input now gets handed on. Stage by
 * stage, from the front, this takes along everything pushed before.
 */
static int wait_stage(leat_chain *c, struct stage *s, struct waiter *w)
{
	int rc = 0;

	if (stage_is_source(s))
		return wait_passed(c, s, 0, 0, w);
	for (uint32_t i = 0; i < s->in->n && rc == 0; i++)
		rc = wait_passed(c, s, i, queue_pushed(s->in->queue[i]), w);
	return rc;
}

int leat_wait_until(leat_chain *c, uint64_t deadline)
{
	struct waiter w = {.deadline = queue_deadline(deadline)};
	int rc = 0;

	if (chain_inside(c))
		return -EDEADLK;
	for (size_t i = 0; i < c->n && rc == 0; i++)
		rc = wait_stage(c, &c->stage[i], &w);
	return rc == 0 && chain_halted(c) ? chain_code(c) : rc;
}

int leat_wait(leat_chain *c)
{
	return leat_wait_until(c, LEAT_NEVER);
}
