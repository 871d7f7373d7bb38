/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows: taking the caller's table in, and telling what is wrong with it. */
#ifndef LEAT_ROW_H
#define LEAT_ROW_H

#include <leat/chain.h>

/*
 * rows_take copies n rows of row_size bytes each, names included, and checks
 * them. Returns 0, and *rows is to be freed with rows_free; or a code, with
 * *r naming the row and the field.
 */
int rows_take(leat_stage **rows, const void *table, size_t n, size_t row_size,
	leat_report *r);
void rows_free(leat_stage *rows, size_t n);

#endif
