/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay [-r COUNT] [-k KEPT] FOLDER|FILE
 *
 * Runs the inputs of a fuzzer, without the fuzzer; with -r, each also COUNT
 * times with some of its bytes changed at random. The input under way is in the
 * file KEPT, which is gone if all pass.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/stress/lab.h"

#define SIZE_MOST 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t input[SIZE_MOST];
static const char *kept;
static uint64_t runs;

static size_t read_input(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	must("replay", f != NULL, "%s cannot be read", path);
	n = fread(input, 1, sizeof(input), f);
	fclose(f);
	return n;
}

/* keep writes the input where a failure leaves it. */
static void keep(const uint8_t *bytes, size_t n)
{
	FILE *f = kept == NULL ? NULL : fopen(kept, "wb");

	if (f == NULL)
		return;
	fwrite(bytes, 1, n, f);
	fclose(f);
}

/* Memory of exactly that size, so that a read beyond it is seen. */
static void run(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	must("replay", copy != NULL, "no memory");
	memcpy(copy, bytes, n);
	keep(bytes, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	runs++;
}

static void run_changed(struct rng *r, size_t n, uint64_t count)
{
	uint8_t changed[SIZE_MOST];

	for (uint64_t i = 0; i < count && n > 0; i++) {
		memcpy(changed, input, n);
		for (uint32_t k = rng_below(r, 8); k > 0; k--)
			changed[rng_below(r, (uint32_t)n)] =
				(uint8_t)rng_next(r);
		run(changed, n);
	}
}

static void run_file(const char *path, struct rng *r, uint64_t count)
{
	size_t n = read_input(path);

	run(input, n);
	run_changed(r, n, count);
}

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void run_folder(const char *path, struct rng *r, uint64_t count)
{
	struct dirent **names;
	char file[4096];
	int n = scandir(path, &names, visible, alphasort);

	if (n < 0 && errno == ENOTDIR)
		run_file(path, r, count);
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		run_file(file, r, count);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int main(int argc, char **argv)
{
	struct rng r = {1};
	uint64_t count = 0;
	int opt;

	while ((opt = getopt(argc, argv, "k:r:")) != -1) {
		if (opt == 'k')
			kept = optarg;
		else if (opt == 'r')
			count = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	if (optind < argc)
		run_folder(argv[optind], &r, count);
	if (kept != NULL)
		unlink(kept);
	printf("%" PRIu64 " inputs\n", runs);
	return runs == 0;
}
