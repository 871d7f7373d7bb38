/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * leat: chains of stages on bounded queues.
 *
 * A program is declared as a chain: a table of stages, one row each. Between
 * two stages stands a bounded queue; each stage runs on its own workers. An
 * item is a pointer.
 *
 *	static int read_next(void *in, void **out, leat_worker *w);
 *	static int shrink(void *in, void **out, leat_worker *w);
 *	static int save(void *in, void **out, leat_worker *w);
 *
 *	leat_stage rows[3] = {
 *		{ .name = "read",   .source = read_next, .free_out = free },
 *		{ .name = "shrink", .fn = shrink, .workers = 4 },
 *		{ .name = "save",   .fn = save,   .workers = 1 },
 *	};
 *	leat_report report;
 *	leat_opts opts = { .report = &report };
 *	if (leat_run(rows, 3, &opts) < 0)
 *		fprintf(stderr, "%s: %s\n", report.stage, report.text);
 *
 * The parallel program gives the serial program's result; it uses bounded
 * memory and never loses an item silently.
 *
 * The headers are the manual: <leat/error.h> codes, <leat/queue.h> queues,
 * <leat/chain.h> chains and stage functions, <leat/fan.h> concurrent
 * functions with keyed results.
 */
#ifndef LEAT_H
#define LEAT_H

#include <leat/error.h>
#include <leat/queue.h>
#include <leat/chain.h>
#include <leat/fan.h>

#endif
