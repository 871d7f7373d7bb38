/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A gate that calls wait at until the test opens it, and that counts who has
 * arrived: so tests know what is running without sleeping. Nobody waits longer
 * than ten seconds.
 */
#ifndef TESTS_UNIT_GATE_H
#define TESTS_UNIT_GATE_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	int arrived;
	bool open;
};

#define GATE                                                                  \
	{                                                                     \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false \
	}

static inline struct timespec gate_deadline(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += 10;
	return t;
}

/* gate_pass waits until the gate is open; false when time is up. */
static inline bool gate_pass(struct gate *g)
{
	struct timespec t = gate_deadline();
	int rc = 0;

	pthread_mutex_lock(&g->lock);
	g->arrived++;
	pthread_cond_broadcast(&g->moved);
	while (!g->open && rc == 0)
		rc = pthread_cond_timedwait(&g->moved, &g->lock, &t);
	pthread_mutex_unlock(&g->lock);
	return rc == 0;
}

/* gate_await waits until n have arrived; false when time is up. */
static inline bool gate_await(struct gate *g, int n)
{
	struct timespec t = gate_deadline();
	int rc = 0;

	pthread_mutex_lock(&g->lock);
	while (g->arrived < n && rc == 0)
		rc = pthread_cond_timedwait(&g->moved, &g->lock, &t);
	pthread_mutex_unlock(&g->lock);
	return rc == 0;
}

static inline int gate_arrived(struct gate *g)
{
	int n;

	pthread_mutex_lock(&g->lock);
	n = g->arrived;
	pthread_mutex_unlock(&g->lock);
	return n;
}

static inline void gate_open(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->open = true;
	pthread_cond_broadcast(&g->moved);
	pthread_mutex_unlock(&g->lock);
}

#endif
