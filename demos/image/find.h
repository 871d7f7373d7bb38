/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding pictures. A file that is named is tried whatever it is called; in
 * folders, and in all folders below, those called *.jpg, *.jpeg, *.png or
 * *.webp are taken. The folder that the thumbnails go to is left out, and to
 * name it, or what is below it, is an error.
 */
#ifndef FIND_H
#define FIND_H

#include <sys/types.h>
#include <sys/stat.h>
#include <fts.h>
#include <limits.h>

#include "job.h"

/* One thread at a time may use a finder. */
struct finder {
	const struct settings *settings;
	FTS *walk;
	const char *path; /* with settings->each: the picture at hand */
	size_t next_size; /* and which size comes next */
	char why[PATH_MAX + WHY_MAX]; /* names the file */
};

/* finder_open begins with the paths, which end with NULL. Returns 0 or a
 * negative errno. */
int finder_open(
	struct finder *f, char *const *paths, const struct settings *settings);

/*
 * finder_next finds the next picture. Returns 0 with a job; 1 when there are
 * no more; a negative errno, with f->why set, for what cannot be read: the
 * next call goes on behind that.
 */
int finder_next(struct finder *f, struct job **job);

void finder_close(struct finder *f);

#endif
