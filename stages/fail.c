/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
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
	memset(&f->kept, 0, sizeof(f->kept));
	f->ended = false;
	return -pthread_mutex_init(&f->lock, NULL);
}

void fail_fini(struct fail *f)
{
	pthread_mutex_destroy(&f->lock);
}

void fail_note(struct fail *f, const leat_report *r, bool ends)
{
	uint64_t more;

	pthread_mutex_lock(&f->lock);
	more = f->kept.code == 0 ? 0 : f->kept.more + 1;
	if (f->kept.code == 0 || (ends && !f->ended))
		f->kept = *r;
	f->kept.more = more;
	f->ended |= ends;
	pthread_mutex_unlock(&f->lock);
}

int fail_get(struct fail *f, leat_report *r)
{
	leat_report kept;

	pthread_mutex_lock(&f->lock);
	kept = f->kept;
	pthread_mutex_unlock(&f->lock);
	if (r != NULL)
		*r = kept;
	return kept.code;
}

int fail_end(struct fail *f)
{
	int code;

	pthread_mutex_lock(&f->lock);
	code = f->ended ? f->kept.code : 0;
	pthread_mutex_unlock(&f->lock);
	return code;
}

void report_name(leat_report *r, const char *name)
{
	snprintf(r->stage, sizeof(r->stage), "%s", name);
}

void report_text(leat_report *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, args);
	va_end(args);
}
