/* SPDX-License-Identifier: BSD-2-Clause */
/* OpenMP: a task for each item and stage. An item's tasks depend on its
 * token; those of a stage of one worker depend on the stage too. */
#include "bench.h"

#define TOKENS	   64
#define STAGES_MAX 1024

static uint64_t token[TOKENS];
static char stage[STAGES_MAX];

static void first_task(uint64_t i, uint64_t *t)
{
#pragma omp task firstprivate(i, t) depend(inout : *t, stage[0])
	*t = source_work(i);
}

static void middle_task(unsigned s, uint64_t *t)
{
	if (job.workers > 1) {
#pragma omp task firstprivate(t) depend(inout : *t)
		*t = middle_work(*t);
	} else {
#pragma omp task firstprivate(t) depend(inout : *t, stage[s])
		*t = middle_work(*t);
	}
}

static void last_task(uint64_t *t)
{
#pragma omp task firstprivate(t) depend(inout : *t, stage[STAGES_MAX - 1])
	sink_work(*t);
}

static void run_chain(void)
{
#pragma omp parallel
#pragma omp single
	for (uint64_t i = 0; i < job.n; i++) {
		uint64_t *t = &token[i % TOKENS];

		first_task(i, t);
		for (unsigned s = 1; s + 1 < job.stages; s++)
			middle_task(s, t);
		last_task(t);
	}
}

static void calls(uint64_t *results)
{
#pragma omp parallel num_threads(job.workers)
#pragma omp single
	for (uint64_t i = 0; i < job.n; i++) {
#pragma omp task firstprivate(i, results)
		results[i] = middle_work(source(i));
	}
}

static void run_fan(void)
{
	fan(calls);
}

int main(int argc, char **argv)
{
	static const struct workload table[] = {{"chain", run_chain},
		{"slow", run_chain}, {"ordered", run_chain},
		{"deep", run_chain}, {"wide", run_chain}, {"fan", run_fan},
		{NULL, NULL}};

	return bench(argc, argv, table);
}
