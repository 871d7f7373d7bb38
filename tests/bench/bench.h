/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every program of the benchmark shares, in C and in C++. A program is
 * called as
 *
 *	PROGRAM WORKLOAD N K WORKERS
 *
 * does the workload, prints "ns=... sum=..." (time per item; the sum that
 * tells whether the work was done), and stays until its standard input ends,
 * so that the driver can look at its memory and its processor time. It exits
 * with 3 when it does not know the workload.
 *
 *	chain	 source -> middle (WORKERS workers, K steps an item) -> sink
 *	slow	 the same, but the sink does the K steps
 *	ordered	 as chain; the sink folds in input order, and every 100th item
 *		 takes 50 times as long
 *	deep	 WORKERS stages of one worker each, source and sink among them
 *	wide	 eight stages of WORKERS workers each, but the source and the
 *sink latency	 one item at a time through three stages, K us between items fan
 *N calls with a result each, kept by key; then the barrier queue	 WORKERS
 *producers and as many consumers, K items at a time
 */
#ifndef BENCH_H
#define BENCH_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_ITEMS 1024
#define KNUTH	    UINT64_C(0x9E3779B97F4A7C15)

/*
 * A stage is one real call in every system, also in the serial loop: of these
 * functions by name; or, where the system itself calls the user's functions by
 * their address, of such a function, which does the *_work.
 */
#define STAGE  static __attribute__((noinline, unused))
#define HELPER static inline __attribute__((unused))

struct job {
	const char *workload;
	uint64_t n;
	unsigned k, workers;
	unsigned stages; /* of the chain, source and sink among them */
	unsigned middle_k, sink_k;
	int ordered;
};

/*
 * One program does one job: these are its only globals. The sum has its lines
 * to itself: beside it, `job` would be lost to all other processors at every
 * item that the sink adds.
 */
#define APART __attribute__((aligned(128)))
static struct job job APART;
static uint64_t sum APART;
static uint64_t began, ended;	  /* of what is timed */
static uint64_t cpu_began, spent; /* and the processor time of all threads */
static int reported;

struct workload {
	const char *name;
	void (*run)(void);
};

/* Never 0, since some queues give 0 a meaning; work keeps it so. */
HELPER uint64_t source_work(uint64_t i)
{
	return i + 1;
}

HELPER uint64_t work(uint64_t x, unsigned k)
{
	for (unsigned i = 0; i < k; i++)
		x = (x ^ (x >> 29)) * UINT64_C(0xBF58476D1CE4E5B9);
	return x;
}

HELPER uint64_t middle_work(uint64_t x)
{
	if (job.ordered && x % 100 == 0)
		return work(x, 50 * job.middle_k);
	return work(x, job.middle_k);
}

HELPER void sink_work(uint64_t x)
{
	x = work(x, job.sink_k);
	sum = job.ordered ? sum * KNUTH + x : sum + x;
}

STAGE uint64_t source(uint64_t i)
{
	return source_work(i);
}

STAGE uint64_t middle(uint64_t x)
{
	return middle_work(x);
}

STAGE void sink(uint64_t x)
{
	sink_work(x);
}

HELPER uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

HELPER uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* begin and end say what is timed; the last begin and the first end count. */
HELPER void begin(void)
{
	cpu_began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	began = now_ns();
}

HELPER void end(void)
{
	if (ended)
		return;
	ended = now_ns();
	spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_began;
}

HELPER void sleep_us(unsigned us)
{
	struct timespec t = {0, (long)us * 1000};

	if (us)
		nanosleep(&t, NULL);
}

/* hold waits until the driver has seen what it wants to see. */
HELPER void hold(void)
{
	fflush(stdout);
	while (getchar() != EOF)
		;
}

HELPER void report(double ns, const char *more)
{
	printf("ns=%.3f sum=%016" PRIx64 "%s\n", ns, sum, more);
	reported = 1;
	hold();
}

HELPER int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

HELPER uint64_t *new_samples(void)
{
	return (uint64_t *)calloc(job.n, sizeof(uint64_t));
}

/* latency_report prints the median and the 99th percentile of n samples, and
 * holds, so that the chain can be watched while it is idle. */
HELPER void latency_report(uint64_t *samples)
{
	char more[64];

	qsort(samples, job.n, sizeof(*samples), by_value);
	snprintf(more, sizeof(more), " p99=%" PRIu64,
		samples[job.n - 1 - job.n / 100]);
	report((double)samples[job.n / 2], more);
	free(samples);
}

HELPER void latency(void (*push)(uint64_t), uint64_t (*pull)(void))
{
	uint64_t *samples = new_samples();

	for (uint64_t i = 0; i < job.n; i++) {
		uint64_t start;

		sleep_us(job.k);
		start = now_ns();
		push(source(i));
		sink(pull());
		samples[i] = now_ns() - start;
	}
	latency_report(samples);
}

/* fan times the calls and the barrier, but not the table; calls may begin and
 * end by itself. */
HELPER void fan(void (*calls)(uint64_t *results))
{
	uint64_t *results = new_samples();

	memset(results, 1, job.n * sizeof(*results));
	begin();
	calls(results);
	end();
	for (uint64_t i = 0; i < job.n; i++)
		sum += results[i];
	free(results);
}

HELPER int is_workload(const char *name)
{
	return strcmp(job.workload, name) == 0;
}

HELPER void job_read(char **argv)
{
	job.workload = argv[1];
	job.n = strtoull(argv[2], NULL, 10);
	job.k = (unsigned)strtoul(argv[3], NULL, 10);
	job.workers = (unsigned)strtoul(argv[4], NULL, 10);
	job.stages = is_workload("latency") ? 5 : 3;
	if (is_workload("deep")) {
		job.stages = job.workers;
		job.workers = 1;
	}
	if (is_workload("wide"))
		job.stages = 8;
	if (is_workload("slow"))
		job.sink_k = job.k;
	else if (!is_workload("latency"))
		job.middle_k = job.k;
	job.ordered = is_workload("ordered");
}

/* bench does the job that argv names. The table ends with a NULL name; a
 * NULL function is a workload that the program does not know. */
HELPER int bench(int argc, char **argv, const struct workload *table)
{
	if (argc != 5) {
		fprintf(stderr, "usage: %s WORKLOAD N K WORKERS\n", argv[0]);
		return 2;
	}
	job_read(argv);
	while (table->name && !(table->run && is_workload(table->name)))
		table++;
	if (!table->name)
		return 3;
	begin();
	table->run();
	end();
	if (!reported) {
		char more[64];

		snprintf(more, sizeof(more), " cpu=%.3f",
			(double)spent / (double)job.n);
		report((double)(ended - began) / (double)job.n, more);
	}
	return 0;
}

#endif
