/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "job.h"

/* How the work is done. */
enum manner { BY_CHAIN, SERIALLY, BOTH };

/* The command line of thumbs. */
struct options {
	struct settings settings; /* those that it knows */
	const char *folder;	  /* where the thumbnails go */
	enum manner manner;
	int verbose;
	uint32_t workers;   /* of the heavy stages; 0: as leat does */
	char *const *paths; /* of pictures and folders; NULL ends them */
};

/* options_read reads the command line. It prints help, or what is wrong with
 * it, and ends the process then. */
void options_read(struct options *o, int argc, char **argv);

#endif
