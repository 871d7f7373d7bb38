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
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <leat.h>

#include "image/find.h"
#include "image/job.h"
#include "image/same.h"
#include "image/sizes.h"

enum { ROWS = 5, FAILED = 1, USAGE = 2 };

/* How the work is done. */
enum manner { BY_CHAIN, SERIALLY, BOTH };

struct run {
	struct settings settings;
	enum manner manner;
	int verbose;
	uint32_t workers; /* of decode, resize and encode; 0: as leat does */
	char *const *paths;
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
	struct finder *finder = leat_arg(w);
	struct job *job;
	int rc = finder_next(finder, &job);

	(void)in;
	if (rc < 0)
		return leat_error(w, rc, "%s", finder->why);
	if (rc > 0)
		return LEAT_END;
	*out = job;
	return 0;
}

/* Makes a job of each size of one for all sizes. */
static int split(struct job *job, leat_worker *w)
{
	struct run *run = leat_arg(w);
	const struct settings *s = &run->settings;

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
	int rc = job_decode(job, &run->settings);

	if (rc == 0 && job->size == 0)
		rc = split(job, w);
	return hand_on(rc, job, out, w);
}

static int resize(void *in, void **out, leat_worker *w)
{
	struct run *run = leat_arg(w);

	return hand_on(job_resize(in, &run->settings), in, out, w);
}

static int encode(void *in, void **out, leat_worker *w)
{
	struct run *run = leat_arg(w);

	return hand_on(job_encode(in, &run->settings), in, out, w);
}

static int save(void *in, void **out, leat_worker *w)
{
	struct run *run = leat_arg(w);
	int rc = job_write(in, &run->settings);

	if (rc == 0)
		atomic_fetch_add(&run->thumbnails, 1);
	return hand_on(rc, in, out, w);
}

/* A source that failed has no item to show: its text names the file. */
static int failed(void *item, const leat_report *report, void *arg)
{
	struct job *job = item;

	complain(arg, job != NULL ? job->path : NULL, report->text);
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
 * Pictures wait in the queues of resize and encode, so these are short: a
 * place for each worker is enough to keep all of them busy.
 */
static int run_chain(struct run *run)
{
	struct finder finder;
	leat_chain *chain;
	leat_report report;
	uint32_t n = run->workers;
	leat_stage rows[ROWS] = {
		{.name = "find",
			.source = find,
			.arg = &finder,
			.free_out = job_free,
			.on_error = LEAT_SKIP},
		{"decode", decode, .arg = run, .workers = n, .queue = 64},
		{"resize", resize, .arg = run, .workers = n, .queue = 4},
		{"encode", encode, .arg = run, .workers = n, .queue = 4},
		{"write", save, .arg = run, .workers = 2, .queue = 64},
	};
	leat_opts opts = {
		.failed = failed, .failed_arg = run, .report = &report};
	int rc = finder_open(&finder, run->paths, &run->settings);

	for (int i = 1; i < ROWS; i++)
		rows[i].on_error = LEAT_SKIP;
	if (rc < 0)
		return rc;
	rc = leat_open(&chain, rows, ROWS, &opts);
	if (rc == 0) {
		leat_wait(chain);
		if (run->verbose)
			print_counts(chain);
		rc = leat_close(chain);
	}
	finder_close(&finder);
	if (rc < 0 && atomic_load(&run->failures) == 0)
		complain(run, NULL, report.text);
	return 0;
}

/* ---- the same, in a plain loop ---- */

static void thumbnail_make(struct run *run, struct job *job)
{
	const struct settings *s = &run->settings;

	if (job_resize(job, s) < 0 || job_encode(job, s) < 0 ||
		job_write(job, s) < 0)
		complain(run, job->path, job->why);
	else
		atomic_fetch_add(&run->thumbnails, 1);
}

static void sizes_make(struct run *run, struct job *job)
{
	for (size_t i = 0; i < run->settings.n_sizes; i++) {
		struct job *one = job_split(job, run->settings.sizes[i]);

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
	if (job_decode(job, &run->settings) < 0)
		complain(run, job->path, job->why);
	else if (job->size == 0)
		sizes_make(run, job);
	else
		thumbnail_make(run, job);
	job_free(job);
}

static int run_serially(struct run *run)
{
	struct finder finder;
	struct job *job;
	int rc = finder_open(&finder, run->paths, &run->settings);

	if (rc < 0)
		return rc;
	while ((rc = finder_next(&finder, &job)) <= 0) {
		if (rc < 0)
			complain(run, NULL, finder.why);
		else
			picture_do(run, job);
	}
	finder_close(&finder);
	return 0;
}

/* ---- one after the other ---- */

static int folder_use(struct settings *s, const char *folder)
{
	struct stat st;
	int rc = folder_make(folder);

	if (rc == 0 && stat(folder, &st) < 0)
		rc = -errno;
	if (rc == 0 && !S_ISDIR(st.st_mode))
		rc = -ENOTDIR;
	if (rc < 0) {
		fprintf(stderr, "thumbs: %s: cannot make the folder: %s\n",
			folder, strerror(-rc));
		return rc;
	}
	s->folder = folder;
	s->folder_dev = st.st_dev;
	s->folder_ino = st.st_ino;
	return 0;
}

/* Returns the seconds it took; below 0 when it could not begin. */
static double timed(struct run *run, enum manner manner, const char *folder)
{
	uint64_t start = leat_now();
	int rc;

	if (folder_use(&run->settings, folder) < 0)
		return -1;
	rc = manner == SERIALLY ? run_serially(run) : run_chain(run);
	if (rc < 0) {
		fprintf(stderr, "thumbs: %s\n", strerror(-rc));
		return -1;
	}
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

static int run_both(struct run *run, const char *folder)
{
	char serial[4000], chain[4000];
	double would, took;

	snprintf(serial, sizeof(serial), "%s/serial", folder);
	snprintf(chain, sizeof(chain), "%s/chain", folder);
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

static int run_once(struct run *run, const char *folder)
{
	double took = timed(run, run->manner, folder);

	if (took < 0)
		return FAILED;
	if (run->verbose)
		printf("%u thumbnails in %.2f s, at most %ld MB of memory\n",
			run->thumbnails, took, most_memory());
	return run->failures > 0 ? FAILED : 0;
}

/* ---- the command line ---- */

static const char help[] =
	"Usage: thumbs [-o DIR] [-s SIZES] [-j WORKERS] FILE|DIR...\n"
	"Make thumbnails of JPEG, PNG and WebP pictures.\n"
	"\n"
	"  -o, --output DIR    put them there (default: thumbnails); a "
	"picture\n"
	"                      a/b.jpg gives DIR/a/b_SIZE.jpg\n"
	"  -s, --sizes SIZES   longest sides in pixels, like 100,200,400 or\n"
	"                      100-2080:20 (default: 256); nothing is "
	"enlarged\n"
	"  -j, --workers N     workers of each heavy stage (default: one per\n"
	"                      processor)\n"
	"  -q, --quality N     of the JPEG files, 1 to 100 (default: 85)\n"
	"      --each          decode a picture anew for each size: more "
	"work,\n"
	"                      each at the size that suits it\n"
	"      --serial        a plain loop instead of the chain\n"
	"      --both          do it serially into DIR/serial, then by the\n"
	"                      chain into DIR/chain, and compare\n"
	"  -v, --verbose       print the time and what each stage did\n"
	"  -h, --help          print this\n"
	"\n"
	"Pictures are turned upright; what is transparent becomes white. What\n"
	"cannot be read or written is reported, and the others are still "
	"done.\n"
	"Exit status: 0 all done, 1 something failed, 2 wrong usage.\n";

static const struct option options[] = {
	{"output", required_argument, NULL, 'o'},
	{"sizes", required_argument, NULL, 's'},
	{"workers", required_argument, NULL, 'j'},
	{"quality", required_argument, NULL, 'q'},
	{"each", no_argument, NULL, 'e'},
	{"serial", no_argument, NULL, 'S'},
	{"both", no_argument, NULL, 'B'},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static int usage(const char *what)
{
	fprintf(stderr, "thumbs: %s; thumbs --help says more\n", what);
	exit(USAGE);
}

static long number(const char *text, long least, long most, const char *what)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || value < least ||
		value > most)
		usage(what);
	return value;
}

static void option_use(struct run *run, int option)
{
	struct settings *s = &run->settings;

	if (option == 'o')
		s->folder = optarg;
	else if (option == 's' && sizes_parse(s, optarg) < 0)
		usage("-s wants sizes like 100,200 or 100-2080:20");
	else if (option == 'j')
		run->workers = number(optarg, 0, LEAT_WORKERS_MAX,
			"-j wants a number of workers");
	else if (option == 'q')
		s->quality = number(optarg, 1, 100, "-q wants 1 to 100");
	else if (option == 'e')
		s->each = 1;
	else if (option == 'S')
		run->manner = SERIALLY;
	else if (option == 'B')
		run->manner = BOTH;
	else if (option == 'v')
		run->verbose = 1;
}

static void options_read(struct run *run, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(
			argc, argv, "o:s:j:q:vh", options, NULL)) != -1) {
		if (option == '?')
			exit(USAGE);
		if (option == 'h') {
			fputs(help, stdout);
			exit(0);
		}
		option_use(run, option);
	}
	if (optind == argc)
		usage("no pictures given");
	run->paths = argv + optind;
	for (char *const *path = run->paths; *path != NULL; path++)
		if (**path == '\0')
			usage("an empty name");
}

int main(int argc, char **argv)
{
	struct run run = {.settings = {.folder = "thumbnails", .quality = 85}};
	mode_t mask = umask(0);
	const char *folder;
	int rc;

	umask(mask);
	run.settings.file_mode = 0666 & ~mask;
	/* Pictures come and go: their memory is kept for the next one, or
	 * the kernel would clear and map the same megabytes for each. */
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	if (sizes_parse(&run.settings, "256") < 0)
		return FAILED;
	options_read(&run, argc, argv);
	folder = run.settings.folder;
	rc = run.manner == BOTH ? run_both(&run, folder)
				: run_once(&run, folder);
	free(run.settings.sizes);
	return rc;
}
