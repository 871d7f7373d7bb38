/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SIZES_H
#define SIZES_H

#include "job.h"

/*
 * sizes_parse reads "100,200,400" and "100-2080:20" (from, to, step), or a
 * mixture, into settings->sizes: the largest first, none twice. Returns 0,
 * -EINVAL or -ENOMEM.
 */
int sizes_parse(struct settings *settings, const char *text);

#endif
