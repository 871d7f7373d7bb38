/* SPDX-License-Identifier: BSD-2-Clause */
/* moodycamel's blocking queue, with a token for each thread. It has no bound,
 * so its producers never wait. */
#include <concurrentqueue/blockingconcurrentqueue.h>

#include "alone.h"

typedef moodycamel::BlockingConcurrentQueue<uint64_t> queue;

static queue all(QUEUE_ITEMS);

static void alone_open(void)
{
}

static void alone_push(const uint64_t *x, unsigned n)
{
	static thread_local moodycamel::ProducerToken token(all);

	if (n == 1)
		all.enqueue(token, *x);
	else
		all.enqueue_bulk(token, x, n);
}

static unsigned alone_pop(uint64_t *x, unsigned max)
{
	static thread_local moodycamel::ConsumerToken token(all);

	return (unsigned)all.wait_dequeue_bulk(token, x, max);
}

int main(int argc, char **argv)
{
	return alone_main(argc, argv);
}
