/* SPDX-License-Identifier: BSD-2-Clause */
/* What stage functions do through their worker. leat_emit is with the items. */
#include <stdarg.h>
#include <stdio.h>
#include "stages/chain.h"

void *leat_arg(const leat_worker *w)
{
	return w->view.arg;
}

void *leat_state(const leat_worker *w)
{
	return w->view.state;
}

uint32_t leat_index(const leat_worker *w)
{
	return w->view.index;
}

uint64_t leat_seq(const leat_worker *w)
{
	return w->view.seq;
}

uint32_t leat_attempt(const leat_worker *w)
{
	return w->view.attempt;
}

int leat_stopping(const leat_worker *w)
{
	const leat_chain *c = w->stage->chain;

	return chain_stopping(c) ||
	       (c->hooks.unwanted != NULL && c->hooks.unwanted(w));
}

int leat_error(leat_worker *w, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(w->text, sizeof(w->text), fmt, args);
	va_end(args);
	w->said = code;
	w->odd |= ODD_SAID;
	return code;
}
