/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"

struct job *job_new(const char *path, int size)
{
	size_t length = strlen(path) + 1;
	struct job *job = malloc(sizeof(*job) + length);

	if (job == NULL)
		return NULL;
	job->image = NULL;
	job->bytes = NULL;
	job->length = 0;
	job->size = size;
	job->why[0] = '\0';
	memcpy(job->path, path, length);
	return job;
}

struct job *job_split(const struct job *job, int size)
{
	struct job *other = job_new(job->path, size);

	if (other != NULL)
		other->image = image_hold(job->image);
	return other;
}

void job_free(void *item)
{
	struct job *job = item;

	image_drop(job->image);
	free(job->bytes);
	free(job);
}

int job_decode(struct job *job, const struct settings *settings)
{
	int size = job->size > 0 ? job->size : settings->sizes[0];

	return image_read(&job->image, job->path, size, job->why);
}

int job_resize(struct job *job, const struct settings *settings)
{
	struct image *small = image_fit(job->image, job->size);

	(void)settings;
	if (small == NULL) {
		snprintf(job->why, WHY_MAX, "out of memory");
		return -ENOMEM;
	}
	image_drop(job->image);
	job->image = small;
	return 0;
}

int job_encode(struct job *job, const struct settings *settings)
{
	int rc = image_to_jpeg(job->image, settings->quality, &job->bytes,
		&job->length, job->why);

	if (rc < 0)
		return rc;
	image_drop(job->image);
	job->image = NULL;
	return 0;
}
