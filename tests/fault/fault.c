/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tests/fault/fault.h"
#include "tests/stress/lab.h"

static uint64_t mode, nth, uses, hits;
static uint64_t left;
static uint64_t wakes, wake_every;
static uint64_t looks, barriers;

void fault_arm(enum fault_mode m, uint64_t n)
{
	poke(&uses, 0);
	poke(&hits, 0);
	poke(&nth, n);
	poke(&mode, m);
}

uint64_t fault_disarm(void)
{
	poke(&mode, FAULT_NONE);
	return peek(&hits);
}

int64_t fault_left(void)
{
	return (int64_t)peek(&left);
}

uint64_t fault_wakes(uint32_t n)
{
	uint64_t so_far = peek(&wakes);

	poke(&wake_every, n);
	poke(&wakes, 0);
	return so_far;
}

uint64_t fault_looks(void)
{
	return __atomic_exchange_n(&looks, 0, __ATOMIC_RELAXED);
}

/* fails: this use does. */
static bool fails(void)
{
	uint64_t use, n = peek(&nth);
	bool hit;

	if (peek(&mode) == FAULT_NONE)
		return false;
	use = tick(&uses, 1) + 1;
	if (peek(&mode) == FAULT_ONCE)
		hit = use == n;
	else if (peek(&mode) == FAULT_FROM)
		hit = use >= n;
	else
		hit = mix(use, leat_now()) % n == 0;
	if (hit)
		tick(&hits, 1);
	return hit;
}

static void *made(void *p)
{
	if (p != NULL)
		tick(&left, 1);
	return p;
}

static int made_if(int rc)
{
	if (rc == 0)
		tick(&left, 1);
	return rc;
}

static int gone(int rc)
{
	tick(&left, UINT64_MAX);
	return rc;
}

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

#define FAULT(name) fault_##name

/* The names are the library's; nothing else calls these. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

void *FAULT(malloc)(size_t n)
{
	return fails() ? no_memory() : made(malloc(n));
}

void *FAULT(calloc)(size_t n, size_t size)
{
	return fails() ? no_memory() : made(calloc(n, size));
}

void *FAULT(aligned_alloc)(size_t align, size_t n)
{
	return fails() ? no_memory() : made(aligned_alloc(align, n));
}

char *FAULT(strdup)(const char *s)
{
	return fails() ? no_memory() : made(strdup(s));
}

void *FAULT(realloc)(void *p, size_t n)
{
	if (fails())
		return no_memory();
	return p == NULL ? made(realloc(p, n)) : realloc(p, n);
}

void FAULT(free)(void *p)
{
	if (p != NULL)
		gone(0);
	free(p);
}

int FAULT(pthread_create)(pthread_t *t, const pthread_attr_t *attr,
	void *(*body)(void *), void *arg)
{
	return fails() ? EAGAIN : made_if(pthread_create(t, attr, body, arg));
}

int FAULT(pthread_join)(pthread_t t, void **result)
{
	return gone(pthread_join(t, result));
}

int FAULT(pthread_mutex_init)(pthread_mutex_t *m, const pthread_mutexattr_t *a)
{
	return fails() ? ENOMEM : made_if(pthread_mutex_init(m, a));
}

int FAULT(pthread_mutex_destroy)(pthread_mutex_t *m)
{
	return gone(pthread_mutex_destroy(m));
}

int FAULT(pthread_cond_init)(pthread_cond_t *c, const pthread_condattr_t *a)
{
	return fails() ? EAGAIN : made_if(pthread_cond_init(c, a));
}

int FAULT(pthread_cond_destroy)(pthread_cond_t *c)
{
	return gone(pthread_cond_destroy(c));
}

int FAULT(pthread_attr_init)(pthread_attr_t *a)
{
	return fails() ? ENOMEM : made_if(pthread_attr_init(a));
}

int FAULT(pthread_attr_destroy)(pthread_attr_t *a)
{
	return gone(pthread_attr_destroy(a));
}

int FAULT(pthread_attr_setstacksize)(pthread_attr_t *a, size_t n)
{
	return fails() ? ENOMEM : pthread_attr_setstacksize(a, n);
}

int FAULT(pthread_setname_np)(pthread_t t, const char *name)
{
	return fails() ? ERANGE : pthread_setname_np(t, name);
}

FILE *FAULT(fopen)(const char *path, const char *how)
{
	if (fails()) {
		errno = EMFILE;
		return NULL;
	}
	return made(fopen(path, how));
}

int FAULT(fclose)(FILE *f)
{
	return gone(fclose(f));
}

int FAULT(sched_getaffinity)(pid_t pid, size_t n, cpu_set_t *set)
{
	if (fails()) {
		errno = EINVAL;
		return -1;
	}
	return sched_getaffinity(pid, n, set);
}

cpu_set_t *FAULT(__sched_cpualloc)(size_t n)
{
	return fails() ? no_memory() : made(CPU_ALLOC(n));
}

void FAULT(__sched_cpufree)(cpu_set_t *set)
{
	gone(0);
	CPU_FREE(set);
}

int FAULT(madvise)(void *p, size_t n, int advice)
{
	if (fails()) {
		errno = ENOMEM;
		return -1;
	}
	return madvise(p, n, advice);
}

int FAULT(clock_gettime)(clockid_t clock, struct timespec *ts)
{
	must("the library",
		clock == CLOCK_MONOTONIC || clock == CLOCK_PROCESS_CPUTIME_ID,
		"clock %d, which may be set", (int)clock);
	tick(&looks, 1);
	return clock_gettime(clock, ts);
}

static bool wakes_early(void)
{
	uint64_t every = peek(&wake_every);
	uint64_t n;

	if (every == 0)
		return false;
	n = tick(&wakes, 1);
	if (n % every != 0)
		return false;
	errno = n / every % 3 == 0 ? EINTR : n / every % 3 == 1 ? EAGAIN : 0;
	return true;
}

static bool is_past(const struct timespec *until)
{
	return until != NULL &&
	       (uint64_t)until->tv_sec * LEAT_S + (uint64_t)until->tv_nsec <=
		       leat_now();
}

/* Asked for a fence of all threads the kernel may refuse, at any time. */
static long membarrier(int command, int flags)
{
	if (peek(&mode) != FAULT_NONE && tick(&barriers, 1) % 2 == 0) {
		errno = EPERM;
		return -1;
	}
	return syscall(SYS_membarrier, command, flags, 0);
}

/* A futex fails in no other way that a program could live with. The kernel
 * looks at the deadline whatever happens. */
long FAULT(syscall)(long number, uint32_t *word, int op, uint32_t value,
	const struct timespec *until, uint32_t *other, uint32_t bits)
{
	if (number == SYS_membarrier)
		return membarrier((int)(uintptr_t)word, op);
	must("the library", number == SYS_futex, "system call %ld", number);
	must("the library", !(op & FUTEX_CLOCK_REALTIME),
		"a wait by the wall clock");
	if ((op & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && !is_past(until) &&
		wakes_early())
		return errno == 0 ? 0 : -1;
	return syscall(number, word, op, value, until, other, bits);
}
