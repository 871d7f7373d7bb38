/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "tests/stress/fanplay.h"

#define CALLS	300
#define CALLERS 2

struct shape {
	uint64_t seed;
	bool faulty, fails;
	struct watch watch;
	leat_fan *fan;
	uint64_t next; /* caller's index */
	bool made[CALLERS][CALLS];
	uint64_t accepted;
};

static uint64_t result_of(const struct shape *s, uint64_t key)
{
	return mix(s->seed, key);
}

static bool refused(const struct shape *s, uint64_t key)
{
	return s->fails && mix(s->seed ^ 1, key) % 16 == 0;
}

static int function(void *in, void *out, leat_worker *w)
{
	const struct shape *s = leat_arg(w);
	uint64_t key = *(const uint64_t *)in;

	if (refused(s, key))
		return leat_error(w, -1000, "%d is refused", (int)key);
	*(uint64_t *)out = result_of(s, key);
	return 0;
}

static void *call_all(void *arg)
{
	struct shape *s = arg;
	uint64_t me = tick(&s->next, 1);
	int rc;

	for (uint64_t i = 0; i < CALLS; i++) {
		uint64_t key = i * CALLERS + me;

		if (i % 2)
			rc = leat_call(s->fan, leat_u64(key), NULL, 0);
		else
			rc = leat_call(
				s->fan, leat_u64(key), &key, sizeof(key));
		must(s->watch.what, rc == 0 || (s->faulty && rc == -ENOMEM),
			"call returned %d", rc);
		s->made[me][i] = rc == 0;
		tick(&s->accepted, rc == 0);
	}
	return NULL;
}

static void check_result(const struct shape *s, uint64_t key, bool made)
{
	void *out;
	int rc = leat_result(s->fan, leat_u64(key), &out);

	if (!made)
		must(s->watch.what, rc == -ENOENT, "no call, but result %d",
			rc);
	else if (s->faulty && rc == -ENOMEM)
		return;
	else if (refused(s, key))
		must(s->watch.what, rc == -1000, "call %d: %d", (int)key, rc);
	else
		must(s->watch.what,
			rc == 0 && *(uint64_t *)out == result_of(s, key),
			"call %d: %d", (int)key, rc);
}

static void call_and_check(struct shape *s)
{
	pthread_t t[CALLERS];
	int rc;

	for (int i = 0; i < CALLERS; i++)
		t[i] = thread_start(call_all, s);
	for (int i = 0; i < CALLERS; i++)
		thread_join(t[i]);
	do
		rc = leat_fan_wait(s->fan);
	while (s->faulty && rc == -ENOMEM);
	must(s->watch.what, rc == 0 || rc == -1000, "wait returned %d", rc);
	for (uint64_t i = 0; i < CALLS; i++)
		for (uint64_t k = 0; k < CALLERS; k++)
			check_result(s, i * CALLERS + k, s->made[k][i]);
}

uint64_t fan_play(uint64_t seed, bool faulty)
{
	struct rng r = {seed};
	struct shape s = {.seed = seed, .faulty = faulty};
	leat_fan_opts opts = {
		.fn = function,
		.arg = &s,
		.out_size = sizeof(uint64_t),
		.in_size = rng_chance(&r, 50) ? sizeof(uint64_t) : 0,
		.workers = 1 + rng_below(&r, 4),
		.queue = rng_chance(&r, 50) ? 1 + rng_below(&r, 20) : 0,
		.retries = rng_below(&r, 2),
	};
	int rc;

	s.fails = rng_chance(&r, 50);
	watch_begin(&s.watch, 30, "fan %" PRIu64, seed);
	rc = leat_fan_open(&s.fan, &opts);
	if (rc == 0) {
		call_and_check(&s);
		leat_fan_close(s.fan);
	} else {
		must(s.watch.what, faulty && (rc == -ENOMEM || rc == -EAGAIN),
			"open returned %d", rc);
	}
	watch_end(&s.watch);
	return peek(&s.accepted);
}
