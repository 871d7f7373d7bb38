/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <leat/error.h>
#include "queues/park.h"
#include "queues/wait.h"

#define WAITER	  (UINT64_C(1) << 32)
#define TOKEN	  UINT64_C(1)
#define TOKENS(w) ((uint32_t)(w))

#ifdef LEAT_PERTURB /* quiet all the time */
#define CALM 2
#else
#define CALM 512 /* fences that cost about as much as one of all threads */
#endif

uint64_t may_fence_all;

static bool membarrier(int command)
{
	int saved = errno;
	bool done = syscall(SYS_membarrier, command, 0, 0) == 0;

	errno = saved;
	return done;
}

void park_open(void)
{
	if (load_relaxed(&may_fence_all) == 0)
		store_relaxed(&may_fence_all,
			membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
}

/* If it is forbidden by now, a while does: no store stays in a buffer for so
 * long. */
void fence_all(void)
{
	if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		return;
	store_relaxed(&may_fence_all, 0);
	wait_pause(leat_after(LEAT_MS));
}

/* The lower half of the word, tokens or rings, is what the kernel looks at. */
static uint32_t *futex_word(uint64_t *word)
{
	return (uint32_t *)word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

static void futex_wake(uint64_t *word, int n)
{
	syscall(SYS_futex, futex_word(word), FUTEX_WAKE_PRIVATE, n, NULL, NULL,
		0);
}

/* futex_sleep waits while the lower half is `low`; false when time is up. */
/* model: queue.pml park_wait */
static bool futex_sleep(uint64_t *word, uint32_t low, uint64_t deadline)
{
	struct timespec ts = {
		.tv_sec = (time_t)(deadline / LEAT_S),
		.tv_nsec = (long)(deadline % LEAT_S),
	};
	long rc = syscall(SYS_futex, futex_word(word),
		FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, low,
		deadline == LEAT_NEVER ? NULL : &ts, NULL,
		FUTEX_BITSET_MATCH_ANY);

	return rc == 0 || errno != ETIMEDOUT;
}

/* model: queue.pml park_announce */
void park_announce(struct park *p)
{
	uint64_t w = fetch_add(&p->word, WAITER) + WAITER;

	fence_full();
	if (!(w & PARK_QUIET))
		return;
	fence_all();
	while (w & PARK_QUIET && !cas(&p->word, &w, w & ~PARK_QUIET))
		;
}

/* model: queue.pml park_look */
bool park_look(struct park *p, uint64_t *calm)
{
	uint64_t n = load_relaxed(calm) + 1, nobody = 0;

	fence_full();
	if (park_busy(p)) {
		store_relaxed(calm, 0);
		return true;
	}
	if (n >= CALM && load_relaxed(&may_fence_all) != 0) {
		n = 0;
		cas(&p->word, &nobody, PARK_QUIET);
	}
	store_relaxed(calm, n);
	return false;
}

/* No waiter left means that our wake is on its way: its token is ours. */
/* model: queue.pml park_retract */
void park_retract(struct park *p)
{
	uint64_t w = load_relaxed(&p->word);

	while (!cas(&p->word, &w, w - (PARK_WAITERS(w) ? WAITER : TOKEN)))
		;
}

/* model: queue.pml park_wait */
static bool take_token(struct park *p)
{
	uint64_t w = load_relaxed(&p->word);

	while (TOKENS(w))
		if (cas(&p->word, &w, w - TOKEN))
			return true;
	return false;
}

int park_wait(struct park *p, uint64_t deadline)
{
	int saved = errno;
	int rc = 0;

	while (!take_token(p)) {
		if (!futex_sleep(&p->word, 0, deadline)) {
			park_retract(p);
			rc = -ETIMEDOUT;
			break;
		}
	}
	errno = saved;
	return rc;
}

/* model: queue.pml park_post */
void park_post(struct park *p)
{
	uint64_t w = load_relaxed(&p->word);
	int saved = errno;

	do {
		if (!PARK_WAITERS(w) || TOKENS(w))
			return;
	} while (!cas(&p->word, &w, w - WAITER + TOKEN));
	futex_wake(&p->word, 1);
	errno = saved;
}

/* model: queue.pml park_post_all */
void park_post_all(struct park *p)
{
	uint64_t w = load_relaxed(&p->word);
	int saved = errno;

	do {
		if (!PARK_WAITERS(w))
			return;
	} while (!cas(
		&p->word, &w, (w & PARK_QUIET) + TOKENS(w) + PARK_WAITERS(w)));
	futex_wake(&p->word, INT_MAX);
	errno = saved;
}

/* model: order.pml bell_listen */
uint32_t bell_listen(struct bell *b)
{
	uint64_t w = fetch_add(&b->word, WAITER);

	fence_full();
	return (uint32_t)w;
}

void bell_leave(struct bell *b)
{
	fetch_add(&b->word, -WAITER);
}

/* model: order.pml bell_wait */
int bell_wait(struct bell *b, uint32_t heard, uint64_t deadline)
{
	int saved = errno;
	int rc = 0;

	while (rc == 0 && (uint32_t)load_acquire(&b->word) == heard)
		if (!futex_sleep(&b->word, heard, deadline))
			rc = -ETIMEDOUT;
	bell_leave(b);
	errno = saved;
	return rc;
}

/* The rings wrap within their half. */
void bell_wake(struct bell *b)
{
	uint64_t w = load_relaxed(&b->word);
	int saved = errno;

	while (!cas(
		&b->word, &w, w - (uint32_t)w + (uint32_t)((uint32_t)w + 1)))
		;
	futex_wake(&b->word, INT_MAX);
	errno = saved;
}
