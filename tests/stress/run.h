/* SPDX-License-Identifier: BSD-2-Clause */
/* A random chain at work: what its functions, feeders and drainers share. */
#ifndef RUN_H
#define RUN_H

#include "tests/stress/serial.h"

#define SIDES_MAX 3 /* threads that push, or that pull */

struct run;

/* A row at work. Its functions write it, with relaxed atomics. */
struct row_run {
	struct run *run;
	const struct row_spec *spec;
	bool source;
	struct row_sums sums;
	uint64_t owner[GROUPS]; /* by key: its worker's index + 1 */
	uint64_t lost;		/* failures for want of memory */
};

struct side {
	struct run *run;
	uint64_t index;
	struct worths worths; /* what went in, or came out, in order */
};

struct run {
	const struct spec *spec;
	struct watch watch;
	struct ledger ledger;
	struct row_run row[ROWS_MAX];
	struct side push[SIDES_MAX], pull[SIDES_MAX];
	uint64_t made[WORKERS_MAX]; /* items of each of a source's workers */
	leat_chain *chain;	    /* atomic: NULL until it is open */
	uint64_t clock[WHENS];	    /* what the moment is counted in */
	uint64_t acted;		    /* the event has come */
	uint64_t pushing;	    /* threads still at it */
	uint64_t shown;		    /* items that the hook got */
	bool faulty;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t closed;
	uint32_t closes; /* workers that have closed */
};

/* run_clock moves a clock, and brings the event about when it is time. */
void run_clock(struct run *r, enum when when);

/* The functions of the rows. */
int row_fn(void *in, void **out, leat_worker *w);
int row_source(void *in, void **out, leat_worker *w);
int row_open(void **state, leat_worker *w);
int row_flush(leat_worker *w);
void row_close(void *state);
uint64_t row_key_fine(const void *item, void *arg);
uint64_t row_key_coarse(const void *item, void *arg);
int run_failed(void *item, const leat_report *report, void *run);

/* The threads around the chain. */
void *run_push(void *side);
void *run_pull(void *side);
void *run_timer(void *run);
void run_alone(struct run *r);

#endif
