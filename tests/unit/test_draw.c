/* SPDX-License-Identifier: BSD-2-Clause */
/* Workers that have nothing left, and run the source before them. */
#include "queues/cpus.h"
#include "stages/chain.h"
#include "tests/unit/unit.h"

/*
 * Chains, until one was drawn from; and items of a source that waits for that.
 * With sanitizers, emulators and without optimization nothing may be light.
 */
#if SANITIZER || !defined(__x86_64__) || !defined(__OPTIMIZE__)
#define N	     3000
#define MANY	     1
#define ROUNDS	     1
#define PATIENT	     N
#define must_have(n) ((void)(n))
#else
#define N	     20000
#define MANY	     300
#define ROUNDS	     5
#define PATIENT	     (10 * N)
#define must_have(n) cr_assert_gt(n, 0)
#endif

/* What the source does once it is visited. */
enum act { NOTHING, END, WAIT, EMIT, FAIL, SKIP, EXIT, STOP, CANCEL };

/* A source of numbers, and those who add them up. */
struct well {
	enum act act;
	uint64_t made, sum, acts; /* the source's */
	uint64_t arrived, got;	  /* the last row's */
	uint64_t visits, ends;
	bool short_chain; /* of two rows */
};

static bool is_visited(const leat_worker *w)
{
	return load_relaxed(&w->thread->away) != 0;
}

static int end(struct well *l)
{
	l->ends++;
	return LEAT_END;
}

static int act(struct well *l, leat_worker *w)
{
	l->acts++;
	switch (l->act) {
	case END:
		return end(l);
	case WAIT:
		await_at_least(&l->arrived, l->made);
		break;
	case EMIT:
		for (int i = 0; i < 3000; i++) {
			l->sum += ++l->made;
			leat_emit(w, item_raw(l->made));
		}
		break;
	case FAIL:
	case SKIP:
		return leat_error(w, -EIO, "dry");
	case EXIT:
		pthread_exit(NULL);
	case STOP:
		leat_stop(w->stage->chain);
		break;
	case CANCEL:
		leat_cancel(w->stage->chain);
		break;
	default:
		break;
	}
	return 0;
}

/* make is light, so that others may do it. When it is to act, it goes on until
 * it was visited, and to its end after that. */
static int make(void *in, void **out, leat_worker *w)
{
	struct well *l = leat_arg(w);
	uint64_t most = l->act == NOTHING || l->acts > 0 ? N : PATIENT;

	(void)in;
	check(l->ends == 0);
	if (l->made >= most)
		return end(l);
	if (unlikely(l->act != NOTHING && l->acts < 5 && l->made % 512 == 511 &&
		     is_visited(w))) {
		int rc = act(l, w);

		if (rc != 0)
			return rc;
	}
	l->sum += ++l->made;
	*out = item_raw(l->made);
	return 0;
}

/* work takes its time, so that it is not worth a visit. */
static int work(void *in, void **out, leat_worker *w)
{
	(void)w;
	for (volatile int i = 0; i < 60; i++)
		;
	*out = in;
	return 0;
}

static int arrive(void *in, void **out, leat_worker *w)
{
	struct well *l = leat_arg(w);

	(void)out;
	__atomic_fetch_add(&l->got, (uintptr_t)in, __ATOMIC_RELAXED);
	if (w->stage->row.flags & LEAT_ORDERED)
		check((uintptr_t)in == l->arrived + 1);
	count_up(&l->arrived);
	return 0;
}

static int work_and_arrive(void *in, void **out, leat_worker *w)
{
	work(in, out, w);
	*out = NULL;
	return arrive(in, out, w);
}

/* draw runs the chain to its end and returns its code. */
static int draw(
	struct well *l, uint32_t workers, uint32_t queue, uint32_t flags)
{
	leat_stage rows[3] = {
		{.name = "make",
			.source = make,
			.arg = l,
			.on_error = l->act == SKIP ? LEAT_SKIP : LEAT_STOP,
			.free_out = leat_keep},
		{.name = "work",
			.fn = work,
			.workers = workers,
			.queue = queue,
			.flags = flags},
		{.name = "arrive",
			.fn = arrive,
			.arg = l,
			.workers = 1,
			.queue = queue,
			.flags = flags},
	};
	leat_chain *c;
	int rc;

	if (l->short_chain) {
		rows[1].fn = work_and_arrive;
		rows[1].arg = l;
	}
	c = open_chain(rows, l->short_chain ? 2 : 3, NULL);
	chain_rest(c);
	cr_assert_eq(c->stage[0].worker[0].tally.blocked_in_ns, 0);
	l->visits += load_relaxed(&c->stage[0].worker[0].visits);
	rc = chain_close(c);
	if (rc == 0 || l->act == SKIP) {
		cr_assert_eq(l->arrived, l->made);
		cr_assert_eq(l->got, l->sum);
	}
	return rc;
}

static uint64_t draw_all(uint32_t workers, uint32_t queue)
{
	uint64_t visits = 0;

	for (int i = 0; i < 3; i++) {
		struct well l = {.short_chain = i == 2};
		uint32_t flags = i == 1 ? LEAT_ORDERED : 0;

		cr_assert_eq(draw(&l, workers, queue, flags), 0);
		cr_assert_eq(l.made, N);
		visits += l.visits;
	}
	return visits;
}

TEST(draw, what_visitors_make_gives_the_serial_result)
{
	static const uint32_t queues[] = {1, 2, 64, 1024};
	const uint32_t workers[] = {1, 2, 7, cpus_usable()};
	uint64_t visits = 0;

	for (int i = 0; i < MANY && visits == 0; i++) {
		EACH(w, workers) EACH(q, queues)
		{
			visits += draw_all(workers[w], queues[q]);
		}
	}
	must_have(visits);
}

/* act_out runs chains until a source was visited, and did it; it returns how
 * often. */
static uint64_t act_out(enum act act, uint32_t workers, int most, int expected)
{
	struct well l = {.act = act};

	for (int i = 0; i < most && l.acts == 0; i++) {
		int rc;

		l = (struct well){.act = act};
		rc = draw(&l, workers, 1024, 0);
		cr_assert_eq(rc, l.acts == 0 ? 0 : expected);
	}
	return l.acts;
}

/* act_out_all does it with as many workers as there are processors, for which
 * the source need not be very light; and with one. */
static void act_out_all(enum act act, int expected)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t acts = act_out(act, cpus_usable(), MANY, expected);

		must_have(acts);
		act_out(act, 1, 1, expected);
	}
}

TEST(draw, a_source_may_end_on_a_visit)
{
	act_out_all(END, 0);
}

/* A single worker cannot do what it has made while it is stuck in the source:
 * the source's own thread must take its place. */
TEST(draw, a_source_may_wait_on_a_visit_for_what_it_has_made)
{
	act_out_all(WAIT, 0);
}

TEST(draw, a_source_may_emit_more_than_there_is_room_for_on_a_visit)
{
	act_out_all(EMIT, 0);
}

TEST(draw, a_source_may_fail_on_a_visit)
{
	act_out_all(FAIL, -EIO);
	act_out_all(SKIP, -EIO);
}

TEST(draw, a_source_may_end_the_thread_of_a_visitor)
{
	act_out_all(EXIT, LEAT_ETHREAD);
}

TEST(draw, stop_and_cancel_reach_a_source_that_is_visited)
{
	act_out_all(STOP, 0);
	act_out_all(CANCEL, -ECANCELED);
}
