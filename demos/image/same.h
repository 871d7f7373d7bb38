/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SAME_H
#define SAME_H

/* What folders_compare found. */
struct comparison {
	int same, different, missing; /* files; missing: in one folder only */
};

/*
 * folders_compare compares all files below the folder `a` with those of the
 * same names below `b`, byte by byte, and names on stderr those that differ.
 * Returns 0 or a negative errno.
 */
int folders_compare(const char *a, const char *b, struct comparison *c);

#endif
