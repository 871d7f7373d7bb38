/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LEAT_LINES_H
#define LEAT_LINES_H

#include <stdlib.h>
#include <string.h>
#include "queues/atomic.h"

/* calloc_lines is calloc on cache lines of its own; size is a multiple of
 * LINE, as that of a struct with members on their own lines. */
static inline void *calloc_lines(size_t n, size_t size)
{
	void *memory = aligned_alloc(LINE, n * size);

	if (memory != NULL)
		memset(memory, 0, n * size);
	return memory;
}

#endif
