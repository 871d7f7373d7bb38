/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linearizability: short histories of concurrent calls on a queue, each of
 * which must be explained by some order of the calls in which they take place
 * one by one, on a plain bounded queue, at a moment between call and return.
 */
#include <stdio.h>
#include "queues/queue.h"
#include "tests/unit/unit.h"

#define WORKERS 3
#define CALLS	4
#define ALL	(WORKERS * CALLS)

enum call { PUSH, POP, TRYPUSH, TRYPOP, END, CANCEL, KINDS };

struct event {
	enum call call;
	int rc;
	uint64_t item;
	uint64_t from, to; /* ticks of one clock */
};

struct history {
	leat_queue *q;
	uint64_t capacity, clock;
	struct gate gate;
	int workers;
	struct event event[WORKERS][CALLS];
};

/* Recording */

static int call_queue(leat_queue *q, struct event *e)
{
	void *item = item_raw(e->item);
	int rc = 0;

	switch (e->call) {
	case PUSH:
		return leat_queue_push_until(q, item, leat_after(LEAT_MS / 5));
	case TRYPUSH:
		return leat_queue_trypush(q, item);
	case POP:
		rc = leat_queue_pop_until(q, &item, leat_after(LEAT_MS / 5));
		break;
	case TRYPOP:
		rc = leat_queue_trypop(q, &item);
		break;
	case END:
		leat_queue_end(q);
		return 0;
	default:
		leat_queue_cancel(q);
		return 0;
	}
	e->item = (uintptr_t)item;
	return rc;
}

static void record(void *arg, size_t index)
{
	struct history *h = arg;

	count_up(&h->gate.arrived);
	while (look(&h->gate.arrived) < (uint64_t)h->workers)
		sched_yield();
	for (int i = 0; i < CALLS; i++) {
		struct event *e = &h->event[index][i];

		e->from = count_up(&h->clock);
		e->rc = call_queue(h->q, e);
		e->to = count_up(&h->clock);
	}
}

/* The plain queue */

struct plain {
	uint64_t item[ALL];
	int n;
	uint64_t capacity;
	bool ended, cancelled;
};

/*
 * allowed applies the call to the plain queue; false if it could not have
 * returned what it did. A try, or a deadline, may report full or empty while
 * another thread is in the middle of a call, so these prove nothing.
 */
static bool allowed(struct plain *p, const struct event *e)
{
	bool push = e->call == PUSH || e->call == TRYPUSH;

	if (e->call == END)
		return p->ended = true;
	if (e->call == CANCEL)
		return p->cancelled = true;
	if (e->rc == -EAGAIN || e->rc == -ETIMEDOUT)
		return !p->cancelled && !(push && p->ended);
	if (e->rc == -ECANCELED)
		return p->cancelled;
	if (p->cancelled)
		return false;
	if (e->rc == -EPIPE)
		return push && p->ended;
	if (e->rc == LEAT_END)
		return !push && p->ended && p->n == 0;
	if (push) {
		if (p->ended || (uint64_t)p->n == p->capacity)
			return false;
		p->item[p->n++] = e->item;
		return true;
	}
	if (p->n == 0 || p->item[0] != e->item)
		return false;
	memmove(p->item, p->item + 1, sizeof(*p->item) * (size_t)--p->n);
	return true;
}

/* Nothing that has returned before this call began is still to come. */
static bool may_be_next(const struct history *h, const int *at, int who)
{
	const struct event *e = &h->event[who][at[who]];

	for (int i = 0; i < h->workers; i++)
		if (at[i] < CALLS && h->event[i][at[i]].to < e->from)
			return false;
	return true;
}

static bool explained(
	const struct history *h, const struct plain *before, const int *at)
{
	bool over = true;

	for (int i = 0; i < h->workers; i++) {
		struct plain p = *before;
		int next[WORKERS];

		if (at[i] == CALLS)
			continue;
		over = false;
		memcpy(next, at, sizeof(next));
		next[i]++;
		if (may_be_next(h, at, i) && allowed(&p, &h->event[i][at[i]]) &&
			explained(h, &p, next))
			return true;
	}
	return over;
}

static bool linearizable(const struct history *h)
{
	struct plain p = {.capacity = h->capacity};
	int at[WORKERS] = {0};

	return explained(h, &p, at);
}

/* Histories */

static enum call random_call(uint64_t *seed, const leat_queue_opts *o, int who)
{
	uint64_t r = next_random(seed) % 40;

	if (r == 0)
		return CANCEL;
	if (r <= 2 && (o->producers != 1 || who == 0))
		return END;
	if (o->producers == 1)
		return who == 0 ? (r % 2 ? PUSH : TRYPUSH)
				: (r % 2 ? POP : TRYPOP);
	if (o->consumers == 1)
		return who == 0 ? (r % 2 ? POP : TRYPOP)
				: (r % 2 ? PUSH : TRYPUSH);
	return (enum call)(r % 4);
}

static void plan(struct history *h, const leat_queue_opts *o, uint64_t *seed)
{
	/* One thread on each side: there is no third. */
	h->workers = o->producers == 1 && o->consumers == 1 ? 2 : WORKERS;
	for (int i = 0; i < h->workers; i++)
		for (int k = 0; k < CALLS; k++)
			h->event[i][k] = (struct event){
				.call = random_call(seed, o, i),
				.item = (uint64_t)(i * CALLS + k + 1),
			};
}

static const char *text_of(const struct history *h)
{
	static char text[2000];
	static const char *names[KINDS] = {
		"push", "pop", "trypush", "trypop", "end", "cancel"};
	size_t n = 0;

	for (int i = 0; i < h->workers; i++)
		for (int k = 0; k < CALLS; k++) {
			const struct event *e = &h->event[i][k];

			n += (size_t)snprintf(text + n, sizeof(text) - n,
				"%d: [%lu, %lu] %s %lu: %d\n", i, e->from,
				e->to, names[e->call], e->item, e->rc);
		}
	return text;
}

static void histories(leat_queue_opts opts, int n)
{
	uint64_t seed = 20261;

	for (int i = 0; i < FEWER(n); i++) {
		struct history h = {.clock = 0};

		opts.capacity = h.capacity = 1 + next_random(&seed) % 3;
		plan(&h, &opts, &seed);
		cr_assert_eq(leat_queue_open(&h.q, &opts), 0);
		with_threads((size_t)h.workers, record, &h);
		cr_assert(linearizable(&h), "capacity %lu\n%s", h.capacity,
			text_of(&h));
		leat_queue_close(h.q);
	}
}

TEST(linear, many_producers_and_consumers)
{
	histories((leat_queue_opts){.producers = 0}, 1000);
}

TEST(linear, one_producer)
{
	histories((leat_queue_opts){.producers = 1}, 1000);
}

TEST(linear, one_consumer)
{
	histories((leat_queue_opts){.consumers = 1}, 1000);
}

TEST(linear, one_of_each)
{
	histories((leat_queue_opts){.producers = 1, .consumers = 1}, 1000);
}

/* The checker itself: it must find what is wrong. */

static struct history two_calls(struct event a, struct event b)
{
	struct history h = {.capacity = 1, .workers = WORKERS};

	for (int i = 0; i < WORKERS; i++)
		for (int k = 0; k < CALLS; k++)
			h.event[i][k] = (struct event){.call = TRYPOP,
				.rc = -EAGAIN,
				.from = 0,
				.to = 1000};
	h.event[0][0] = a;
	h.event[1][0] = b;
	return h;
}

TEST(linear, what_cannot_be_explained_is_found)
{
	struct event push = {.call = PUSH, .item = 1, .from = 1, .to = 2};
	struct event again = {.call = PUSH, .item = 2, .from = 3, .to = 4};
	struct event pop = {.call = POP, .item = 1, .from = 3, .to = 4};
	struct event early = {.call = POP, .item = 1, .from = 0, .to = 0};
	struct event wrong = {.call = POP, .item = 7, .from = 3, .to = 4};
	struct event over = {.call = POP, .rc = LEAT_END, .from = 3, .to = 4};
	struct event gone = {.call = POP, .rc = -ECANCELED, .from = 3, .to = 4};
	struct event bad[] = {again, early, wrong, over, gone};
	struct history h = two_calls(push, pop);

	cr_assert(linearizable(&h));
	EACH(i, bad)
	{
		h = two_calls(push, bad[i]);
		cr_assert_not(linearizable(&h), "%zu", i);
	}
}
