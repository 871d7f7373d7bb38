/* SPDX-License-Identifier: BSD-2-Clause */
/* leat: a table, and one row for each stage. Items are words cast to
 * pointers, so that nothing needs freeing. */
#include <leat.h>

#include "alone.h"

#define STAGES_MAX 1024

static char names[STAGES_MAX][16];
static leat_chain *chain;

static void must(int rc)
{
	if (rc < 0) {
		fprintf(stderr, "%s\n", leat_strerror(rc));
		exit(1);
	}
}

static int from_source(void *in, void **out, leat_worker *w)
{
	uint64_t i = leat_seq(w);

	(void)in;
	if (i == job.n)
		return LEAT_END;
	*out = (void *)(uintptr_t)source_work(i);
	return 0;
}

static int through_middle(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = (void *)(uintptr_t)middle_work((uintptr_t)in);
	return 0;
}

static int to_sink(void *in, void **out, leat_worker *w)
{
	(void)out;
	(void)w;
	sink_work((uintptr_t)in);
	return LEAT_DROP;
}

/* fill makes the table: the middle stages between the source and the sink. */
static void fill(leat_stage *rows)
{
	for (unsigned s = 0; s < job.stages; s++) {
		snprintf(names[s], sizeof(names[s]), "s%u", s);
		rows[s].name = names[s];
		rows[s].fn = through_middle;
		rows[s].workers = job.workers;
		rows[s].queue = QUEUE_ITEMS;
		if (job.ordered)
			rows[s].flags = LEAT_ORDERED;
	}
	rows[0] = (leat_stage){.name = names[0], .source = from_source};
	rows[job.stages - 1].fn = to_sink;
	rows[job.stages - 1].workers = 1;
}

static void run_chain(void)
{
	static leat_stage rows[STAGES_MAX];

	fill(rows);
	must(leat_run(rows, job.stages, NULL));
}

static void push(uint64_t x)
{
	must(leat_push(chain, (void *)(uintptr_t)x));
}

static uint64_t pull(void)
{
	void *item;

	must(leat_pull(chain, &item));
	return (uintptr_t)item;
}

static void run_latency(void)
{
	static leat_stage rows[STAGES_MAX];
	leat_opts opts = {.results = QUEUE_ITEMS};

	fill(rows);
	must(leat_open(&chain, rows + 1, job.stages - 2, &opts));
	latency(push, pull);
	must(leat_close(chain));
}

#if __has_include(<leat/fan.h>)

static int run_call(void *in, void *out, leat_worker *w)
{
	(void)w;
	*(uint64_t *)out = middle_work(source(*(uint64_t *)in));
	return 0;
}

static void wave(leat_fan *f)
{
	for (uint64_t i = 0; i < job.n; i++)
		must(leat_call(f, leat_u64(i), NULL, 0));
	must(leat_fan_wait(f));
}

/*
 * The calls by key, and the barrier; reading the results is not timed. The
 * others write their results into a table that bench.h has touched before: so
 * the fan's own table has seen one wave before.
 */
static void calls(uint64_t *results)
{
	leat_fan_opts opts = {.fn = run_call,
		.out_size = sizeof(uint64_t),
		.key_size = sizeof(uint64_t),
		.workers = job.workers,
		.queue = QUEUE_ITEMS,
		.callers = 1};
	leat_done done = {0};
	leat_fan *f;

	must(leat_fan_open(&f, &opts));
	wave(f);
	leat_fan_clear(f);
	begin();
	wave(f);
	end();
	while (leat_each(f, &done) == 0)
		results[leat_done_u64(&done)] = *(uint64_t *)done.out;
	must(leat_fan_close(f));
}

static void run_fan(void)
{
	fan(calls);
}

#else
#define run_fan NULL
#endif

static leat_queue *queue;

static void alone_open(void)
{
	leat_queue_opts opts = {.capacity = QUEUE_ITEMS,
		.producers = job.workers,
		.consumers = job.workers};

	must(leat_queue_open(&queue, &opts));
}

/* A word is a pointer here, in arrays too. */
_Static_assert(sizeof(void *) == sizeof(uint64_t), "items are words");

static void alone_push(const uint64_t *x, unsigned n)
{
	if (n == 1)
		must(leat_queue_push(queue, (void *)(uintptr_t)*x));
	else
		must(leat_queue_pushn(queue, (void *const *)x, n, NULL));
}

static unsigned alone_pop(uint64_t *x, unsigned max)
{
	size_t n = 1;

	if (max == 1)
		must(leat_queue_pop(queue, (void **)x));
	else
		must(leat_queue_popn(queue, (void **)x, max, &n));
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	static const struct workload table[] = {{"chain", run_chain},
		{"slow", run_chain}, {"ordered", run_chain},
		{"deep", run_chain}, {"wide", run_chain},
		{"latency", run_latency}, {"fan", run_fan}, {"queue", alone},
		{NULL, NULL}};

	return bench(argc, argv, table);
}
