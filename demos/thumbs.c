/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thumbs: thumbnails of pictures, in a chain of five stages:
 *
 *	find -> decode xN -> resize xN -> encode xN -> write x2
 *
 * An item is a job (image/job.h), and is passed from stage to stage. Without
 * --each a picture is decoded once, and decode hands on a job for each size,
 * all of which hold the same picture. A job that fails is reported and left
 * out. At most one picture waits or is worked on per place of a queue and
 * per worker, however many there are.
 */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/find.h"
#include "image/job.h"
#include "image/options.h"
#include "image/same.h"
#include "twin.h"

enum { ROWS = 5, FAILED = 1 };

struct run {
	struct options options;
	struct settings *settings; /* those in the options */
	struct finder finder;	   /* used by the find stage alone */
	leat_report report;
	atomic_uint failures;
	atomic_uint thumbnails;
};

/* One call of fprintf per line: lines of two workers never mix. */
static void complain(struct run *run, const char *path, const char *why)
{
	atomic_fetch_add(&run->failures, 1);
	if (path != NULL)
		fprintf(stderr, "thumbs: %s: %s\n", path, why);
	else
		fprintf(stderr, "thumbs: %s\n", why);
}

/* ---- the stages of the chain ---- */

static int hand_on(int rc, struct job *job, void **out, leat_worker *w)
{
	if (rc < 0)
		return leat_error(w, rc, "%s", job->why);
	*out = job;
	return 0;
}

static int find(void *in, void **out, leat_worker *w)
{
	struct run *run = leat_arg(w);
	struct job *job;
	int rc = finder_next(&run->finder, &job);

	(void)in;
	if (rc < 0)
		return leat_error(w, rc, "%s", run->finder.why);
	if (rc > 0)
		return LEAT_END;
	*out = job;
	return 0;
}

/* Makes a job of each size of one for all sizes. */
static int split(struct job *job, leat_worker *w)
{
	struct run *run = leat_arg(w);
	const struct settings *s = run->settings;

	job->size = s->sizes[0];
	for (size_t i = 1; i < s->n_sizes; i++) {
		struct job *other = job_split(job, s->sizes[i]);

		if (other != NULL)
			leat_emit(w, other);
		else
			complain(run, job->path, "out of memory");
	}
	return 0;
}

static int decode(void *in, void **out, leat_worker *w)
{
	struct run *run = leat_arg(w);
	struct job *job = in;
	int rc = job_decode(job, run->settings);

	if (rc == 0 && job->size == 0)
		rc = split(job, w);
	return hand_on(rc, job, out, w);
}

static int resize(void *in, void **out, leat_worker *w)
{
	struct run *run = leat_arg(w);

	return hand_on(job_resize(in, run->settings), in, out, w);
}

static int encode(void *in, void **out, leat_worker *w)
{
	struct run *run = leat_arg(w);

	return hand_on(job_encode(in, run->settings), in, out, w);
}

static int save(void *in, void **out, leat_worker *w)
{
	struct run *run = leat_arg(w);
	int rc = job_write(in, run->settings);

	if (rc == 0)
		atomic_fetch_add(&run->thumbnails, 1);
	return hand_on(rc, in, out, w);
}

/* A source that failed has no item to show. Its thread is the one that calls
 * this, so that the finder still says which file it was. */
static int failed(void *item, const leat_report *report, void *arg)
{
	struct run *run = arg;
	struct job *job = item;

	if (job != NULL)
		complain(run, job->path, report->text);
	else
		complain(run, NULL, run->finder.why);
	return 0;
}

/* ---- the table ---- */

static void print_counts(leat_chain *chain)
{
	leat_counts counts[ROWS];
	size_t n = leat_stats(chain, counts, ROWS);

	printf("\n%-8s %7s %7s %7s %9s %9s %10s %11s %8s\n", "stage", "workers",
		"taken", "failed", "busy s", "ms/item", "no input s",
		"no room s", "waiting");
	for (size_t i = 0; i < n; i++) {
		const leat_counts *c = &counts[i];
		double ms = c->busy_ns / 1e6;

		printf("%-8s %7u %7llu %7llu %9.2f %9.2f %10.2f %11.2f"
		       " %4llu/%llu\n",
			c->stage, c->workers, (unsigned long long)c->taken,
			(unsigned long long)c->failed, ms / 1e3,
			c->taken > 0 ? ms / c->taken : 0,
			c->blocked_in_ns / 1e9, c->blocked_out_ns / 1e9,
			(unsigned long long)c->high_water,
			(unsigned long long)c->capacity);
	}
	printf("\n");
}

/*
 * Pictures wait in the queues of resize and encode, so these are short: what
 * they hold is the memory that the chain needs.
 */
static int chain_open(leat_chain **chain, struct run *run)
{
	uint32_t n = run->options.workers;
	leat_stage rows[ROWS] = {
		{.name = "find", .source = find, .free_out = job_free},
		{"decode", decode, .workers = n, .queue = 64},
		{"resize", resize, .workers = n, .queue = 4},
		{"encode", encode, .workers = n, .queue = 4},
		{"write", save, .workers = 2, .queue = 64},
	};
	leat_opts opts = {
		.failed = failed, .failed_arg = run, .report = &run->report};
	int rc;

	for (int i = 0; i < ROWS; i++) {
		rows[i].arg = run;
		rows[i].on_error = LEAT_SKIP;
	}
	rc = leat_open(chain, rows, ROWS, &opts);
	if (rc == -EAGAIN)
		complain(run, NULL, "no room for so many threads: fewer -j");
	else if (rc < 0)
		complain(run, NULL, run->report.text);
	return rc;
}

static void run_chain(struct run *run)
{
	leat_chain *chain;
	int rc;

	if (chain_open(&chain, run) < 0)
		return;
	leat_wait(chain);
	if (run->options.verbose)
		print_counts(chain);
	rc = leat_close(chain);
	/* Usually that is a failure that `failed` has been shown already. */
	if (rc < 0 && atomic_load(&run->failures) == 0)
		complain(run, NULL, run->report.text);
}

/* ---- the same, in a plain loop ---- */

static void thumbnail_make(struct run *run, struct job *job)
{
	const struct settings *s = run->settings;

	if (job_resize(job, s) < 0 || job_encode(job, s) < 0 ||
		job_write(job, s) < 0)
		complain(run, job->path, job->why);
	else
		atomic_fetch_add(&run->thumbnails, 1);
}

static void sizes_make(struct run *run, struct job *job)
{
	for (size_t i = 0; i < run->settings->n_sizes; i++) {
		struct job *one = job_split(job, run->settings->sizes[i]);

		if (one == NULL) {
			complain(run, job->path, "out of memory");
			continue;
		}
		thumbnail_make(run, one);
		job_free(one);
	}
}

static void picture_do(struct run *run, struct job *job)
{
	if (job_decode(job, run->settings) < 0)
		complain(run, job->path, job->why);
	else if (job->size == 0)
		sizes_make(run, job);
	else
		thumbnail_make(run, job);
	job_free(job);
}

static void run_serially(struct run *run)
{
	struct job *job;
	int rc;

	while ((rc = finder_next(&run->finder, &job)) <= 0) {
		if (rc < 0)
			complain(run, NULL, run->finder.why);
		else
			picture_do(run, job);
	}
}

/* ---- one after the other ---- */

static int folder_use(struct settings *s, const char *folder)
{
	int rc = folder_make(folder);

	if (rc < 0)
		fprintf(stderr, "thumbs: %s: cannot make the folder: %s\n",
			folder, strerror(-rc));
	s->folder = folder;
	return rc;
}

/* Whatever is below this folder is not to be found as a picture. */
static int folder_remember(struct settings *s, const char *folder)
{
	struct stat st;
	int rc = folder_use(s, folder);

	if (rc == 0 && stat(folder, &st) == 0) {
		s->folder_dev = st.st_dev;
		s->folder_ino = st.st_ino;
	}
	return rc;
}

/* Returns the seconds it took; below 0 when it could not begin. */
static double timed(struct run *run, enum manner manner, const char *folder)
{
	uint64_t start = leat_now();
	int rc = folder_use(run->settings, folder);

	if (rc < 0)
		return -1;
	rc = finder_open(&run->finder, run->options.paths, run->settings);
	if (rc < 0) {
		fprintf(stderr, "thumbs: %s\n", strerror(-rc));
		return -1;
	}
	if (manner == SERIALLY)
		run_serially(run);
	else
		run_chain(run);
	finder_close(&run->finder);
	if (run->thumbnails + run->failures == 0)
		complain(run, NULL, "no pictures found");
	return (leat_now() - start) / 1e9;
}

static int say_same(const char *serial, const char *chain)
{
	struct comparison c;

	if (folders_compare(serial, chain, &c) < 0)
		return FAILED;
	if (c.different + c.missing > 0 || c.same == 0) {
		printf("of %d thumbnails %d differ and %d are missing\n",
			c.same + c.different + c.missing, c.different,
			c.missing);
		return FAILED;
	}
	printf("all %d thumbnails are the same, byte by byte and so pixel by "
	       "pixel\n",
		c.same);
	return 0;
}

/* Thumbnails that were there before would be compared as well. */
static int is_clear(const char *folder)
{
	if (rmdir(folder) == 0 || errno == ENOENT)
		return 1;
	fprintf(stderr, "thumbs: %s: cannot begin anew: %s\n", folder,
		strerror(errno));
	return 0;
}

static int run_both(struct run *run)
{
	const char *folder = run->options.folder;
	char serial[PATH_MAX + 8], chain[PATH_MAX + 8];
	double would, took;

	snprintf(serial, sizeof(serial), "%s/serial", folder);
	snprintf(chain, sizeof(chain), "%s/chain", folder);
	if (!is_clear(serial) || !is_clear(chain))
		return FAILED;
	would = timed(run, SERIALLY, serial);
	took = would < 0 ? -1 : timed(run, BY_CHAIN, chain);
	if (took < 0)
		return FAILED;
	printf("took %.2f s, would have taken %.2f s: %.2f times as fast\n",
		took, would, would / took);
	return say_same(serial, chain) != 0 || run->failures > 0 ? FAILED : 0;
}

static long most_memory(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return used.ru_maxrss / 1024;
}

static int run_once(struct run *run)
{
	const struct options *o = &run->options;
	double took = timed(run, o->manner, o->folder);

	if (took < 0)
		return FAILED;
	if (o->verbose)
		printf("%u thumbnails in %.2f s, at most %ld MB of memory\n",
			run->thumbnails, took, most_memory());
	return run->failures > 0 ? FAILED : 0;
}

int main(int argc, char **argv)
{
	struct run run = {0};
	mode_t mask = umask(0);
	int rc;

	umask(mask);
	/* Pictures come and go: their memory is kept for the next one, or
	 * the kernel would clear and map the same megabytes for each. */
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	options_read(&run.options, argc, argv);
	run.settings = &run.options.settings;
	run.settings->file_mode = 0666 & ~mask;
	if (folder_remember(run.settings, run.options.folder) < 0)
		rc = FAILED;
	else
		rc = run.options.manner == BOTH ? run_both(&run)
						: run_once(&run);
	free(run.settings->sizes);
	return rc != 0 ? rc : printed("thumbs");
}
