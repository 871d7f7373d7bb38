/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A play: a random chain run for real, and held against its serial run.
 *
 * After every play: every item freed exactly once; in each row taken = done +
 * dropped + failed + cancelled; what a row gave, the next one took or has
 * waiting; high-water marks within the capacity. Unless the chain was
 * cancelled or stopped by a failure, each row took the items of the serial run
 * and did with them what it did; where the order is promised, in that order.
 * Otherwise what came out is part of what the serial run makes.
 */
#ifndef PLAY_H
#define PLAY_H

#include "tests/stress/spec.h"

/* What plays have done, added up. */
struct played {
	uint64_t chains, items, attempts, failures, halted;
};

/*
 * play runs the chain. With `faulty`, resources may fail meanwhile: opening
 * the chain may fail with -ENOMEM or -EAGAIN, and so may items.
 */
void play(const struct spec *s, struct played *sum, bool faulty);

/* play_seed makes the chain of a seed, of a bearable size, and runs it. */
void play_seed(uint64_t seed, struct played *sum, bool faulty);

#endif
