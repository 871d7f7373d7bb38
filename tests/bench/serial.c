/* SPDX-License-Identifier: BSD-2-Clause */
/* The plain loop on one processor: what every system is measured by, and the
 * sum that it must compute. */
#include "bench.h"

static void chain(void)
{
	uint64_t n = job.n;
	unsigned middles = job.stages - 2;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t x = source(i);

		for (unsigned s = 0; s < middles; s++)
			x = middle(x);
		sink(x);
	}
}

static uint64_t in_hand;

static void keep(uint64_t x)
{
	for (unsigned s = 2; s < job.stages; s++)
		x = middle(x);
	in_hand = x;
}

static uint64_t give(void)
{
	return in_hand;
}

static void one_by_one(void)
{
	latency(keep, give);
}

static void calls(uint64_t *results)
{
	for (uint64_t i = 0; i < job.n; i++)
		results[i] = middle(source(i));
}

static void call(void)
{
	fan(calls);
}

static void pass(void)
{
	for (uint64_t i = 0; i < job.n; i++)
		sum += source(i);
}

int main(int argc, char **argv)
{
	static const struct workload table[] = {{"chain", chain},
		{"slow", chain}, {"ordered", chain}, {"deep", chain},
		{"wide", chain}, {"latency", one_by_one}, {"fan", call},
		{"queue", pass}, {NULL, NULL}};

	return bench(argc, argv, table);
}
