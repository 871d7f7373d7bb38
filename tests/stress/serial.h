/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The serial run of a random chain: what every row must have seen and done,
 * and what comes out, worked out with plain loops.
 */
#ifndef SERIAL_H
#define SERIAL_H

#include "tests/stress/spec.h"

/* A growing array of what items are worth. */
struct worths {
	struct worth *at;
	size_t n, cap;
};

void worths_add(struct worths *v, struct worth w);
void worths_fini(struct worths *v);

/* worths_sort sorts by value. */
void worths_sort(struct worths *v);

struct row_sums {
	uint64_t values; /* over the items taken */
	uint64_t places; /* over (seq, value, attempt) of every attempt */
	uint64_t keys;	 /* over the keys' sequences of (value, attempt) */
};

struct row_expect {
	uint64_t taken, done, dropped, failed, retried, gave, freed;
	struct row_sums sums;
};

struct expect {
	struct row_expect row[ROWS_MAX];
	struct worths results; /* what comes out, also without results */
	uint64_t failures;
	bool halts; /* a failure stops the chain */
};

/* sequence goes on with the sequence of a key, place with the sum of places:
 * the real run reckons with the same two. */
uint64_t sequence(uint64_t so_far, struct worth w, uint32_t attempt);
uint64_t place(uint64_t seq, struct worth w, uint32_t attempt);

/*
 * serial_run works out a chain that got these items. With flushes, it ran to
 * its end. The caller calls serial_fini.
 */
void serial_run(struct expect *e, const struct spec *s, const struct worths *in,
	bool flushes);
void serial_fini(struct expect *e);

/* serial_input makes all the items of a chain, as one producer would. */
void serial_input(struct worths *in, const struct spec *s);

#endif
