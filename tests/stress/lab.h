/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the stress programs share: random numbers that repeat from a seed,
 * checks, and a watchdog that ends a run that hangs and shows its state.
 */
#ifndef LAB_H
#define LAB_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <leat.h>

struct rng {
	uint64_t state;
};

/* mix makes one number of two, by which both are well spread. */
uint64_t mix(uint64_t a, uint64_t b);

uint64_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n);
bool rng_chance(struct rng *r, uint32_t percent);

/* Counters that threads share: relaxed, so that they order nothing. */
static inline uint64_t tick(uint64_t *p, uint64_t n)
{
	return __atomic_fetch_add(p, n, __ATOMIC_RELAXED);
}

static inline uint64_t peek(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void poke(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

/*
 * A watch: a run that must be over in time. If it is not, the watchdog prints
 * what it is, and the counts of its chain, and aborts.
 */
struct watch {
	char what[160];
	uint64_t deadline;
	leat_chain *chain;
	struct watch *next;
};

void watch_begin(struct watch *w, uint32_t seconds, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void watch_chain(struct watch *w, leat_chain *c); /* NULL: none any more */
void watch_end(struct watch *w);

/* slowness is the factor by which time limits grow, from LEAT_SLOW. */
uint32_t slowness(void);

/* fatal prints what went wrong and aborts. */
_Noreturn void fatal(const char *what, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* must: `cond` holds, or the run named `what` has failed. */
#define must(what, cond, ...)                     \
	do {                                      \
		if (__builtin_expect(!(cond), 0)) \
			fatal(what, __VA_ARGS__); \
	} while (0)

void show_counts(leat_chain *c);

pthread_t thread_start(void *(*body)(void *), void *arg);
void thread_join(pthread_t t);

/* fresh_seed differs from run to run. */
uint64_t fresh_seed(void);

#endif
