/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "sizes.h"

enum { SIZE_MAX_JPEG = 65500, SIZES_MOST = 100000 };

struct range {
	int from, to, step;
};

/* A number from 1 to the most that a JPEG file can have; 0 for none. */
static int number(const char **text)
{
	long value;
	char *end;

	if (!isdigit((unsigned char)**text))
		return 0;
	value = strtol(*text, &end, 10);
	*text = end;
	return value <= SIZE_MAX_JPEG ? (int)value : 0;
}

static int range_parse(struct range *r, const char **text)
{
	r->from = r->to = number(text);
	r->step = 1;
	if (**text == '-') {
		++*text;
		r->to = number(text);
		if (**text == ':') {
			++*text;
			r->step = number(text);
		}
	}
	return r->from > 0 && r->to >= r->from && r->step > 0 ? 0 : -EINVAL;
}

static int range_add(struct settings *s, const struct range *r)
{
	size_t more = (r->to - r->from) / r->step + 1;
	int *sizes;

	if (s->n_sizes + more > SIZES_MOST)
		return -EINVAL;
	sizes = realloc(s->sizes, (s->n_sizes + more) * sizeof(*sizes));
	if (sizes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < more; i++)
		sizes[s->n_sizes++] = r->from + (int)i * r->step;
	s->sizes = sizes;
	return 0;
}

static int largest_first(const void *a, const void *b)
{
	return *(const int *)b - *(const int *)a;
}

static void sizes_tidy(struct settings *s)
{
	size_t kept = 1;

	qsort(s->sizes, s->n_sizes, sizeof(*s->sizes), largest_first);
	for (size_t i = 1; i < s->n_sizes; i++)
		if (s->sizes[i] != s->sizes[kept - 1])
			s->sizes[kept++] = s->sizes[i];
	s->n_sizes = kept;
}

int sizes_parse(struct settings *s, const char *text)
{
	struct range r;
	int rc;

	free(s->sizes);
	s->sizes = NULL;
	s->n_sizes = 0;
	do {
		rc = range_parse(&r, &text);
		if (rc == 0)
			rc = range_add(s, &r);
	} while (rc == 0 && *text++ == ',');
	if (rc == 0 && text[-1] != '\0')
		rc = -EINVAL;
	if (rc == 0)
		sizes_tidy(s);
	return rc;
}
