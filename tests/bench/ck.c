/* SPDX-License-Identifier: BSD-2-Clause */
/* Concurrency Kit's ring, which holds one less than its size. */
#include <ck_ring.h>

#include "alone.h"

static ck_ring_t ring __attribute__((aligned(64)));
static ck_ring_buffer_t slots[QUEUE_ITEMS];

static void alone_open(void)
{
	ck_ring_init(&ring, QUEUE_ITEMS);
}

static bool put(void *x)
{
	if (job.workers == 1)
		return ck_ring_enqueue_spsc(&ring, slots, x);
	return ck_ring_enqueue_mpmc(&ring, slots, x);
}

static bool get(void **x)
{
	if (job.workers == 1)
		return ck_ring_dequeue_spsc(&ring, slots, x);
	return ck_ring_dequeue_mpmc(&ring, slots, x);
}

static void alone_push(const uint64_t *x, unsigned n)
{
	for (; n; n--, x++) {
		unsigned tries = 0;

		while (!put((void *)(uintptr_t)*x))
			relax(&tries);
	}
}

static unsigned alone_pop(uint64_t *x, unsigned max)
{
	unsigned n = 0, tries = 0;
	void *item;

	while (n < max) {
		if (get(&item))
			x[n++] = (uintptr_t)item;
		else if (n)
			break;
		else
			relax(&tries);
	}
	return n;
}

int main(int argc, char **argv)
{
	return alone_main(argc, argv);
}
