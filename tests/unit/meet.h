/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is going to sleep announces it, then looks once more; who changes what
 * is waited for changes it, then looks for the announced. If both look before
 * the other's step can be seen, a wake-up is lost: a processor does that, for
 * a store waits in its buffer while later loads go on, unless a fence is in
 * between. Here two threads meet at such a point again and again.
 */
#ifndef TESTS_UNIT_MEET_H
#define TESTS_UNIT_MEET_H

#include "queues/park.h"
#include "tests/unit/unit.h"

#define MEETINGS    200000
#define FOR_AT_MOST LEAT_S /* where the two do not run at the same time */
#define SPINS	    2000

/* How far each of the two is; the last meeting is by the first one's clock. */
struct rounds {
	uint64_t until, last;
	uint64_t at[2];
	uint64_t lost;
};

static inline void begin(struct rounds *r)
{
	*r = (struct rounds){
		.last = MEETINGS, .until = leat_after(FOR_AT_MOST)};
}

static inline void none_lost(const struct rounds *r)
{
	cr_assert_eq(r->lost, 0, "%lu of %lu wake-ups lost",
		(unsigned long)r->lost, (unsigned long)r->last);
}

/* meet waits for the other one. */
static inline void meet(struct rounds *r, size_t i, uint64_t at)
{
	__atomic_store_n(&r->at[i], at, __ATOMIC_SEQ_CST);
	for (int spins = 0; look(&r->at[!i]) < at; spins++)
		if (spins >= SPINS)
			sched_yield();
}

static inline void stop_after(struct rounds *r, uint64_t n)
{
	__atomic_store_n(&r->last, n + 1, __ATOMIC_SEQ_CST);
}

/* come_together begins a meeting, at about the same time. */
static inline void come_together(
	struct rounds *r, size_t i, uint64_t n, uint64_t *seed)
{
	if (i == 0 && n % 64 == 0 && leat_now() > r->until)
		stop_after(r, n);
	meet(r, i, 3 * n + 1);
	for (uint64_t k = next_random(seed) % 16; k > 0; k--)
		cpu_pause();
}

/*
 * Where nobody sleeps: what both have done is looked at after each meeting, and
 * undone.
 */
struct encounter {
	void (*one)(void *ctx, uint64_t n);
	void (*other)(void *ctx, uint64_t n);
	void (*after)(void *ctx, uint64_t n);
	void *ctx;
	struct rounds rounds;
};

static inline void encounter_body(void *arg, size_t i)
{
	struct encounter *e = arg;
	struct rounds *r = &e->rounds;
	uint64_t seed = i + 1;

	for (uint64_t n = 0; n < look(&r->last); n++) {
		come_together(r, i, n, &seed);
		(i == 0 ? e->one : e->other)(e->ctx, n);
		meet(r, i, 3 * n + 2);
		if (i == 1)
			e->after(e->ctx, n);
	}
}

static inline void encounter(struct encounter *e)
{
	begin(&e->rounds);
	with_threads(2, encounter_body, e);
}

/*
 * Where the first one really sleeps, the second looks after it: whoever still
 * sleeps for this long was not woken.
 */
#define SOON (5 * LEAT_S)

struct sleep_meeting {
	struct bell *bell; /* or a park */
	struct park *park;
	int (*wait)(void *ctx, uint64_t n);
	void (*change)(void *ctx, uint64_t n);
	void (*undo)(void *ctx, uint64_t n); /* before each meeting */
	void *ctx;
	struct rounds rounds;
};

/* is_awake: the first one has come back, in time. */
static inline bool is_awake(const struct rounds *r, uint64_t at)
{
	uint64_t until = 0;

	for (int spins = 0; look(&r->at[0]) < at; spins++) {
		if (spins < SPINS)
			continue;
		if (until == 0)
			until = leat_after(SOON);
		if (leat_now() > until)
			return false;
		sched_yield();
	}
	return true;
}

static inline void rescue(const struct sleep_meeting *m)
{
	if (m->bell != NULL)
		bell_wake(m->bell);
	else
		park_post_all(m->park);
}

static inline void sleep_body(void *arg, size_t i)
{
	struct sleep_meeting *m = arg;
	struct rounds *r = &m->rounds;
	uint64_t seed = i + 1;

	for (uint64_t n = 0; n < look(&r->last); n++) {
		if (i == 1)
			m->undo(m->ctx, n);
		come_together(r, i, n, &seed);
		if (i == 0) {
			check(m->wait(m->ctx, n) == 0);
		} else {
			m->change(m->ctx, n);
			if (!is_awake(r, 3 * n + 2)) {
				r->lost++;
				stop_after(r, n);
				rescue(m);
			}
		}
		meet(r, i, 3 * n + 2);
	}
}

static inline void none_is_lost_at(struct sleep_meeting *m)
{
	begin(&m->rounds);
	with_threads(2, sleep_body, m);
	none_lost(&m->rounds);
}

#endif
