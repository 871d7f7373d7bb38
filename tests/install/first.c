/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <leat.h>

/* A source makes items until it says LEAT_END. An item is a pointer. */
static int letter(void *in, void **out, leat_worker *w)
{
	char *text = leat_arg(w);

	(void)in;
	*out = text + leat_seq(w);
	return *(char *)*out == '\0' ? LEAT_END : 0;
}

/* A stage function gets an item and hands one on; here, the same one. */
static int upper(void *in, void **out, leat_worker *w)
{
	char *c = in;

	(void)w;
	if (*c >= 'a' && *c <= 'z')
		*c += 'A' - 'a';
	*out = c;
	return 0;
}

/* The last row is the sink. */
static int print(void *in, void **out, leat_worker *w)
{
	(void)out;
	(void)w;
	putchar(*(char *)in);
	return LEAT_DROP;
}

int main(void)
{
	char text[] = "work flows through a chain of stages\n";
	leat_stage rows[3] = {
		{.name = "letter", .source = letter, .arg = text},
		{.name = "upper",
			.fn = upper,
			.workers = 4,
			.flags = LEAT_ORDERED},
		{.name = "print", .fn = print, .workers = 1},
	};
	leat_report report;
	leat_opts opts = {.report = &report};
	int rc = leat_run(rows, 3, &opts);

	if (rc < 0)
		fprintf(stderr, "%s: %s\n", report.stage, report.text);
	return rc < 0;
}
