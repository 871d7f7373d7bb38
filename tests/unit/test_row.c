/* SPDX-License-Identifier: BSD-2-Clause */
/* Validation: each bad row and option is refused, and the text names it. */
#include <stdio.h>
#include "stages/row.h"
#include "tests/unit/unit.h"

static int nothing(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	(void)w;
	return LEAT_END;
}

static uint64_t key(const void *item, void *arg)
{
	(void)arg;
	return (uintptr_t)item;
}

/* refused opens the table and expects the code, and a text with all the
 * words, separated by '|'. */
static void refused(const leat_stage *rows, size_t n, int code, uint32_t row,
	const char *words)
{
	leat_report r = {.code = 1};
	leat_opts opts = {.report = &r};
	leat_chain *c = (leat_chain *)&r;
	char list[128], *rest = list, *word;

	snprintf(list, sizeof(list), "%s", words);
	cr_assert_eq(leat_open(&c, rows, n, &opts), code, "%s", words);
	cr_assert_null(c);
	cr_assert_eq(r.code, code);
	cr_assert_eq(r.row, row);
	while ((word = strsep(&rest, "|")) != NULL)
		cr_assert_not_null(strstr(r.text, word), "\"%s\" lacks \"%s\"",
			r.text, word);
}

/* Rows that are refused as the second of three. */
static const struct {
	leat_stage row;
	int code;
	const char *words;
} bad[] = {
	{{.fn = pass}, LEAT_ENAME, "row 1|name"},
	{{.name = "", .fn = pass}, LEAT_ENAME, "row 1|name"},
	{{.name = "a", .fn = pass}, LEAT_ETWICE, "row 1|name|\"a\"|row 0"},
	{{.name = "b"}, LEAT_EFN, "row 1|b|fn"},
	{{.name = "b", .source = nothing}, LEAT_ESOURCE, "row 1|b|source"},
	{{.name = "b", .fn = pass, .source = nothing}, LEAT_ESOURCE,
		"row 1|b|source"},
	{{.name = "b", .fn = pass, .flags = 2}, LEAT_EFLAGS,
		"row 1|b|flags|0x2"},
	{{.name = "b", .fn = pass, .flags = 0x80000001}, LEAT_EFLAGS,
		"row 1|b|flags|0x80000000"},
	{{.name = "b", .fn = pass, .on_error = 2}, LEAT_EFLAGS,
		"row 1|b|on_error|2"},
	{{.name = "b", .fn = pass, .key = key, .flags = LEAT_ORDERED},
		LEAT_EFLAGS, "row 1|b|key|LEAT_ORDERED"},
	{{.name = "b", .fn = pass, .workers = LEAT_WORKERS_MAX + 1}, LEAT_ESIZE,
		"row 1|b|workers|4097|4096"},
	{{.name = "b", .fn = pass, .workers = UINT32_MAX}, LEAT_ESIZE,
		"row 1|b|workers"},
	{{.name = "b", .fn = pass, .queue = UINT32_MAX}, LEAT_ESIZE,
		"row 1|b|queue"},
	{{.name = "b", .fn = pass, .queue = (1u << 30) + 1}, LEAT_ESIZE,
		"row 1|b|queue|1073741824"},
};

TEST(row, each_bad_row_is_refused_by_row_and_field)
{
	leat_stage rows[3] = {
		{.name = "a", .fn = pass}, {0}, {.name = "c", .fn = pass}};

	EACH(i, bad)
	{
		rows[1] = bad[i].row;
		refused(rows, 3, bad[i].code, 1, bad[i].words);
	}
}

/* Rows that are refused as the first one. */
static const struct {
	leat_stage row;
	int code;
	const char *words;
} bad_source[] = {
	{{.name = "b", .fn = pass, .source = nothing}, LEAT_EFN,
		"row 0|b|fn|source"},
	{{.name = "b", .source = nothing, .key = key}, LEAT_EFLAGS,
		"row 0|b|key|source"},
	{{.name = "b", .source = nothing, .workers = 2, .flags = LEAT_ORDERED},
		LEAT_EFLAGS, "row 0|b|LEAT_ORDERED|source"},
};

TEST(row, each_bad_source_is_refused_by_row_and_field)
{
	EACH(i, bad_source)
	{
		refused(&bad_source[i].row, 1, bad_source[i].code, 0,
			bad_source[i].words);
	}
}

TEST(row, tables_of_no_rows_or_too_many_are_refused)
{
	static leat_stage rows[LEAT_ROWS_MAX + 1];
	leat_chain *c;

	refused(NULL, 1, LEAT_EROWS, 0, "0 rows");
	refused(rows, 0, LEAT_EROWS, 0, "0 rows");
	refused(rows, LEAT_ROWS_MAX + 1, LEAT_EROWS, 0, "4097 rows|4096");
	cr_assert_eq(leat_open_sized(&c, rows, 1, 0, NULL, 0), LEAT_EROWS);
	cr_assert_eq(leat_open(NULL, rows, 1, NULL), -EINVAL);
}

TEST(row, results_over_the_maximum_are_refused)
{
	leat_stage row = {.name = "a", .fn = pass};
	leat_report r;
	leat_opts opts = {.report = &r, .results = LEAT_QUEUE_MAX + 1};
	leat_chain *c;

	cr_assert_eq(leat_open(&c, &row, 1, &opts), LEAT_ESIZE);
	cr_assert_not_null(strstr(r.text, "results"));
	cr_assert_null(c);
}

/* Old and new headers */

struct newer_row {
	leat_stage known;
	uint64_t unknown;
};

TEST(row, rows_of_a_newer_header_may_not_use_what_is_unknown)
{
	struct newer_row rows[2] = {
		{{.name = "a", .fn = pass}, 0}, {{.name = "b", .fn = pass}, 0}};
	leat_report r;
	leat_opts opts = {.report = &r};
	leat_chain *c;

	cr_assert_eq(leat_open_sized(&c, &rows[0].known, 2, sizeof(rows[0]),
			     &opts, sizeof(opts)),
		0);
	cr_assert_eq(leat_close(c), 0);
	rows[1].unknown = 1;
	cr_assert_eq(leat_open_sized(&c, &rows[0].known, 2, sizeof(rows[0]),
			     &opts, sizeof(opts)),
		-E2BIG);
	cr_assert_not_null(strstr(r.text, "row 1"));
	cr_assert_not_null(strstr(r.text, leat_version()));
}

struct newer_opts {
	leat_opts known;
	uint64_t unknown;
};

TEST(row, options_of_a_newer_header_may_not_use_what_is_unknown)
{
	leat_stage row = {.name = "a", .fn = pass};
	leat_report r;
	struct newer_opts o = {.known = {.report = &r}, .unknown = 0};
	leat_chain *c;

	cr_assert_eq(
		leat_open_sized(&c, &row, 1, sizeof(row), &o.known, sizeof(o)),
		0);
	cr_assert_eq(leat_close(c), 0);
	o.unknown = 1;
	cr_assert_eq(
		leat_open_sized(&c, &row, 1, sizeof(row), &o.known, sizeof(o)),
		-E2BIG);
	cr_assert_null(c);
	cr_assert_eq(r.code, -E2BIG);
}

/* The smallest row that makes sense: its tail is all defaults. */
TEST(row, rows_of_an_older_header_have_a_tail_of_zeroes)
{
	struct {
		const char *name;
		leat_fn fn;
	} rows[2] = {{"a", pass}, {"b", pass}};
	leat_chain *c;

	cr_assert_eq(leat_open_sized(&c, (const leat_stage *)rows, 2,
			     sizeof(rows[0]), NULL, 0),
		0);
	cr_assert_eq(leat_push(c, NULL), 0);
	cr_assert_eq(chain_close(c), 0);
	cr_assert_eq(leat_run_sized((const leat_stage *)rows, 2,
			     sizeof(rows[0]), NULL, 0),
		LEAT_ESOURCE);
	cr_assert_eq(leat_run_sized((const leat_stage *)rows, 2, 0, NULL, 0),
		LEAT_EROWS);
}

TEST(row, the_table_and_its_names_are_copied)
{
	char name[] = "one";
	leat_stage row = {.name = name, .fn = pass, .workers = 1};
	leat_chain *c = open_chain(&row, 1, NULL);
	leat_counts s;

	memset(name, 'x', 3);
	memset(&row, 0xff, sizeof(row));
	cr_assert_eq(leat_push(c, NULL), 0);
	cr_assert_eq(leat_wait(c), 0);
	cr_assert_eq(leat_stats(c, &s, 1), 1);
	cr_assert_str_eq(s.stage, "one");
	cr_assert_eq(chain_close(c), 0);
}

TEST(row, no_memory_for_the_table_is_said)
{
	static leat_stage rows[LEAT_ROWS_MAX];
	static char names[LEAT_ROWS_MAX][8];
	leat_stage *taken = rows;
	leat_report r = {0};

	EACH(i, rows)
	{
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		rows[i] = (leat_stage){.name = names[i], .fn = pass};
	}
	if (!limit_memory(1 << 12))
		cr_skip_test("sanitizers need the memory");
	cr_assert_eq(
		rows_take(&taken, rows, LEAT_ROWS_MAX, sizeof(rows[0]), &r),
		-ENOMEM);
	unlimit_memory();
	cr_assert_null(taken);
	cr_assert_str_eq(r.text, "no memory for the table");
}
