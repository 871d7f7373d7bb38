/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/twin.h"
#include "options.h"
#include "sizes.h"

enum { USAGE = 2, WORKERS_MOST = 1000 };

static const char help[] =
	"Usage: thumbs [-o DIR] [-s SIZES] [-j WORKERS] FILE|DIR...\n"
	"Make thumbnails of JPEG, PNG and WebP pictures.\n"
	"\n"
	"  -o, --output DIR   put them there (default: thumbnails); of\n"
	"                     a/b.jpg comes DIR/a/b_SIZE.jpg\n"
	"  -s, --sizes SIZES  longest sides in pixels (default: 256), like\n"
	"                     100,200,400 or 100-2080:20 (from, to, step);\n"
	"                     nothing is enlarged\n"
	"  -j, --workers N    workers of each heavy stage (default: one\n"
	"                     per processor)\n"
	"  -q, --quality N    of the JPEG files, 1 to 100 (default: 85)\n"
	"      --each         decode a picture anew for each size: more\n"
	"                     work, each at the size that suits it\n"
	"      --serial       a plain loop instead of the chain\n"
	"      --both         do it serially into DIR/serial, then by the\n"
	"                     chain into DIR/chain, and compare; these\n"
	"                     two must be new or empty\n"
	"  -v, --verbose      print the time and what each stage did\n"
	"  -h, --help         print this\n"
	"\n"
	"Pictures are turned upright; what is transparent becomes white.\n"
	"What cannot be read or written is reported, and the others are\n"
	"still done. Exit status: 0 all done, 1 something failed, 2 wrong\n"
	"usage.\n";

static const struct option known[] = {
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

static _Noreturn void usage(const char *what)
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

static void option_use(struct options *o, int option)
{
	struct settings *s = &o->settings;

	if (option == 'o' && *optarg == '\0')
		usage("-o wants a folder");
	else if (option == 'o')
		o->folder = optarg;
	else if (option == 's' && sizes_parse(s, optarg) < 0)
		usage("-s wants sizes like 100,200 or 100-2080:20");
	else if (option == 'j')
		o->workers = number(optarg, 0, WORKERS_MOST,
			"-j wants a number of workers");
	else if (option == 'q')
		s->quality = number(optarg, 1, 100, "-q wants 1 to 100");
	else if (option == 'e')
		s->each = 1;
	else if (option == 'S')
		o->manner = SERIALLY;
	else if (option == 'B')
		o->manner = BOTH;
	else if (option == 'v')
		o->verbose = 1;
}

void options_read(struct options *o, int argc, char **argv)
{
	int option;

	memset(o, 0, sizeof(*o));
	o->folder = "thumbnails";
	o->settings.quality = 85;
	while ((option = getopt_long(argc, argv, "o:s:j:q:vh", known, NULL)) !=
		-1) {
		if (option == '?')
			exit(USAGE);
		if (option == 'h') {
			fputs(help, stdout);
			exit(printed("thumbs"));
		}
		option_use(o, option);
	}
	if (optind == argc)
		usage("no pictures given");
	if (o->settings.sizes == NULL && sizes_parse(&o->settings, "256") < 0)
		usage("out of memory");
	o->paths = argv + optind;
	for (char *const *path = o->paths; *path != NULL; path++)
		if (**path == '\0')
			usage("an empty name");
}
