/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fan, opened, called from two threads, waited for and closed, with a random
 * shape. Every call that was accepted has the serial loop's result after the
 * barrier; with `faulty`, that or a failure for want of memory.
 */
#ifndef FANPLAY_H
#define FANPLAY_H

#include "tests/stress/lab.h"

/* fan_play returns how many calls were accepted. */
uint64_t fan_play(uint64_t seed, bool faulty);

#endif
