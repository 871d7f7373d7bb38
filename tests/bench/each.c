/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial loop on as many threads as there are workers, each with its share
 * of the items and nothing else: what the processors do together. */
#include <pthread.h>
#include "bench.h"

struct share {
	uint64_t from, to;
	uint64_t sum APART;
};

static void *loop(void *arg)
{
	struct share *s = arg;

	for (uint64_t i = s->from; i < s->to; i++)
		s->sum += work(middle(source(i)), job.sink_k);
	return NULL;
}

static void chain(void)
{
	struct share *share = calloc(job.workers, sizeof(*share));
	pthread_t *thread = calloc(job.workers, sizeof(*thread));

	for (unsigned k = 0; k < job.workers; k++) {
		share[k].from = job.n * k / job.workers;
		share[k].to = job.n * (k + 1) / job.workers;
		pthread_create(&thread[k], NULL, loop, &share[k]);
	}
	for (unsigned k = 0; k < job.workers; k++) {
		pthread_join(thread[k], NULL);
		sum += share[k].sum;
	}
	free(thread);
	free(share);
}

int main(int argc, char **argv)
{
	static const struct workload table[] = {
		{"chain", chain}, {"slow", chain}, {NULL, NULL}};

	return bench(argc, argv, table);
}
