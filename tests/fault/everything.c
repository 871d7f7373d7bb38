/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * everything [-s SCENARIO]
 *
 * Each scenario is a chain, and the last ones are fans. It runs again and
 * again, and the first, second, third ... use of a resource fails, at open or
 * while running, until a run needs none to fail: first that use alone, then all
 * from there on. Every time an error comes back, or the run is as good as it
 * can be without; nothing is left, nothing hangs, and every item is freed once.
 * Last, each scenario must equal its serial run while waits return early, with
 * EINTR, EAGAIN, or for no reason.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/fault/fault.h"
#include "tests/stress/fanplay.h"
#include "tests/stress/play.h"

#define SCENARIOS 28
#define NAMED	  8
#define FANS	  6

/* What a run needs while it runs: places for many outputs, undone or not, laid
 * down or not; and processors counted. */
static void many_outputs(struct spec *s, uint32_t workers, bool ordered)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct row_spec *r = &s->row[i];

		r->workers = workers;
		r->ordered = ordered && !(s->source && i == 0);
		r->keying = KEY_NONE;
		r->emit = 0;
		r->fail = 0;
	}
	s->items = 15;
	s->row[s->n / 2].emit = 50;
	s->row[s->n / 2].emit_max = 1000;
	s->row[s->n / 2].pause = 50;
}

static void make_named(struct spec *s, uint32_t n)
{
	s->n = s->n > 3 ? 3 : s->n;
	s->source = n == 3;
	s->row[0].in = s->row[0].out;
	if (s->source)
		s->row[0].pass = s->row[0].take = s->row[0].keep = 0;
	s->alone = false;
	s->pushers = s->source ? 0 : 1;
	s->results = n & 1 ? 7 : 0;
	s->pullers = s->results > 0;
	many_outputs(s, n == 2 || s->source ? 1 : 3, n >= 4);
	if (n >= 5)
		s->row[s->n / 2].retries = 2;
	if (n >= 6)
		s->row[s->n / 2].fail = 50;
	for (uint32_t i = 0; i < s->n && n == 0; i++) {
		s->row[i].workers = 0;
		s->row[i].flush_makes = 0;
		s->row[i].flush_fails = false;
	}
}

static void make_scenario(struct spec *s, uint32_t n)
{
	spec_make(s, 5000 + n);
	if (s->items > 100)
		s->items = 100;
	spec_calm(s);
	s->early = false;
	s->event = EVENT_NONE;
	for (uint32_t i = 0; i < s->n; i++)
		s->row[i].backoff_ns %= 2000;
	if (n < NAMED)
		make_named(s, n);
	spec_settle(s);
}

static void check_left(uint32_t n)
{
	must("faults", fault_left() == 0, "scenario %u: %d things left", n,
		(int)fault_left());
}

/* fail_each returns how many uses could fail. */
static uint64_t fail_each(uint32_t n, enum fault_mode mode, struct played *sum)
{
	struct spec s;
	uint64_t use, hits = 1;

	make_scenario(&s, n);
	for (use = 1; hits > 0; use++) {
		fault_arm(mode, use);
		play(&s, sum, true);
		hits = fault_disarm();
		check_left(n);
	}
	return use - 2;
}

static void wake_early(uint32_t n, uint32_t every)
{
	struct played sum = {0};
	struct spec s;

	make_scenario(&s, n);
	fault_wakes(every);
	play(&s, &sum, false);
	check_left(n);
}

static void scenario(uint32_t n)
{
	struct played sum = {0};
	uint64_t once, from, woken;

	once = fail_each(n, FAULT_ONCE, &sum);
	from = fail_each(n, FAULT_FROM, &sum);
	wake_early(n, 1);
	wake_early(n, 3);
	woken = fault_wakes(0);
	printf("scenario %u: %" PRIu64 " and %" PRIu64 " uses failed, %" PRIu64
	       " waits, %" PRIu64 " items went in\n",
		n, once, from, woken, sum.items);
	fflush(stdout);
}

/* A fan of each shape, likewise. */
static uint64_t fail_fan(uint64_t seed, enum fault_mode mode)
{
	uint64_t use, hits = 1;

	for (use = 1; hits > 0; use++) {
		fault_arm(mode, use);
		fan_play(seed, true);
		hits = fault_disarm();
		check_left((uint32_t)seed);
	}
	return use - 2;
}

static void fans(void)
{
	for (uint64_t seed = 1; seed <= FANS; seed++) {
		uint64_t once = fail_fan(seed, FAULT_ONCE);
		uint64_t from = fail_fan(seed, FAULT_FROM);

		fault_wakes(3);
		fan_play(seed, false);
		fault_wakes(0);
		printf("fan %" PRIu64 ": %" PRIu64 " and %" PRIu64
		       " uses failed\n",
			seed, once, from);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	uint32_t from = 0, to = SCENARIOS;
	int opt;

	while ((opt = getopt(argc, argv, "s:")) != -1) {
		if (opt != 's')
			return 2;
		from = (uint32_t)atoi(optarg);
		to = from + 1;
	}
	for (uint32_t n = from; n < to; n++)
		scenario(n);
	if (from == 0)
		fans();
	printf("%u passed, 0 failed\n", to - from + (from ? 0 : FANS));
	return 0;
}
