/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool: the threads of a chain. All of them start, do their opening step,
 * and wait at a gate until every one is through, or one has failed.
 */
#ifndef LEAT_POOL_H
#define LEAT_POOL_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct pool {
	pthread_t *thread;
	size_t n;	       /* threads started */
	pthread_mutex_t lock;  /* of what follows */
	pthread_cond_t came;   /* arrived has changed: for pool_release */
	pthread_cond_t opened; /* open has: for the threads at the gate */
	size_t arrived;	       /* threads at the gate */
	int code;	       /* the first failure of an opening step */
	int open;	       /* 0 shut, 1 pass, -1 turn back */
};

typedef void *pool_main(void *arg);

/* pool_init makes room for n threads; 0 or a negative errno. */
int pool_init(struct pool *p, size_t n);

/* pool_join waits for the end of every thread. */
void pool_join(struct pool *p);

/* pool_fini joins, and frees what the pool has. */
void pool_fini(struct pool *p);

/* pool_start starts one more thread, with every signal blocked in it. */
int pool_start(struct pool *p, pool_main *body, void *arg, size_t stack);

/*
 * pool_release waits until every thread started has arrived at the gate, and
 * lets them pass if `code` and all their codes are 0; it returns the first
 * that is not.
 */
int pool_release(struct pool *p, int code);

/* pool_arrive waits at the gate; it returns 0 to pass, else to turn back. */
int pool_arrive(struct pool *p, int code);

/* thread_id is the calling thread's own number, not 0. Unlike pthread_self's,
 * no later thread gets it. */
uint64_t thread_id(void);

#endif
