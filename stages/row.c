/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "queues/sized.h"
#include "stages/fail.h"
#include "stages/row.h"

#define REFUSE(r, error, ...)                \
	do {                                 \
		report_text(r, __VA_ARGS__); \
		return error;                \
	} while (0)

static int check_name(const leat_stage *rows, size_t i, leat_report *r)
{
	if (rows[i].name == NULL || rows[i].name[0] == '\0')
		REFUSE(r, LEAT_ENAME, "row %zu: name is missing", i);
	report_name(r, rows[i].name);
	for (size_t k = 0; k < i; k++)
		if (strcmp(rows[k].name, rows[i].name) == 0)
			REFUSE(r, LEAT_ETWICE,
				"row %zu: name \"%s\" is that of row %zu too",
				i, rows[i].name, k);
	return 0;
}

static int check_function(const leat_stage *row, size_t i, leat_report *r)
{
	if (row->source != NULL && i > 0)
		REFUSE(r, LEAT_ESOURCE,
			"row %zu (%s): source: only the first row may have one",
			i, row->name);
	if (row->source != NULL && row->fn != NULL)
		REFUSE(r, LEAT_EFN,
			"row %zu (%s): fn and source are both set: choose one",
			i, row->name);
	if (row->source == NULL && row->fn == NULL)
		REFUSE(r, LEAT_EFN, "row %zu (%s): fn is missing", i,
			row->name);
	return 0;
}

static int check_flags(const leat_stage *row, size_t i, leat_report *r)
{
	if (row->flags & ~(uint32_t)LEAT_ORDERED)
		REFUSE(r, LEAT_EFLAGS, "row %zu (%s): flags: unknown bits %#x",
			i, row->name, row->flags & ~(uint32_t)LEAT_ORDERED);
	if (row->on_error > LEAT_SKIP)
		REFUSE(r, LEAT_EFLAGS,
			"row %zu (%s): on_error: unknown policy %u", i,
			row->name, row->on_error);
	if (row->key != NULL && row->flags & LEAT_ORDERED)
		REFUSE(r, LEAT_EFLAGS,
			"row %zu (%s): key and LEAT_ORDERED exclude each "
			"other: a keyed row keeps the order of each key",
			i, row->name);
	if (row->source == NULL)
		return 0;
	if (row->key != NULL)
		REFUSE(r, LEAT_EFLAGS,
			"row %zu (%s): key: a source takes no "
			"items, so it has none to partition",
			i, row->name);
	if (row->flags & LEAT_ORDERED && row->workers > 1)
		REFUSE(r, LEAT_EFLAGS,
			"row %zu (%s): LEAT_ORDERED: several "
			"workers of a source have no common order",
			i, row->name);
	return 0;
}

static int check_sizes(const leat_stage *row, size_t i, leat_report *r)
{
	if (row->workers > LEAT_WORKERS_MAX)
		REFUSE(r, LEAT_ESIZE, "row %zu (%s): workers: %u is over %d", i,
			row->name, row->workers, LEAT_WORKERS_MAX);
	if (row->queue > LEAT_QUEUE_MAX)
		REFUSE(r, LEAT_ESIZE, "row %zu (%s): queue: %u is over %llu", i,
			row->name, row->queue,
			(unsigned long long)LEAT_QUEUE_MAX);
	return 0;
}

static int check_row(const leat_stage *rows, size_t i, leat_report *r)
{
	int rc;

	r->row = (uint32_t)i;
	rc = check_name(rows, i, r);
	if (rc == 0)
		rc = check_function(&rows[i], i, r);
	if (rc == 0)
		rc = check_flags(&rows[i], i, r);
	if (rc == 0)
		rc = check_sizes(&rows[i], i, r);
	return rc;
}

static int take_row(leat_stage *row, const unsigned char *from, size_t size,
	size_t i, leat_report *r)
{
	if (sized_take(row, sizeof(*row), from, size) < 0)
		REFUSE(r, -E2BIG,
			"row %zu: uses fields that this library, version %s, "
			"does not know",
			i, leat_version());
	return 0;
}

static int own_names(leat_stage *rows, size_t n, leat_report *r)
{
	const char *name;

	for (size_t i = 0; i < n; i++) {
		name = rows[i].name;
		rows[i].name = strdup(name);
		if (rows[i].name != NULL)
			continue;
		while (++i < n)
			rows[i].name = NULL;
		REFUSE(r, -ENOMEM, "no memory for the table");
	}
	return 0;
}

static int fill_rows(leat_stage *rows, const unsigned char *table, size_t n,
	size_t row_size, leat_report *r)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = take_row(&rows[i], table + i * row_size, row_size, i, r);
		if (rc == 0)
			rc = check_row(rows, i, r);
	}
	return rc;
}

int rows_take(leat_stage **rows, const void *table, size_t n, size_t row_size,
	leat_report *r)
{
	int rc;

	*rows = NULL;
	if (table == NULL || n == 0 || n > LEAT_ROWS_MAX || row_size == 0)
		REFUSE(r, LEAT_EROWS,
			"the table has %zu rows; it must have 1 to %d",
			table == NULL ? 0 : n, LEAT_ROWS_MAX);
	*rows = calloc(n, sizeof(**rows));
	if (*rows == NULL)
		REFUSE(r, -ENOMEM, "no memory for the table");
	rc = fill_rows(*rows, table, n, row_size, r);
	if (rc < 0) {
		free(*rows);
		*rows = NULL;
		return rc;
	}
	*r = (leat_report){0}; /* it told of the last row */
	rc = own_names(*rows, n, r);
	if (rc < 0) {
		rows_free(*rows, n);
		*rows = NULL;
	}
	return rc;
}

void rows_free(leat_stage *rows, size_t n)
{
	for (size_t i = 0; rows != NULL && i < n; i++)
		free((char *)rows[i].name);
	free(rows);
}
