/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two threads wait for two calls. The first call ends at about the moment at
 * which the second thread begins to wait; the second call ends once the first
 * thread is back. A wake for the first thread that the second one took would
 * stop them both for ever.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <leat.h>

#define ROUNDS 4000

static atomic_int go, back;

static void until(atomic_int *flag)
{
	while (!atomic_load(flag))
		sched_yield();
}

static int wait_for(void *in, void *out, leat_worker *w)
{
	(void)out;
	(void)w;
	until(*(uint64_t *)in % 2 == 0 ? &go : &back);
	return 0;
}

static void *first(void *handle)
{
	if (leat_handle_wait(handle, NULL, LEAT_NEVER) != 0)
		exit(1);
	atomic_store(&back, 1);
	return NULL;
}

static void round_of(leat_fan *f, uint64_t n)
{
	leat_handle *handle[2];
	pthread_t thread;

	atomic_store(&go, 0);
	atomic_store(&back, 0);
	for (uint64_t i = 0; i < 2; i++) {
		leat_call_opts opts = {.handle = &handle[i]};

		if (leat_call_with(f, leat_u64(2 * n + i), NULL, 0, &opts) != 0)
			exit(1);
	}
	if (pthread_create(&thread, NULL, first, handle[0]) != 0)
		exit(1);
	/* So that the first thread sleeps, some of the time. */
	for (uint64_t i = 0; i < n % 16; i++)
		sched_yield();
	atomic_store(&go, 1);
	if (leat_handle_wait(handle[1], NULL, LEAT_NEVER) != 0)
		exit(1);
	pthread_join(thread, NULL);
	leat_handle_free(handle[0]);
	leat_handle_free(handle[1]);
	if (leat_fan_wait(f) != 0)
		exit(1);
}

int main(void)
{
	leat_fan_opts opts = {.fn = wait_for, .workers = 2};
	leat_fan *f;

	if (leat_fan_open(&f, &opts) != 0)
		return 1;
	for (uint64_t n = 0; n < ROUNDS; n++)
		round_of(f, n);
	return leat_fan_close(f) == 0 ? 0 : 1;
}
