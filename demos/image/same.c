/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "same.h"

static int files_same(FILE *a, FILE *b)
{
	char from_a[8192], from_b[8192];
	size_t n, m;

	do {
		n = fread(from_a, 1, sizeof(from_a), a);
		m = fread(from_b, 1, sizeof(from_b), b);
		if (n != m || memcmp(from_a, from_b, n) != 0)
			return 0;
	} while (n > 0);
	return !ferror(a) && !ferror(b);
}

/* -1 when one of them is not there. */
static int paths_same(const char *a, const char *b)
{
	FILE *in_a = fopen(a, "rbe"), *in_b = fopen(b, "rbe");
	int rc = -1;

	if (in_a != NULL && in_b != NULL)
		rc = files_same(in_a, in_b);
	if (in_a != NULL)
		fclose(in_a);
	if (in_b != NULL)
		fclose(in_b);
	return rc;
}

static void note(struct comparison *c, const char *a, const char *b, int rc)
{
	if (rc > 0)
		c->same++;
	else if (rc == 0)
		c->different++;
	else
		c->missing++;
	if (rc <= 0)
		fprintf(stderr, "%s and %s are not the same\n", a, b);
}

/* Compares each file below `a` with the one in `b`; once more with the sides
 * exchanged, only those that are missing count. */
static int half_compare(
	const char *a, const char *b, struct comparison *c, int again)
{
	char *paths[] = {(char *)a, NULL}, other[PATH_MAX];
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;

	if (walk == NULL)
		return -errno;
	while ((e = fts_read(walk)) != NULL) {
		int rc;

		if (e->fts_info != FTS_F)
			continue;
		snprintf(other, sizeof(other), "%s%s", b,
			e->fts_path + strlen(a));
		rc = paths_same(e->fts_path, other);
		if (!again || rc < 0)
			note(c, e->fts_path, other, rc);
	}
	fts_close(walk);
	return 0;
}

int folders_compare(const char *a, const char *b, struct comparison *c)
{
	int rc;

	memset(c, 0, sizeof(*c));
	rc = half_compare(a, b, c, 0);
	return rc < 0 ? rc : half_compare(b, a, c, 1);
}
