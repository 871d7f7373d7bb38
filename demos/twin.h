/* SPDX-License-Identifier: BSD-2-Clause */
/* A demo runs its serial twin too, and compares. */
#ifndef DEMOS_TWIN_H
#define DEMOS_TWIN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat.h>

static inline double since(uint64_t start)
{
	return (double)(leat_now() - start) / 1e9;
}

/* to_number returns what the text says, 1 to `most`, or 0 for all else. */
static inline int to_number(const char *text, int most)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *end == '\0' && n >= 1 && n <= most ? (int)n : 0;
}

/* printed returns the exit status of a demo that has done well: 0 unless what
 * it printed is lost. */
static inline int printed(const char *what)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	perror(what);
	return 1;
}

/* compare prints the times, and returns the demo's exit status. */
static inline int compare(const char *what, double took, double serially,
	const void *fans, const void *twins, size_t size)
{
	printf("%s: took %.2f s, would have taken %.2f s: %.1f times as fast\n",
		what, took, serially, serially / took);
	if (memcmp(fans, twins, size) == 0)
		return printed(what);
	printf("%s: the results differ\n", what);
	return 1;
}

#endif
