/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include "queues/atomic.h"
#include "stages/pool.h"

static uint64_t threads; /* that have a number */
static _Thread_local uint64_t id;

int pool_init(struct pool *p, size_t n)
{
	int rc;

	*p = (struct pool){.thread = calloc(n, sizeof(pthread_t))};
	if (p->thread == NULL)
		return -ENOMEM;
	rc = -pthread_mutex_init(&p->lock, NULL);
	if (rc < 0)
		goto no_lock;
	rc = -pthread_cond_init(&p->came, NULL);
	if (rc < 0)
		goto no_came;
	rc = -pthread_cond_init(&p->opened, NULL);
	if (rc == 0)
		return 0;
	pthread_cond_destroy(&p->came);
no_came:
	pthread_mutex_destroy(&p->lock);
no_lock:
	free(p->thread);
	p->thread = NULL;
	return rc;
}

void pool_join(struct pool *p)
{
	for (size_t i = 0; i < p->n; i++)
		pthread_join(p->thread[i], NULL);
	p->n = 0;
}

void pool_fini(struct pool *p)
{
	if (p->thread == NULL)
		return;
	pool_join(p);
	pthread_cond_destroy(&p->opened);
	pthread_cond_destroy(&p->came);
	pthread_mutex_destroy(&p->lock);
	free(p->thread);
}

/* start_blocked: a thread inherits the mask of the one that creates it, so no
 * signal ever finds it unblocked. */
static int start_blocked(
	pthread_t *t, const pthread_attr_t *attr, pool_main *body, void *arg)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(t, attr, body, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

int pool_start(struct pool *p, pool_main *body, void *arg, size_t stack)
{
	pthread_attr_t attr;
	int rc = -pthread_attr_init(&attr);

	if (rc < 0)
		return rc;
	if (stack != 0)
		rc = -pthread_attr_setstacksize(&attr, stack);
	if (rc == 0)
		rc = start_blocked(&p->thread[p->n], &attr, body, arg);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		p->n++;
	return rc;
}

int pool_release(struct pool *p, int code)
{
	pthread_mutex_lock(&p->lock);
	while (p->arrived < p->n)
		pthread_cond_wait(&p->came, &p->lock);
	if (code == 0)
		code = p->code;
	p->open = code == 0 ? 1 : -1;
	pthread_cond_broadcast(&p->opened);
	pthread_mutex_unlock(&p->lock);
	return code;
}

int pool_arrive(struct pool *p, int code)
{
	int open;

	pthread_mutex_lock(&p->lock);
	p->arrived++;
	if (p->code == 0)
		p->code = code;
	pthread_cond_signal(&p->came);
	while (p->open == 0)
		pthread_cond_wait(&p->opened, &p->lock);
	open = p->open;
	pthread_mutex_unlock(&p->lock);
	return open == 1 ? 0 : -ECANCELED;
}

uint64_t thread_id(void)
{
	if (unlikely(id == 0))
		id = fetch_add(&threads, 1) + 1;
	return id;
}
