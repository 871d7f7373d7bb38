/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sched.h>
#include <time.h>
#include <leat/error.h>
#include "queues/cpus.h"
#include "queues/wait.h"

#define PAUSES	 10 /* a quarter of a microsecond, or a half */
#define YIELDS	 2
#define PATIENCE (20 * LEAT_US) /* what a wake-up across processors costs */
#define CROWDED	 (4 * LEAT_US)	/* a yield this long has let others run */
#define TICK	 (10 * LEAT_MS) /* no store stays in a buffer for so long */

/* A yield of a SLICE has let somebody work. For how long yields are shunned if
 * that is found to be another process, by what was since an earlier look, MIN
 * to MAX ago. */
#define SLICE	  LEAT_MS
#define SHUN	  LEAT_S
#define SINCE_MIN (40 * LEAT_MS)
#define SINCE_MAX (200 * LEAT_MS)

static uint64_t cpus;	    /* that this process may use, once known */
static uint64_t shun_until; /* then yields are tried again */
static uint64_t looked_at;  /* the last look at how long yields are */
static uint64_t used_then;  /* the process's time of all processors */
static uint64_t gone_since; /* how long threads were gone in long yields */

void wait_open(void)
{
	if (load_relaxed(&cpus) == 0)
		store_relaxed(&cpus, cpus_usable());
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * LEAT_S + (uint64_t)ts.tv_nsec;
}

uint64_t leat_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t leat_after(uint64_t ns)
{
	uint64_t now = leat_now();

	return ns > LEAT_NEVER - now ? LEAT_NEVER : now + ns;
}

uint64_t wait_pause(uint64_t until)
{
	uint64_t now;

	do {
		cpu_pause();
		now = leat_now();
	} while (now < until);
	return now;
}

/*
 * yielded_long shuns yields for a while if threads are often gone for long, and
 * only another process can explain it: this one has had less than half of its
 * processors. What the kernel says is late by a tick of its clock for each.
 */
static NO_INLINE void yielded_long(uint64_t now, uint64_t gone)
{
	uint64_t before = load_relaxed(&looked_at);
	uint64_t passed = now - before;
	uint64_t used, had;

	gone += fetch_add(&gone_since, gone);
	if (now < before + SINCE_MIN || !cas(&looked_at, &before, now))
		return;
	used = read_clock(CLOCK_PROCESS_CPUTIME_ID);
	had = used - load_relaxed(&used_then);
	store_relaxed(&used_then, used);
	store_relaxed(&gone_since, 0);
	if (passed < SINCE_MAX && gone > passed / 4 &&
		had < passed * load_relaxed(&cpus) / 2)
		store_relaxed(&shun_until, now + SHUN);
}

/* let_others yields, and returns what time it is. */
static uint64_t let_others(uint64_t now)
{
	uint64_t before = now;

	sched_yield();
	now = leat_now();
	if (unlikely(now - before > SLICE))
		yielded_long(now, now - before);
	return now;
}

bool wait_shuns(uint64_t now)
{
	return now < load_relaxed(&shun_until);
}

void wait_yield(uint64_t until)
{
	uint64_t now = leat_now();

	if (wait_shuns(now))
		now = wait_pause(until);
	while (now < until)
		now = let_others(now);
}

/*
 * may_be_patient: in a chain as many as half of its processors may wait awake,
 * one at least; and who need not, only while those awake have a processor each.
 * Where one is enough, and elsewhere, one at each side of a queue.
 */
static bool may_be_patient(
	const struct wait *w, uint64_t here, uint64_t in_crew)
{
	if (w->crew == NULL)
		return here == 0;
	return (in_crew == 0 || in_crew < w->crew->cpus / 2) &&
	       (here == 0 || !w->single) &&
	       (!w->spared || load_relaxed(&w->crew->awake) <= w->crew->cpus);
}

/*
 * yield lets others run. Where threads of a crew come to run in turns on one
 * processor, though there is one for each, yields keep them there; but who
 * sleeps is woken on one that is free. So a long yield notes that.
 */
static void yield(struct wait *w, uint64_t *now)
{
	uint64_t before = *now;

	*now = let_others(before);
	w->crowded = *now - before > CROWDED && w->crew != NULL &&
		     load_relaxed(&w->crew->awake) + w->crew->others <=
			     w->crew->cpus;
}

/*
 * yield_patiently yields for as long as it would take to be woken. The two
 * sides of a queue then seldom sleep in turns, each until the other has found
 * it full, or empty. A few threads at a time are enough for that; more would
 * but keep others from running.
 */
static bool yield_patiently(struct wait *w, uint64_t *patient,
	bool (*ready)(void *), void *ctx, uint64_t now)
{
	uint64_t until = now + PATIENCE;
	uint64_t alone = 0;
	uint64_t *in_crew = w->crew == NULL ? &alone : &w->crew->patient;
	bool is_ready = false;

	if (until > w->deadline)
		until = w->deadline;
	if (may_be_patient(w, fetch_add(patient, 1), fetch_add(in_crew, 1))) {
		do {
			yield(w, &now);
			wait_look(w);
			is_ready = ready(ctx);
		} while (!is_ready && now < until);
	}
	fetch_add(in_crew, UINT64_MAX);
	fetch_add(patient, UINT64_MAX);
	return is_ready;
}

/* spin waits awake, from now on, for a while. It looks seldom: each look takes
 * the line from who is about to write what it looks for. */
static bool spin(struct wait *w, uint64_t *patient, bool (*ready)(void *),
	void *ctx, uint64_t now)
{
	if (ready(ctx))
		return true;
	for (int i = 0; i < PAUSES; i++)
		cpu_pause();
	if (w->crowded || wait_shuns(now)) {
		w->crowded = false;
		return false;
	}
	for (int i = 0; i < YIELDS; i++) {
		yield(w, &now);
		if (ready(ctx))
			return true;
	}
	return yield_patiently(w, patient, ready, ctx, now);
}

bool wait_awake(
	struct wait *w, uint64_t *patient, bool (*ready)(void *), void *ctx)
{
	uint64_t from = leat_now();
	bool is_ready = spin(w, patient, ready, ctx, from);

	w->spent += leat_now() - from;
	return is_ready;
}

static void doze_off(struct wait *w)
{
	if (w->crew == NULL)
		return;
	fetch_add(&w->crew->awake, UINT64_MAX);
	wait_look(w);
}

static void wake_up(struct wait *w)
{
	if (w->crew != NULL)
		fetch_add(&w->crew->awake, 1);
}

/*
 * sleep_until: announce, look again, sleep. A token, or being ready at the
 * second look, ends it; so does the deadline, unless it is ready after all, for
 * a wake that came for us must not be lost.
 */
/* model: queue.pml no_room, none */
static int sleep_until(
	struct park *p, bool (*ready)(void *), void *ctx, uint64_t deadline)
{
	int rc;

	park_announce(p);
	perturb();
	if (ready(ctx)) {
		park_retract(p);
		return 0;
	}
	rc = park_wait(p, deadline);
	return rc < 0 && ready(ctx) ? 0 : rc;
}

/*
 * wait_asleep looks once more after a tick, still not counted as awake: who has
 * no fence between what `look` finds and the count may escape the first look,
 * but not that one.
 */
/* model: hand.pml await */
int wait_asleep(
	struct wait *w, struct park *p, bool (*ready)(void *), void *ctx)
{
	uint64_t from = leat_now();
	uint64_t tick = w->look != NULL ? from + TICK : LEAT_NEVER;
	int rc;

	doze_off(w);
	rc = sleep_until(
		p, ready, ctx, tick < w->deadline ? tick : w->deadline);
	if (rc == -ETIMEDOUT && tick < w->deadline) {
		wait_look(w);
		rc = sleep_until(p, ready, ctx, w->deadline);
	}
	wake_up(w);
	w->spent += leat_now() - from;
	return rc;
}
