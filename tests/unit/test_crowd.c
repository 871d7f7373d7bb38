/* SPDX-License-Identifier: BSD-2-Clause */
/* More workers than light work is worth: those that are not needed sleep, and
 * those who are awake do all of it. */
#include "stages/chain.h"
#include "tests/unit/unit.h"

#define LIGHT 3000
#define STUCK (SANITIZER ? 5 : 50)

/* Numbers up to `n`. Every `step`th waits in the middle row until the next one
 * has been there; and the source waits, before it makes that one, until the
 * other has begun. So they are never taken at once. */
struct crowd {
	uint64_t n, step;
	uint64_t begun, released; /* how often one has waited, and been freed */
	uint64_t made, got, sum;
};

/* before is for who makes a number, meet for who gets it. */
static void before(const struct crowd *c, uint64_t i)
{
	if (c->step > 0 && i % c->step == 1)
		await_at_least(&c->begun, i / c->step);
}

static void meet(struct crowd *c, uint64_t i)
{
	if (c->step == 0)
		return;
	if (i % c->step == 0) {
		count_up(&c->begun);
		await_at_least(&c->released, i / c->step);
	} else if (i % c->step == 1 && i > 1) {
		count_up(&c->released);
	}
}

static int make(void *in, void **out, leat_worker *w)
{
	struct crowd *c = leat_arg(w);
	uint64_t i = c->made + 1;

	(void)in;
	if (i > c->n)
		return LEAT_END;
	before(c, i);
	c->made = i;
	*out = item_raw(i);
	return 0;
}

static int go_through(void *in, void **out, leat_worker *w)
{
	struct crowd *c = leat_arg(w);
	uint64_t i = (uintptr_t)in;

	*out = in;
	meet(c, i);
	return 0;
}

static int add_up(void *in, void **out, leat_worker *w)
{
	struct crowd *c = leat_arg(w);

	(void)out;
	c->got++;
	c->sum += (uintptr_t)in;
	return LEAT_DROP;
}

static void run(struct crowd *c, uint32_t workers, uint32_t queue)
{
	leat_stage rows[] = {
		{.name = "make", .source = make, .arg = c},
		{.name = "wait",
			.fn = go_through,
			.arg = c,
			.workers = workers,
			.queue = queue},
		{.name = "add",
			.fn = add_up,
			.arg = c,
			.workers = 1,
			.queue = queue},
	};
	leat_chain *chain = open_chain(rows, 3, NULL);

	cr_assert_eq(chain_close(chain), 0);
	cr_assert_eq(c->got, c->n);
	cr_assert_eq(c->sum, c->n * (c->n + 1) / 2);
}

TEST(crowd, many_workers_with_little_to_do_give_the_serial_result)
{
	static const uint32_t queues[] = {1, 2, 64, 1024};
	static const uint32_t workers[] = {2, 5, 16};

	EACH(w, workers) EACH(q, queues)
	{
		struct crowd c = {.n = FEWER(20 * LIGHT)};

		run(&c, workers[w], queues[q]);
	}
}

/* The others are asleep, since the items are light, when one is not. */
TEST(crowd, who_is_awake_may_be_stuck)
{
	static const uint32_t queues[] = {4, 1024};
	static const uint32_t workers[] = {2, 3, 16};

	EACH(w, workers) EACH(q, queues)
	{
		struct crowd c = {.n = STUCK * LIGHT + 1, .step = LIGHT};

		run(&c, workers[w], queues[q]);
		cr_assert_eq(c.begun, STUCK);
		cr_assert_eq(c.released, STUCK);
	}
}

/* Calls of a fan: each LIGHT-th waits until one that is made later is run. */
static struct crowd calls;

static int call(void *in, void *out, leat_worker *w)
{
	uint64_t i = *(uint64_t *)in;

	(void)w;
	*(uint64_t *)out = i;
	meet(&calls, i);
	return 0;
}

TEST(crowd, a_fans_call_may_wait_for_one_that_is_made_later)
{
	leat_fan_opts opts = {.fn = call,
		.out_size = sizeof(uint64_t),
		.key_size = sizeof(uint64_t),
		.workers = 16};
	leat_done done = {0};
	uint64_t sum = 0, n = 0;
	leat_fan *f;

	calls = (struct crowd){.n = STUCK * LIGHT + 1, .step = LIGHT};
	cr_assert_eq(leat_fan_open(&f, &opts), 0);
	for (uint64_t i = 1; i <= calls.n; i++) {
		before(&calls, i);
		cr_assert_eq(leat_call(f, leat_u64(i), NULL, 0), 0);
	}
	cr_assert_eq(leat_fan_wait(f), 0);
	for (; leat_each(f, &done) == 0; n++)
		sum += *(uint64_t *)done.out;
	cr_assert_eq(n, calls.n);
	cr_assert_eq(sum, calls.n * (calls.n + 1) / 2);
	cr_assert_eq(leat_fan_close(f), 0);
}
