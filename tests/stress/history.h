/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Histories of calls on a queue, and whether a sequential bounded queue could
 * have answered so: whether an order of the calls exists in which each one
 * takes effect between its start and its end. (After J. Wing and C. Gong,
 * with G. Lowe's memory of what has been tried.)
 *
 * A call for several items counts as that many calls in a row. A call that did
 * not wait may say full or empty also while another one, from the other side
 * or in the way of its own, is under way: <leat/queue.h> says so. It must not
 * when none is.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_MAX  64 /* calls */
#define CAPACITY_MAX 7

enum call { CALL_PUSH, CALL_POP, CALL_END, CALL_CANCEL };

struct op {
	enum call call;
	int rc;	      /* -ETIMEDOUT counts as -EAGAIN */
	uint8_t item; /* from 1; of a push or pop that succeeded */
	uint64_t start, end;
	uint64_t bulk; /* not 0: part of it, in the order of the history */
};

struct history {
	struct op op[HISTORY_MAX];
	size_t n;
	uint32_t capacity;
	uint8_t left[CAPACITY_MAX]; /* what the queue held in the end */
	size_t n_left;
};

/* history_holds: a sequential queue could have done it. *steps counts what
 * was tried. */
bool history_holds(const struct history *h, uint64_t *steps);

#endif
