/* SPDX-License-Identifier: BSD-2-Clause */
/* The first failure of a chain, and the texts of codes. */
#ifndef LEAT_FAIL_H
#define LEAT_FAIL_H

#include <pthread.h>
#include <stdarg.h>
#include <leat/chain.h>

struct fail {
	pthread_mutex_t lock;
	leat_report first; /* under the lock; code 0: none so far */
};

int fail_init(struct fail *f); /* 0 or a negative errno */
void fail_fini(struct fail *f);

/* fail_note keeps the report if it is the first, else counts it. */
void fail_note(struct fail *f, const leat_report *r);

/* fail_get copies the first failure and returns its code. */
int fail_get(struct fail *f, leat_report *r);

/* report_name and report_text fill in their field, shortened if need be. */
void report_name(leat_report *r, const char *name);
void report_text(leat_report *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void report_vtext(leat_report *r, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

#endif
