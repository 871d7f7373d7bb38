/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads joined by mutex queues, three times:
 *
 *	mutex		BATCH 1: an item, a lock, a signal
 *	mutex-hand	BATCH 64: the user gathers 64 items before a push
 *	mutex-inside	BATCH 64, PATIENT: the user sees single items; inside,
 *			what one lock took is handed on with one lock, nobody
 *			waits to fill a batch, and all yield before they sleep
 */
#include <stdatomic.h>

#include "alone.h"
#include "mutex.h"

/* Items in flight in an ordered chain, at most. */
#define WINDOW	    (1u << 16)
#define WORKERS_MAX 1024

static struct queue queues[WORKERS_MAX];

/* A worker of a chain, and what it has taken and made. */
struct worker {
	pthread_t thread;
	struct queue *in, *out;
	unsigned taken, next, made;
	uint64_t take[BATCH], make[BATCH];
};

static struct worker workers[WORKERS_MAX];
static unsigned worker_count;

static void flush(struct worker *w)
{
	if (w->made)
		queue_push(w->out, w->make, w->made);
	w->made = 0;
}

static inline void give(struct worker *w, uint64_t x)
{
	w->make[w->made++] = x;
	if (w->made == BATCH)
		flush(w);
}

static inline int take(struct worker *w, uint64_t *x)
{
	if (w->next == w->taken) {
		if (PATIENT)
			flush(w);
		w->taken = queue_pop(w->in, w->take, BATCH);
		w->next = 0;
		if (!w->taken)
			return 0;
	}
	*x = w->take[w->next++];
	return 1;
}

static void finish(struct worker *w)
{
	flush(w);
	queue_end(w->out);
}

/*
 * In an ordered chain the items are places; what was made of them lies in a
 * window, and the sink goes through it in order. The source keeps within it.
 */
static uint64_t window[WINDOW];
static char arrived[WINDOW];
static _Atomic uint64_t sunk;

static void *source_thread(void *arg)
{
	struct worker *w = (struct worker *)arg;

	for (uint64_t i = 0; i < job.n; i++) {
		while (job.ordered && i - sunk >= WINDOW)
			sched_yield();
		give(w, source(i));
	}
	finish(w);
	return NULL;
}

static uint64_t place(uint64_t x)
{
	window[x % WINDOW] = middle(x);
	return x;
}

static void *middle_thread(void *arg)
{
	struct worker *w = (struct worker *)arg;
	uint64_t x;

	while (take(w, &x))
		give(w, job.ordered ? place(x) : middle(x));
	finish(w);
	return NULL;
}

static void sink_in_order(uint64_t x)
{
	uint64_t next = atomic_load_explicit(&sunk, memory_order_relaxed);

	arrived[x % WINDOW] = 1;
	for (; arrived[source(next) % WINDOW]; next++) {
		arrived[source(next) % WINDOW] = 0;
		sink(window[source(next) % WINDOW]);
	}
	atomic_store_explicit(&sunk, next, memory_order_release);
}

static void *sink_thread(void *arg)
{
	struct worker *w = (struct worker *)arg;
	uint64_t x;

	while (take(w, &x)) {
		if (job.ordered)
			sink_in_order(x);
		else
			sink(x);
	}
	return NULL;
}

static void start(
	void *(*run)(void *), struct queue *in, struct queue *out, unsigned n)
{
	if (out)
		queue_init(out, n);
	while (n--) {
		struct worker *w = &workers[worker_count++];

		w->in = in;
		w->out = out;
		pthread_create(&w->thread, NULL, run, w);
	}
}

static void join(void)
{
	while (worker_count)
		pthread_join(workers[--worker_count].thread, NULL);
}

/* The middle stages lead from queue 0 to the one that is returned. */
static struct queue *start_middles(void)
{
	struct queue *q = queues;

	for (unsigned s = 2; s < job.stages; s++, q++)
		start(middle_thread, q, q + 1, job.workers);
	return q;
}

static void run_chain(void)
{
	start(source_thread, NULL, queues, 1);
	start(sink_thread, start_middles(), NULL, 1);
	join();
}

static struct worker feeder, drain;

static void push(uint64_t x)
{
	give(&feeder, x);
	flush(&feeder);
}

static uint64_t pull(void)
{
	uint64_t x = 0;

	take(&drain, &x);
	return x;
}

static void run_latency(void)
{
	queue_init(queues, 1);
	feeder.out = queues;
	drain.out = queues;
	drain.in = start_middles();
	latency(push, pull);
	queue_end(queues);
	join();
}

static uint64_t *table;

static void *call_thread(void *arg)
{
	struct worker *w = (struct worker *)arg;
	uint64_t i;

	while (take(w, &i))
		table[i] = middle(source(i));
	return NULL;
}

static void calls(uint64_t *results)
{
	table = results;
	queue_init(queues, 1);
	start(call_thread, queues, NULL, job.workers);
	feeder.out = queues;
	for (uint64_t i = 0; i < job.n; i++)
		give(&feeder, i);
	finish(&feeder);
	join();
}

static void run_fan(void)
{
	fan(calls);
}

static void alone_open(void)
{
	queue_init(queues, job.workers);
}

static void alone_push(const uint64_t *x, unsigned n)
{
	queue_push(queues, x, n);
}

static unsigned alone_pop(uint64_t *x, unsigned max)
{
	return queue_pop(queues, x, max);
}

int main(int argc, char **argv)
{
	static const struct workload all[] = {{"chain", run_chain},
		{"slow", run_chain}, {"ordered", run_chain},
		{"deep", run_chain}, {"wide", run_chain}, {"fan", run_fan},
		{"latency", BATCH == 1 || PATIENT ? run_latency : NULL},
		{"queue", alone}, {NULL, NULL}};

	return bench(argc, argv, all);
}
