/* SPDX-License-Identifier: BSD-2-Clause */
#include <sched.h>
#include <time.h>
#include "tests/stress/lab.h"
#include "tests/stress/perturb.h"

static uint64_t base, threads;

static _Thread_local struct rng rng;

void perturb_seed(uint64_t seed)
{
	poke(&base, seed);
	poke(&threads, 0);
}

void leat_perturb(void)
{
	struct timespec ts = {0};
	uint32_t dice;

	if (rng.state == 0)
		rng.state = mix(peek(&base), 1 + tick(&threads, 1)) | 1;
	dice = rng_below(&rng, 200);
	if (dice < 20) {
		sched_yield();
	} else if (dice < 40) {
		for (volatile uint32_t i = 0; i < dice * 10; i++)
			;
	} else if (dice == 40) {
		ts.tv_nsec = rng_below(&rng, 30000);
		nanosleep(&ts, NULL);
	}
}
