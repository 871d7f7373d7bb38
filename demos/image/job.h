/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A job: one thumbnail on its way from a file to a file. Its steps are
 * functions of a job and the settings, so that a plain loop and a chain can
 * run the very same code.
 */
#ifndef JOB_H
#define JOB_H

#include <sys/types.h>

#include "image.h"

struct settings {
	const char *folder; /* where thumbnails go; exists */
	dev_t folder_dev;   /* which folder that is, under any name */
	ino_t folder_ino;
	mode_t file_mode; /* of the thumbnails: what the umask leaves */
	int quality;	  /* of the JPEG files, 1 to 100 */
	int each;	  /* a job for each size, not for each file */
	int *sizes;	  /* the largest first, none twice; malloc */
	size_t n_sizes;
};

struct job {
	struct image *image;  /* from decode on; encode drops it */
	unsigned char *bytes; /* from encode on: the JPEG file */
	size_t length;
	int size;	   /* longest side; 0: a job for all sizes */
	char why[WHY_MAX]; /* set by the step that failed */
	char path[];	   /* of the picture */
};

/* job_new makes a job; NULL when out of memory. job_split makes another one
 * of the same, decoded picture. job_free frees it, as a leat destructor. */
struct job *job_new(const char *path, int size);
struct job *job_split(const struct job *job, int size);
void job_free(void *job);

/* The steps. Each returns 0 or a negative errno and sets job->why. */
int job_decode(struct job *job, const struct settings *settings);
int job_resize(struct job *job, const struct settings *settings);
int job_encode(struct job *job, const struct settings *settings);
int job_write(struct job *job, const struct settings *settings);

/*
 * folder_make makes a folder and those above it. Returns 0 or a negative
 * errno.
 */
int folder_make(const char *path);

/*
 * thumb_name puts the thumbnail's path below the folder into name, of `room`
 * bytes: the path of the picture as it was given, less ".jpg" and plus
 * "_SIZE.jpg". Different paths give different names. Returns 0 or
 * -ENAMETOOLONG.
 */
int thumb_name(char *name, size_t room, const struct job *job,
	const struct settings *settings);

#endif
