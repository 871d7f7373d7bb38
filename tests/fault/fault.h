/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults: the library under test is linked so that its resource calls come
 * here (see fault.mk). Each use is counted; the N-th one fails, or all from
 * the N-th on. What is made and not given back is counted too.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>
#include <stdint.h>

enum fault_mode {
	FAULT_NONE,
	FAULT_ONCE,  /* the N-th use fails */
	FAULT_FROM,  /* so do all after it */
	FAULT_RANDOM /* one in N does */
};

void fault_arm(enum fault_mode mode, uint64_t n);

/* fault_disarm returns how many uses have failed since fault_arm. */
uint64_t fault_disarm(void);

/* fault_left is what was made and not given back: memory, threads, locks ...;
 * it must be 0 between runs. */
int64_t fault_left(void);

/* fault_wakes makes every n-th wait on a futex return at once, by turns with
 * EINTR, EAGAIN and for no reason; 0: none. It returns how many there were. */
uint64_t fault_wakes(uint32_t n);

/* fault_looks tells how often the library has looked at the clock since it was
 * asked before. Any clock but the monotonic one, which nobody can set, fails
 * the run, and so does a wait by one. */
uint64_t fault_looks(void);

#endif
