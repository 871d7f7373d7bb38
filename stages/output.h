/* SPDX-License-Identifier: BSD-2-Clause */
/* What a worker has made, until it is handed on. */
#ifndef LEAT_OUTPUT_H
#define LEAT_OUTPUT_H

#include "stages/chain.h"

/* output_put adds an output. It fails only for want of memory. */
bool output_put(leat_worker *w, void *item);

/* output_discard frees an item that is not handed on. */
void output_discard(leat_worker *w, void *item);

/* outputs_give hands on the outputs so far; in an ordered row, those of the
 * run that ends before position `end`. */
void outputs_give(leat_worker *w, uint64_t end);

#endif
