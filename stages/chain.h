/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chain inside: rows become stages, the places between them edges.
 *
 *	edge[0] -> stage[0] -> edge[1] -> ... -> stage[n - 1] -> edge[n]
 *
 * edge[0] has no queue when the first row is a source, and edge[n] has none
 * unless the chain has results.
 */
#ifndef LEAT_CHAIN_INTERNAL_H
#define LEAT_CHAIN_INTERNAL_H

#include <leat/chain.h>
#include "queues/queue.h"
#include "stages/edge.h"
#include "stages/fail.h"
#include "stages/pool.h"
#include "stages/stage.h"

/* What has come over a chain. */
enum over {
	OVER_STOPPED = 1, /* leat_stop: no more input is wanted */
	OVER_HALTED = 2	  /* cancelled or failed: what is in flight is freed */
};

/* Who pulls: 0 nobody so far, PULLERS_MANY several, else one thread. */
#define PULLERS_MANY UINT64_MAX

/* What a fan does in its chain; NULL for none. */
struct hooks {
	void (*look)(void *arg); /* see struct wait */
	void *look_arg;
	/* A batch was little work, and is over; returns how long it waited. */
	uint64_t (*thin)(void *look_arg);
	bool single; /* one thread at a time puts items into the chain */
	/* Items have been taken, and are about to run. */
	void (*taken)(void *const *items, size_t n);
	/* A call has ended its thread: in its stead this returns, as the row's
	 * function would have; and the chain goes on. */
	int (*ended)(void *in, void **out, leat_worker *w);
	/* What the worker is at is wanted no more: for leat_stopping. */
	bool (*unwanted)(const leat_worker *w);
};

struct leat_chain {
	/* Read-only once open. */
	struct stage *stage;
	struct edge *edge;
	size_t n;
	leat_opts opts;
	struct pool pool;
	struct hooks hooks;
	struct thread *thread;
	size_t threads; /* that have been made, whether or not they run */
	/* Written when the state changes. */
	_Alignas(LINE) uint64_t over; /* enum over */
	uint64_t puller;
	struct fail fail;
	/* Workers that wait to retry; threads in leat_wait. */
	_Alignas(LINE) struct park resting;
	_Alignas(LINE) struct bell passed;
	_Alignas(LINE) struct crew crew;
};

/* chain_open is leat_open, for who has hooks; why it failed goes to the
 * report. */
int chain_open(leat_chain **c, const leat_stage *rows, size_t n,
	const leat_opts *opts, const struct hooks *hooks, leat_report *r);

/* chain_halt stops everything at once and wakes every blocked thread. */
void chain_halt(leat_chain *c);

/* chain_pull takes up to max results; it waits for one until the deadline, or,
 * if that is 0, not at all. */
int chain_pull(
	leat_chain *c, void **items, size_t max, size_t *n, uint64_t deadline);

/* chain_code is what a halted chain returns: its failure or -ECANCELED. */
int chain_code(leat_chain *c);

static inline bool chain_halted(const leat_chain *c)
{
	return unlikely(load_relaxed(&c->over) & OVER_HALTED);
}

/* chain_stopping: no more input is wanted. */
static inline bool chain_stopping(const leat_chain *c)
{
	return unlikely(load_relaxed(&c->over) != 0);
}

/* chain_inside: the caller is a worker of the chain. */
static inline bool chain_inside(const leat_chain *c)
{
	const leat_worker *w = stage_self();

	return unlikely(w != NULL && w->stage->chain == c);
}

/* know_taker remembers whether it is always the same thread that takes: see
 * PULLERS_MANY. */
static inline void know_taker(uint64_t *who)
{
	uint64_t known = load_relaxed(who);
	uint64_t me = thread_id();

	if (likely(known == me || known == PULLERS_MANY))
		return;
	if (known != 0 || !cas(who, &known, me))
		store_relaxed(who, PULLERS_MANY);
}

#endif
