/* SPDX-License-Identifier: BSD-2-Clause */
/* Visits: light work of the next stage, run by the thread that made it. */
#include "stages/light.h"
#include "tests/unit/unit.h"

#define N 20000

/* A source of n items, which counts what it made; then light rows. */
struct light {
	uint64_t n;
	uint64_t made, sum, waited;
	bool all;      /* not just visitors wait */
	uint64_t next; /* of the last row, in order */
};

static int make_number(void *in, void **out, leat_worker *w)
{
	struct light *l = leat_arg(w);

	(void)in;
	if (l->made == l->n)
		return LEAT_END;
	*out = item_raw(count_up(&l->made) + 1);
	return 0;
}

static int add_number(void *in, void **out, leat_worker *w)
{
	struct light *l = leat_arg(w);

	(void)out;
	__atomic_fetch_add(&l->sum, (uintptr_t)in, __ATOMIC_RELAXED);
	return 0;
}

static int in_order(void *in, void **out, leat_worker *w)
{
	struct light *l = leat_arg(w);

	check((uintptr_t)in == ++l->next);
	return add_number(in, out, w);
}

static leat_chain *light_chain(struct light *l, uint32_t workers,
	uint32_t flags, uint32_t queue, leat_fn third)
{
	leat_stage rows[4] = {
		{.name = "make",
			.source = make_number,
			.arg = l,
			.free_out = leat_keep},
		{.name = "first", .fn = pass},
		{.name = "second", .fn = pass},
		{.name = "third", .fn = third, .arg = l, .workers = 1},
	};

	for (int i = 1; i < 4; i++) {
		rows[i].flags = flags;
		rows[i].queue = queue;
		if (i < 3)
			rows[i].workers = workers;
	}
	return open_chain(rows, 4, NULL);
}

static uint64_t visits_to(leat_chain *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		for (uint32_t k = 0; k < c->stage[i].workers; k++)
			n += load_relaxed(&c->stage[i].worker[k].visits);
	return n;
}

/* through runs the chain to its end and returns how many visits there were. In
 * a small queue each item takes a switch between threads. */
static uint64_t through(uint32_t workers, uint32_t flags, uint32_t queue)
{
	struct light l = {.n = queue < 64 ? N / 10 : N};
	leat_chain *c = light_chain(&l, workers, flags, queue,
		flags || workers == 1 ? in_order : add_number);
	uint64_t visits;

	chain_rest(c);
	visits = visits_to(c);
	cr_assert_eq(chain_close(c), 0);
	cr_assert_eq(l.sum, l.n * (l.n + 1) / 2);
	return visits;
}

TEST(visit, light_chains_are_visited_and_give_the_serial_result)
{
	static const uint32_t workers[] = {1, 2, 7};
	static const uint32_t queues[] = {1, 2, 64, 1024};
	uint64_t visits = 0;

	EACH(w, workers) EACH(q, queues)
	{
		visits += through(workers[w], 0, queues[q]);
		visits += through(workers[w], LEAT_ORDERED, queues[q]);
	}
	for (int round = 0; round < 300 && visits == 0; round++)
		visits += through(2, 0, 1024);
	cr_assert_gt(visits, 0);
}

/* moves counts how often the row's items go on on another thread. */
struct moves {
	uint64_t n, last, moves;
};

static int count_to(void *in, void **out, leat_worker *w)
{
	const struct moves *m = leat_arg(w);

	(void)in;
	*out = item_raw(leat_seq(w) + 1);
	return leat_seq(w) == m->n ? LEAT_END : 0;
}

static int notice(void *in, void **out, leat_worker *w)
{
	struct moves *m = leat_arg(w);
	uint64_t self = (uint64_t)(uintptr_t)pthread_self();

	if (load_relaxed(&m->last) != self) {
		store_relaxed(&m->last, self);
		add_owned(&m->moves, 1);
	}
	*out = in;
	return 0;
}

static int let_go(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	(void)w;
	return LEAT_DROP;
}

/* moves_of runs a light chain and returns the moves of its middle row; or
 * NOT_LIGHT, as where each item is watched by a sanitizer. */
#define NOT_LIGHT UINT64_MAX

static uint64_t moves_of(uint32_t workers)
{
	struct moves m = {.n = FEWER(1000000)};
	leat_stage rows[3] = {
		{.name = "source", .source = count_to, .arg = &m},
		{.name = "middle",
			.fn = notice,
			.arg = &m,
			.workers = workers,
			.queue = 1024},
		{.name = "sink", .fn = let_go, .workers = 1},
	};
	leat_chain *c = open_chain(rows, 3, NULL);
	bool light;

	chain_rest(c);
	light = light_item(&c->stage[1]) && light_item(&c->stage[2]);
	cr_assert_eq(chain_close(c), 0);
	return light ? m.moves : NOT_LIGHT;
}

/*
 * Threads of a row that is visited stay out of it meanwhile. When they came
 * back every now and then, items of a row with two workers moved 2,500 to
 * 30,000 times in most rounds; now it is ten to a hundred times, but for rounds
 * in which other processes take the visitor's processor away.
 */
#define ROUNDS 24
#define QUIET  9    /* of them, at least */
#define MOVES  1000 /* a round; it has 3,900 batches */

TEST(visit, while_a_row_is_visited_its_own_threads_keep_out)
{
	int quiet = 0;

	for (int round = 0; round < ROUNDS && quiet < QUIET; round++) {
		uint64_t moves = moves_of(2);

		if (moves == NOT_LIGHT)
			return;
		quiet += moves <= MOVES;
	}
	cr_assert_eq(quiet, QUIET);
}

/*
 * Now and then the last row waits for an item that the source is yet to make:
 * if the source's own thread is the visitor, another must go on in its place.
 * What that one has waited before was not in the source, which has no input.
 */
static int wait_for_source(void *in, void **out, leat_worker *w)
{
	struct light *l = leat_arg(w);
	uint64_t n = (uintptr_t)in;

	if (n % 1000 == 0 && n < N) {
		await_at_least(&l->made, n + 50);
		count_up(&l->waited);
	}
	return in_order(in, out, w);
}

TEST(visit, a_visited_function_may_wait_for_an_earlier_stage)
{
	for (int round = 0; round < 20; round++) {
		struct light l = {.n = N};
		leat_chain *c = light_chain(
			&l, 1, 0, round % 2 ? 1024 : 64, wait_for_source);
		leat_counts s[4];

		chain_rest(c);
		leat_stats(c, s, 4);
		cr_assert_eq(s[0].blocked_in_ns, 0);
		cr_assert_eq(s[3].blocked_out_ns, 0);
		cr_assert_eq(chain_close(c), 0);
		cr_assert_eq(l.waited, N / 1000 - 1);
		cr_assert_eq(l.sum, (uint64_t)N * (N + 1) / 2);
	}
}

/*
 * Several places of a stage have stuck visitors at a time, each of whom waits
 * for more than the one before it has made: all must be helped, one after the
 * other.
 */
static int wait_for_many(void *in, void **out, leat_worker *w)
{
	struct light *l = leat_arg(w);
	uint64_t n = (uintptr_t)in;

	if (n % 2000 < 500 && n > 500 && n < N - 3000 &&
		(l->all || load_relaxed(&w->thread->away) != 0)) {
		await_at_least(&l->made, n + 2500);
		count_up(&l->waited);
	}
	return add_number(in, out, w);
}

static void wait_in_all_places(bool all)
{
	uint64_t waited = 0;

	for (int round = 0; round < 20 || (waited == 0 && round < 300);
		round++) {
		struct light l = {.n = N, .all = all};
		leat_stage rows[2] = {
			{.name = "make",
				.source = make_number,
				.arg = &l,
				.free_out = leat_keep},
			{.name = "add",
				.fn = wait_for_many,
				.arg = &l,
				.workers = 3,
				.queue = 8192},
		};

		cr_assert_eq(leat_run(rows, 2, NULL), 0);
		cr_assert_eq(l.sum, (uint64_t)N * (N + 1) / 2);
		waited += l.waited;
	}
	cr_assert_gt(waited, 0);
}

TEST(visit, several_visitors_may_wait_for_an_earlier_stage)
{
	wait_in_all_places(false);
}

/* Who watches goes to run items, and waits there itself: another must watch. */
TEST(visit, visitors_and_workers_may_wait_for_an_earlier_stage)
{
	wait_in_all_places(true);
}

static int wait_at_gate(void *in, void **out, leat_worker *w)
{
	if ((uintptr_t)in == 5000)
		gate_pass(leat_arg(w));
	*out = in;
	return 0;
}

TEST(visit, stop_and_cancel_reach_visitors)
{
	static void (*const verbs[])(leat_chain *) = {leat_stop, leat_cancel};

	for (uint64_t round = 0; round < 60; round++) {
		struct light l = {.n = N};
		leat_chain *c =
			light_chain(&l, 1 + round % 3, 0, 1024, add_number);

		await_at_least(&l.made, round * 100);
		verbs[round % 2](c);
		cr_assert_eq(chain_close(c), round % 2 ? -ECANCELED : 0);
		if (round % 2 == 0)
			cr_assert_eq(l.sum, l.made * (l.made + 1) / 2);
	}
}

/* The pushed chain: its first row is at home, the others may be visited; a
 * stage that is stuck does not hold up what lies before it. */
TEST(visit, a_stage_that_is_stuck_does_not_stop_those_before_it)
{
	struct gate gate = {0, 0};
	uint64_t last = 0;
	leat_stage rows[3] = {
		{.name = "first", .fn = pass, .workers = 1},
		{.name = "stuck",
			.fn = wait_at_gate,
			.arg = &gate,
			.workers = 1,
			.queue = 64},
		{.name = "last", .fn = pass, .workers = 1},
	};
	leat_chain *c = open_chain(rows, 3, NULL);
	leat_counts s[3];

	for (uint64_t i = 0; i < 5050; i++)
		cr_assert_eq(leat_push(c, item_raw(i)), 0);
	gate_await(&gate, 1);
	for (uint64_t i = 0; i < 1000; i++) {
		leat_stats(c, s, 3);
		last = s[0].taken;
		if (last == 5050)
			break;
		rest(5 * LEAT_MS);
	}
	cr_assert_eq(last, 5050, "the first row has taken only %lu", last);
	gate_open(&gate);
	cr_assert_eq(leat_wait(c), 0);
	cr_assert_eq(chain_close(c), 0);
}
