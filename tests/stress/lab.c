/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tests/stress/lab.h"

#define ROWS 16

/* After S. Vigna's splitmix64. */
static uint64_t scramble(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

uint64_t mix(uint64_t a, uint64_t b)
{
	return scramble(scramble(a + UINT64_C(0x9E3779B97F4A7C15)) + b);
}

uint64_t rng_next(struct rng *r)
{
	r->state += UINT64_C(0x9E3779B97F4A7C15);
	return scramble(r->state);
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(rng_next(r) % n);
}

bool rng_chance(struct rng *r, uint32_t percent)
{
	return rng_below(r, 100) < percent;
}

uint32_t slowness(void)
{
	const char *s = getenv("LEAT_SLOW");
	int n = s == NULL ? 1 : atoi(s);

	return n < 1 ? 1 : (uint32_t)n;
}

void show_counts(leat_chain *c)
{
	leat_counts k[ROWS];
	size_t n = leat_stats(c, k, ROWS);

	for (size_t i = 0; i < n && i < ROWS; i++)
		fprintf(stderr,
			"  row %zu %-8s x%u: taken %" PRIu64 ", done %" PRIu64
			", dropped %" PRIu64 ", failed %" PRIu64
			", cancelled %" PRIu64 ", retried %" PRIu64
			", gave %" PRIu64 ", freed %" PRIu64 ", depth %" PRIu64
			" of %" PRIu64 "\n",
			i, k[i].stage, k[i].workers, k[i].taken, k[i].done,
			k[i].dropped, k[i].failed, k[i].cancelled, k[i].retried,
			k[i].gave, k[i].freed, k[i].depth, k[i].capacity);
}

static struct {
	pthread_mutex_t lock;
	pthread_once_t once;
	struct watch *first;
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

_Noreturn void fatal(const char *what, const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "FAILED: %s: ", what);
	if (dog.first != NULL && dog.first->what != what)
		fprintf(stderr, "(in %s) ", dog.first->what);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	abort();
}

static void look(void)
{
	uint64_t now = leat_now();

	pthread_mutex_lock(&dog.lock);
	for (struct watch *w = dog.first; w != NULL; w = w->next) {
		if (now < w->deadline)
			continue;
		fflush(stdout);
		fprintf(stderr, "FAILED: %s: hangs\n", w->what);
		if (w->chain != NULL)
			show_counts(w->chain);
		abort();
	}
	pthread_mutex_unlock(&dog.lock);
}

static void *watch_all(void *arg)
{
	struct timespec pause = {.tv_nsec = 200 * 1000 * 1000};

	(void)arg;
	for (;;) {
		nanosleep(&pause, NULL);
		look();
	}
	return NULL;
}

static void start_dog(void)
{
	pthread_detach(thread_start(watch_all, NULL));
}

void watch_begin(struct watch *w, uint32_t seconds, const char *fmt, ...)
{
	va_list args;

	pthread_once(&dog.once, start_dog);
	va_start(args, fmt);
	vsnprintf(w->what, sizeof(w->what), fmt, args);
	va_end(args);
	w->deadline = leat_after(seconds * slowness() * LEAT_S);
	w->chain = NULL;
	pthread_mutex_lock(&dog.lock);
	w->next = dog.first;
	dog.first = w;
	pthread_mutex_unlock(&dog.lock);
}

void watch_chain(struct watch *w, leat_chain *c)
{
	pthread_mutex_lock(&dog.lock);
	w->chain = c;
	pthread_mutex_unlock(&dog.lock);
}

void watch_end(struct watch *w)
{
	struct watch **at = &dog.first;

	pthread_mutex_lock(&dog.lock);
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	pthread_mutex_unlock(&dog.lock);
}

pthread_t thread_start(void *(*body)(void *), void *arg)
{
	pthread_t t;
	int rc = pthread_create(&t, NULL, body, arg);

	must("a thread of the test", rc == 0, "%s", strerror(rc));
	return t;
}

void thread_join(pthread_t t)
{
	int rc = pthread_join(t, NULL);

	must("a thread of the test", rc == 0, "%s", strerror(rc));
}

uint64_t fresh_seed(void)
{
	return mix(leat_now(), (uint64_t)getpid()) % 1000000000;
}
