/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ordered: results in the order of the input, although some take much longer
 * than others. Each item is a line of a picture of the Mandelbrot set; lines
 * through its black middle cost a hundred times those at the rim.
 *
 *	number -> draw x4, ordered -> print
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "twin.h"

enum { LINES = 41, COLUMNS = 76, STEPS = 20000 };

struct line {
	int number, turn; /* turn: how many lines were drawn before it */
	char text[COLUMNS + 1];
};

static atomic_int drawn;

static void draw_line(struct line *line)
{
	for (int x = 0; x < COLUMNS; x++) {
		double cr = -2.2 + 3.1 * x / COLUMNS, r = 0;
		double ci = -1.2 + 2.4 * line->number / (LINES - 1), i = 0;
		int n = 0;

		for (; n < STEPS && r * r + i * i < 4; n++) {
			double next = r * r - i * i + cr;

			i = 2 * r * i + ci;
			r = next;
		}
		line->text[x] = n == STEPS ? '#' : " .,:;-=+*"[n > 8 ? 8 : n];
	}
	line->text[COLUMNS] = '\0';
}

static int number(void *in, void **out, leat_worker *w)
{
	struct line *line;

	(void)in;
	if (leat_seq(w) == LINES)
		return LEAT_END;
	line = calloc(1, sizeof(*line));
	if (line == NULL)
		return -ENOMEM;
	line->number = (int)leat_seq(w);
	*out = line;
	return 0;
}

static int draw(void *in, void **out, leat_worker *w)
{
	struct line *line = in;

	(void)w;
	draw_line(line);
	line->turn = atomic_fetch_add(&drawn, 1);
	*out = line;
	return 0;
}

/* What the print stage has seen; it has one worker. */
struct page {
	int lines, early, wrong;
};

static int print(void *in, void **out, leat_worker *w)
{
	struct page *page = leat_arg(w);
	struct line *line = in, serial = {.number = page->lines++};

	(void)out;
	draw_line(&serial);
	page->wrong += line->number != serial.number ||
		       strcmp(line->text, serial.text) != 0;
	page->early += line->turn != line->number;
	puts(line->text);
	return 0;
}

int main(void)
{
	struct page page = {0};
	leat_stage rows[] = {
		{.name = "number", .source = number, .free_out = free},
		{"draw", draw, .workers = 4, .flags = LEAT_ORDERED},
		{"print", print, .arg = &page, .workers = 1},
	};
	leat_report report;
	leat_opts opts = {.report = &report};

	if (leat_run(rows, 3, &opts) < 0) {
		fprintf(stderr, "ordered: %s: %s\n", report.stage, report.text);
		return 1;
	}
	if (page.lines != LINES || page.wrong > 0) {
		fprintf(stderr, "ordered: %d of %d lines, %d wrong\n",
			page.lines, LINES, page.wrong);
		return 1;
	}
	printf("%d lines, each as a plain loop draws it and in its place; %d "
	       "were drawn out of turn\n",
		page.lines, page.early);
	return printed("ordered");
}
