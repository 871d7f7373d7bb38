/* SPDX-License-Identifier: BSD-2-Clause */
/* Boost: its queue of many to many, and its queue of one to one for that. */
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>

#include "alone.h"

namespace lockfree = boost::lockfree;

static lockfree::queue<uint64_t, lockfree::capacity<QUEUE_ITEMS>> many;
static lockfree::spsc_queue<uint64_t, lockfree::capacity<QUEUE_ITEMS>> one;

static void alone_open(void)
{
}

static unsigned put(const uint64_t *x, unsigned n)
{
	return job.workers == 1 ? (unsigned)one.push(x, n) : many.push(*x);
}

static unsigned get(uint64_t *x, unsigned max)
{
	unsigned n = 0;

	if (job.workers == 1)
		return (unsigned)one.pop(x, max);
	while (n < max && many.pop(x[n]))
		n++;
	return n;
}

static void alone_push(const uint64_t *x, unsigned n)
{
	unsigned tries = 0;

	while (n) {
		unsigned k = put(x, n);

		n -= k;
		x += k;
		if (k)
			tries = 0;
		else
			relax(&tries);
	}
}

static unsigned alone_pop(uint64_t *x, unsigned max)
{
	unsigned n, tries = 0;

	while ((n = get(x, max)) == 0)
		relax(&tries);
	return n;
}

int main(int argc, char **argv)
{
	return alone_main(argc, argv);
}
