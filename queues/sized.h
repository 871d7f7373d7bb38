/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Structs that cross the library's border carry their size, and only ever
 * grow at the end (as clone3 and openat2 of Linux do it). Zero is the default
 * of every field, so a shorter struct means a tail of zeroes, and a longer one
 * is fine as long as what is unknown is zero.
 */
#ifndef LEAT_SIZED_H
#define LEAT_SIZED_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* sized_take copies the caller's struct in. Returns 0 or -E2BIG. */
static inline int sized_take(
	void *to, size_t known, const void *from, size_t size)
{
	const unsigned char *bytes = from;

	memset(to, 0, known);
	memcpy(to, from, size < known ? size : known);
	for (size_t i = known; i < size; i++)
		if (bytes[i] != 0)
			return -E2BIG;
	return 0;
}

/* sized_give copies a struct out, a tail that we do not know as zeroes. */
static inline void sized_give(
	void *to, size_t size, const void *from, size_t known)
{
	memcpy(to, from, size < known ? size : known);
	if (size > known)
		memset((unsigned char *)to + known, 0, size - known);
}

#endif
