/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>
#include "stages/fail.h"

const char *leat_strerror(int code)
{
	const char *text = NULL;

	switch (code) {
#define LEAT_ERROR_TEXT(name, value, sentence) \
	case name:                             \
		return sentence;
		LEAT_ERRORS(LEAT_ERROR_TEXT)
#undef LEAT_ERROR_TEXT
	default:
		break;
	}
	if (code <= 0 && code > -4096)
		text = strerrordesc_np(-code);
	return text != NULL ? text : "unknown error";
}

const char *leat_version(void)
{
	return LEAT_VERSION;
}

int fail_init(struct fail *f)
{
	memset(&f->first, 0, sizeof(f->first));
	return -pthread_mutex_init(&f->lock, NULL);
}

void fail_fini(struct fail *f)
{
	pthread_mutex_destroy(&f->lock);
}

void fail_note(struct fail *f, const leat_report *r)
{
	pthread_mutex_lock(&f->lock);
	if (f->first.code == 0) {
		f->first = *r;
		f->first.more = 0;
	} else {
		f->first.more++;
	}
	pthread_mutex_unlock(&f->lock);
}

int fail_get(struct fail *f, leat_report *r)
{
	leat_report first;

	pthread_mutex_lock(&f->lock);
	first = f->first;
	pthread_mutex_unlock(&f->lock);
	if (r != NULL)
		*r = first;
	return first.code;
}

void report_name(leat_report *r, const char *name)
{
	snprintf(r->stage, sizeof(r->stage), "%s", name);
}

void report_vtext(leat_report *r, const char *fmt, va_list args)
{
	vsnprintf(r->text, sizeof(r->text), fmt, args);
}

void report_text(leat_report *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report_vtext(r, fmt, args);
	va_end(args);
}
