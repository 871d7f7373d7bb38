/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thumbnails into files: each is written under a passing name in its folder
 * and then renamed, so that nobody ever sees half of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job.h"

/* A path being put together; `full` once it did not fit. */
struct text {
	char *at, *end;
	int full;
};

static void text_add(struct text *t, const char *s, size_t n)
{
	if ((size_t)(t->end - t->at) <= n) {
		t->full = 1;
		return;
	}
	memcpy(t->at, s, n);
	t->at += n;
	*t->at = '\0';
}

/* ".." would leave the folder: it becomes "%up", and the / that a path begins
 * with "%root/". To keep them apart from folders of these names, a leading %
 * is doubled. */
static void add_folder(struct text *t, const char *s, size_t n)
{
	if (n == 0 || (n == 1 && s[0] == '.'))
		return;
	if (n == 2 && s[0] == '.' && s[1] == '.') {
		text_add(t, "%up", 3);
	} else {
		if (s[0] == '%')
			text_add(t, "%", 1);
		text_add(t, s, n);
	}
	text_add(t, "/", 1);
}

/* "a.jpg" becomes "a", "a.png" and "a.png.jpg" stay; a file called "a" gets a
 * mark, and a leading % is doubled, so that no two can meet. */
static void add_file(struct text *t, const char *s)
{
	const char *dot = strchr(s, '.');
	int plain = dot != NULL && strcmp(dot, ".jpg") == 0;

	if (dot == NULL)
		text_add(t, "%.", 2);
	else if (s[0] == '%')
		text_add(t, "%", 1);
	text_add(t, s, plain ? (size_t)(dot - s) : strlen(s));
}

int thumb_name(char *name, size_t room, const struct job *job,
	const struct settings *settings)
{
	struct text t = {.at = name, .end = name + room};
	const char *s = job->path, *slash;
	char tail[32];

	text_add(&t, settings->folder, strlen(settings->folder));
	text_add(&t, "/", 1);
	if (*s == '/')
		text_add(&t, "%root/", 6);
	for (; (slash = strchr(s, '/')) != NULL; s = slash + 1)
		add_folder(&t, s, slash - s);
	add_file(&t, s);
	snprintf(tail, sizeof(tail), "_%d.jpg", job->size);
	text_add(&t, tail, strlen(tail));
	return t.full ? -ENAMETOOLONG : 0;
}

int folder_make(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	struct stat st;

	if (n == 0)
		return -ENOENT;
	if (n >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, n + 1);
	for (char *s = part + 1; *s != '\0'; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		if (mkdir(part, 0777) < 0 && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	if (mkdir(path, 0777) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static int bytes_write(int fd, const unsigned char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		bytes += done;
		n -= done;
	}
	return 0;
}

/* A passing name in the folder of `path`, opened for writing. The folder is
 * made when it is missing. */
static int passing_open(char *passing, const char *path)
{
	int folder = (int)(strrchr(path, '/') - path), fd, rc;

	snprintf(passing, PATH_MAX, "%.*s/.thumb-XXXXXX", folder, path);
	fd = mkostemp(passing, O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd >= 0 ? fd : -errno;
	passing[folder] = '\0';
	rc = folder_make(passing);
	if (rc < 0)
		return rc;
	snprintf(passing, PATH_MAX, "%.*s/.thumb-XXXXXX", folder, path);
	fd = mkostemp(passing, O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

static int file_fill(int fd, const struct job *job, mode_t mode)
{
	int rc = bytes_write(fd, job->bytes, job->length);

	if (rc == 0 && fchmod(fd, mode) < 0)
		rc = -errno;
	/* A full disk behind a network may show itself only here. */
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

static int file_put(const char *path, const struct job *job, mode_t mode)
{
	char passing[PATH_MAX];
	int rc, fd = passing_open(passing, path);

	if (fd < 0)
		return fd;
	rc = file_fill(fd, job, mode);
	if (rc == 0 && rename(passing, path) < 0)
		rc = -errno;
	if (rc < 0)
		unlink(passing);
	return rc;
}

int job_write(struct job *job, const struct settings *settings)
{
	/* mkostemp wants room for a name longer than the thumbnail's. */
	char path[PATH_MAX - 16];
	int rc = thumb_name(path, sizeof(path), job, settings);

	if (rc == 0)
		rc = file_put(path, job, settings->file_mode);
	if (rc == -ENAMETOOLONG)
		snprintf(job->why, WHY_MAX, "the name is too long");
	else if (rc < 0)
		snprintf(job->why, WHY_MAX,
			"cannot write its %d pixels into %.80s: %s", job->size,
			settings->folder, strerror(-rc));
	return rc;
}
