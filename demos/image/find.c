/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "find.h"

/* Sorted, so that two runs meet the same pictures in the same order. */
static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

int finder_open(
	struct finder *f, char *const *paths, const struct settings *settings)
{
	f->settings = settings;
	f->path = NULL;
	f->next_size = 0;
	/* Logical: links are followed, and their circles are noticed. */
	f->walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	return f->walk == NULL ? -errno : 0;
}

void finder_close(struct finder *f)
{
	fts_close(f->walk);
}

static int is_picture(const char *name)
{
	static const char *const kinds[] = {".jpg", ".jpeg", ".png", ".webp"};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot != NULL && i < 4; i++)
		if (strcasecmp(dot, kinds[i]) == 0)
			return 1;
	return 0;
}

static int is_wanted(const FTSENT *e)
{
	return e->fts_level == FTS_ROOTLEVEL || is_picture(e->fts_name);
}

static int complain(
	struct finder *f, const FTSENT *e, int code, const char *text)
{
	snprintf(f->why, sizeof(f->why), "%s: %s", e->fts_path, text);
	return code;
}

static int is_output(const struct settings *s, const struct stat *st)
{
	return st->st_dev == s->folder_dev && st->st_ino == s->folder_ino;
}

/* Do the thumbnails go to a folder above this, or here? 1, 0 or a negative
 * errno. */
static int is_below_output(const struct settings *s, const char *path)
{
	char real[PATH_MAX], *slash;
	struct stat st;

	if (realpath(path, real) == NULL)
		return -errno;
	for (;;) {
		if (stat(real, &st) == 0 && is_output(s, &st))
			return 1;
		if (strcmp(real, "/") == 0)
			return 0;
		slash = strrchr(real, '/');
		slash[slash == real] = '\0';
	}
}

/* A thumbnail could take the place of a picture that is below the output. */
static int root_look(struct finder *f, FTSENT *e)
{
	int rc = is_below_output(f->settings, e->fts_accpath);

	if (rc == 0)
		return 0;
	fts_set(f->walk, e, FTS_SKIP);
	if (rc < 0)
		return complain(f, e, rc, strerror(-rc));
	return complain(f, e, -EINVAL,
		"the thumbnails go here: choose another folder with -o");
}

static int folder_enter(struct finder *f, FTSENT *e)
{
	if (e->fts_level == FTS_ROOTLEVEL)
		return root_look(f, e);
	if (is_output(f->settings, e->fts_statp))
		fts_set(f->walk, e, FTS_SKIP);
	return 0;
}

static int file_take(struct finder *f, FTSENT *e)
{
	int rc = e->fts_level == FTS_ROOTLEVEL ? root_look(f, e) : 0;

	return rc < 0 ? rc : is_wanted(e);
}

/* A link that cannot be followed. Of one that leads nowhere the name alone
 * tells what it was; folders have no extension. */
static int link_look(struct finder *f, const FTSENT *e)
{
	struct stat st;

	if (stat(e->fts_accpath, &st) < 0 && errno != ENOENT)
		return complain(f, e, -errno, strerror(errno));
	if (is_wanted(e) || strchr(e->fts_name, '.') == NULL)
		return complain(f, e, -ENOENT, "the link leads nowhere");
	return 0;
}

/* Looks at one entry of the walk: 1 for a picture, 0 for what is none, else
 * what is wrong. */
static int entry_look(struct finder *f, FTSENT *e)
{
	switch (e->fts_info) {
	case FTS_F:
		return file_take(f, e);
	case FTS_D:
		return folder_enter(f, e);
	case FTS_DC:
		return complain(f, e, -ELOOP, "a folder that contains itself");
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return complain(f, e, -e->fts_errno, strerror(e->fts_errno));
	case FTS_SLNONE:
		return link_look(f, e);
	case FTS_DEFAULT:
		return is_wanted(e)
			       ? complain(f, e, -EINVAL, "not a regular file")
			       : 0;
	default:
		return 0;
	}
}

static int walk_broken(struct finder *f)
{
	int code = -errno;

	snprintf(f->why, sizeof(f->why), "cannot look for pictures: %s",
		strerror(-code));
	return code;
}

static int path_next(struct finder *f)
{
	FTSENT *e;
	int rc = 0;

	while (rc == 0) {
		errno = 0;
		e = fts_read(f->walk);
		if (e == NULL && errno == 0)
			return 1;
		if (e == NULL)
			return walk_broken(f);
		rc = entry_look(f, e);
		f->path = e->fts_path;
	}
	return rc < 0 ? rc : 0;
}

int finder_next(struct finder *f, struct job **job)
{
	const struct settings *s = f->settings;
	int rc = 0;

	if (!s->each || f->next_size == 0 || f->next_size == s->n_sizes) {
		f->next_size = 0;
		rc = path_next(f);
	}
	if (rc != 0)
		return rc;
	*job = job_new(f->path, s->each ? s->sizes[f->next_size++] : 0);
	if (*job == NULL) {
		snprintf(f->why, sizeof(f->why), "out of memory");
		return -ENOMEM;
	}
	return 0;
}
