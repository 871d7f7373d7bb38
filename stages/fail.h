/* SPDX-License-Identifier: BSD-2-Clause */
/* What a chain has failed by, and the texts of codes. */
#ifndef LEAT_FAIL_H
#define LEAT_FAIL_H

#include <pthread.h>
#include <stdbool.h>
#include <leat/chain.h>

struct fail {
	pthread_mutex_t lock;
	leat_report kept; /* under the lock, as all; code 0: none so far */
	bool ended;	  /* it has ended the chain */
};

int fail_init(struct fail *f); /* 0 or a negative errno */
void fail_fini(struct fail *f);

/* fail_note keeps the report if it is the first, or the first that ends the
 * chain, else counts it. */
void fail_note(struct fail *f, const leat_report *r, bool ends);

/* fail_get copies the failure that was kept and returns its code. */
int fail_get(struct fail *f, leat_report *r);

/* fail_end is the code of the failure that has ended the chain, or 0. */
int fail_end(struct fail *f);

/* report_name and report_text fill in their field, shortened if need be. */
void report_name(leat_report *r, const char *name);
void report_text(leat_report *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
