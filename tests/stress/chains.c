/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chains [-v] [-n COUNT] [-t SECONDS] [SEED]
 *
 * Runs random chains, each made from a seed of its own, and holds every one
 * against its serial run; see play.h for what is checked. With SEED alone it
 * runs that one chain and shows it; with -n or -t as well, that one and the
 * ones that follow. A chain that fails tells its seed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/stress/perturb.h"
#include "tests/stress/play.h"

struct args {
	uint64_t count, seconds, seed;
	bool one, loud;
};

static struct args parse(int argc, char **argv)
{
	struct args a = {.count = UINT64_MAX, .seconds = UINT32_MAX};
	bool many = false;
	int opt;

	while ((opt = getopt(argc, argv, "n:t:v")) != -1) {
		if (opt == 'n')
			a.count = strtoull(optarg, NULL, 0);
		else if (opt == 't')
			a.seconds = strtoull(optarg, NULL, 0);
		else if (opt == 'v')
			a.loud = true;
		else
			exit(2);
		many = many || opt != 'v';
	}
	a.one = !many && optind < argc;
	a.seed = optind < argc ? strtoull(argv[optind], NULL, 0) : fresh_seed();
	if (!many)
		a.count = a.one ? 1 : 200;
	return a;
}

static void show(uint64_t seed)
{
	struct spec s;

	spec_make(&s, seed);
	spec_print(&s);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct args a = parse(argc, argv);
	uint64_t until = leat_after(a.seconds * LEAT_S);
	struct played sum = {0};

	printf("first seed %" PRIu64 "\n", a.seed);
	fflush(stdout);
	for (uint64_t i = 0; i < a.count && leat_now() < until; i++) {
		perturb_seed(a.seed + i);
		if (a.one || a.loud)
			show(a.seed + i);
		play_seed(a.seed + i, &sum, false);
	}
	printf("%" PRIu64 " chains, %" PRIu64 " of them halted, %" PRIu64
	       " items in, %" PRIu64 " calls, %" PRIu64
	       " failures: nothing lost, doubled or leaked\n",
		sum.chains, sum.halted, sum.items, sum.attempts, sum.failures);
	return 0;
}
