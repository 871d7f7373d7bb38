/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the unit tests share: items that tell on whoever mishandles them,
 * checks for threads other than the main one (in which an assertion of
 * Criterion's would jump across stacks), threads, and waiting for others to
 * sleep. Every test ends with settle, which asserts that no check has failed
 * and no item is left.
 */
#ifndef UNIT_H
#define UNIT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <leat.h>
#include "queues/park.h"

/* gcc says it with a macro, clang with a feature. */
#ifdef __has_feature
#define FEATURE(name) __has_feature(name)
#else
#define FEATURE(name) 0
#endif

/*
 * ThreadSanitizer has a thread of its own, makes stacks larger, allows no
 * threads in a child of a process that has some, and does not see what a thread
 * locks once it is cancelled.
 */
#if defined(__SANITIZE_THREAD__) || FEATURE(thread_sanitizer)
#define THREAD_SANITIZER 1
#else
#define THREAD_SANITIZER 0
#endif

/* Both need much memory, and follow no jumps across stacks. */
#if defined(__SANITIZE_ADDRESS__) || FEATURE(address_sanitizer) || \
	THREAD_SANITIZER
#define SANITIZER 1
#else
#define SANITIZER 0
#endif

/* A sanitizer is slow, and finds what it looks for in fewer rounds. */
#define FEWER(n) (SANITIZER ? (n) / 4 : (n))

void settle(void);

/* TEST is a test with a time limit that settles: a failure after the end of a
 * test, in its .fini, would not count. */
#define TEST(suite, name)                 \
	static void suite##_##name(void); \
	Test(suite, name, .timeout = 30)  \
	{                                 \
		suite##_##name();         \
		settle();                 \
	}                                 \
	static void suite##_##name(void)

#define EACH(i, array) \
	for (size_t i = 0; i < sizeof(array) / sizeof(*(array)); i++)

/* check counts a failure; any thread may. */
#define check(condition) \
	((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))
void check_failed(const char *file, int line, const char *condition);

/* Items */

/* item_make allocates the item that says n. Any thread may. */
void *item_make(uint64_t n);

/* item_n is what an item says; freed ones are found out. */
uint64_t item_n(const void *item);

/* item_free: an item freed twice is found out. */
void item_free(void *item);

/* item_raw is an item that is not allocated, but a number. */
static inline void *item_raw(uint64_t n)
{
	return (void *)(uintptr_t)n;
}

uint64_t items_made(void);
uint64_t items_alive(void);

/* A bit for each item: none twice, none missing. */
struct bits {
	uint64_t *word;
	uint64_t n;
};

struct bits bits_open(uint64_t n);
void bits_set(struct bits *b, uint64_t i); /* any thread; checks */
uint64_t bits_count(const struct bits *b); /* how many are set */
void bits_close_full(struct bits *b);	   /* asserts that all are */

/* Threads */

#define THREADS_MAX 64

typedef void thread_body(void *arg, size_t index);

struct threads {
	pthread_t thread[THREADS_MAX];
	size_t n;
};

void threads_start(struct threads *t, size_t n, thread_body *body, void *arg);
void threads_join(struct threads *t);

/* with_threads runs the body in n threads and joins them. */
void with_threads(size_t n, thread_body *body, void *arg);

/* A gate that threads wait at until it is opened. */
struct gate {
	uint64_t arrived, open;
};

void gate_pass(struct gate *g);
void gate_await(struct gate *g, uint64_t n); /* until n have arrived */
void gate_open(struct gate *g);

/* is_deserted: nobody is in the park, also none that is woken. */
static inline bool is_deserted(const struct park *p)
{
	return (load_relaxed(&p->word) & ~PARK_QUIET) == 0;
}

/* await_parked waits until n threads have announced that they will sleep. */
void await_parked(const struct park *p, uint64_t n);

/* await_at_least waits until a counter has grown to n. */
void await_at_least(const uint64_t *counter, uint64_t n);

static inline uint64_t count_up(uint64_t *counter)
{
	return __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
}

static inline uint64_t look(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

/* rest sleeps: only to give time to what must not happen. */
void rest(uint64_t ns);

/* A small generator of numbers (G. Marsaglia's xorshift). */
uint64_t next_random(uint64_t *seed);

/* limit_memory lets this process have so much more memory, in bytes; false
 * under a sanitizer, which needs it all. */
bool limit_memory(uint64_t more);
void unlimit_memory(void);

/* Chains */

/*
 * chain_rest ends the input, takes and frees the results, and waits until
 * every worker has left: then figures stand still.
 */
void chain_rest(leat_chain *c);

/* chain_balance asserts that every item of a chain at rest is accounted for.
 */
void chain_balance(leat_chain *c);

/* chain_close rests, asserts the balance, and closes. */
int chain_close(leat_chain *c);

/* open_chain opens, and asserts that it worked. Unless opts say otherwise the
 * report of leat_close is unit_report. */
extern leat_report unit_report;
leat_chain *open_chain(const leat_stage *rows, size_t n, const leat_opts *opts);

/* single is a chain of one row, whose pushed items are item_free'd. */
leat_chain *single(leat_stage row, uint64_t results);

/* push_items pushes items that say first, first + 1, ...; n of them. */
void push_items(leat_chain *c, uint64_t first, uint64_t n);

/* Stage functions */

/* pass hands on what it gets. */
int pass(void *in, void **out, leat_worker *w);

/* swallow hands on NULL, and lets the chain free what it got. */
int swallow(void *in, void **out, leat_worker *w);

/* drop drops what it gets. */
int drop(void *in, void **out, leat_worker *w);

/* hold waits at the gate that is its arg, then passes on. */
int hold(void *in, void **out, leat_worker *w);

/* fail_at_once fails with -EIO. */
int fail_at_once(void *in, void **out, leat_worker *w);

/* add adds what the item says to the uint64_t that is its arg. */
int add(void *in, void **out, leat_worker *w);

/* twice makes an item that says double of what it gets. */
int twice(void *in, void **out, leat_worker *w);

/* count_down is a source of as many items as its arg, a uint64_t, says; they
 * count down to 1. For one worker. */
int count_down(void *in, void **out, leat_worker *w);

#endif
