/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resampling with the Lanczos kernel of three lobes, first along the rows,
 * then along the columns. Every pixel is a vector of four floats, whatever
 * its channels: one multiplication and one addition per tap and pixel, on
 * any processor with vectors of 16 bytes. The order of the sums is fixed, so
 * the same picture always gives the same bytes.
 *
 * Of the rows only as many are held as the kernel covers, in a ring.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

typedef float pixel __attribute__((vector_size(16)));
typedef int32_t ints __attribute__((vector_size(16)));

#define LOBES 3

/* How each pixel of a line is made: `count` pixels of the source from
 * first[i] on, times weights[i * most ...]. */
struct kernel {
	int n, most;
	int *first, *count;
	float *weights;
};

static double lanczos(double x)
{
	double a = M_PI * x;

	if (x == 0)
		return 1;
	return LOBES * sin(a) * sin(a / LOBES) / (a * a);
}

/* One pixel's weights; they add up to 1, also at the edges. */
static void weights_init(struct kernel *k, int i, int from)
{
	double scale = (double)from / k->n, centre = (i + 0.5) * scale;
	int first = (int)ceil(centre - LOBES * scale - 0.5);
	int last = (int)floor(centre + LOBES * scale - 0.5);
	float *w = k->weights + (size_t)i * k->most;
	double sum = 0;

	first = first < 0 ? 0 : first;
	last = last >= from ? from - 1 : last;
	k->first[i] = first;
	k->count[i] = last - first + 1;
	for (int j = first; j <= last; j++)
		sum += w[j - first] = lanczos((j + 0.5 - centre) / scale);
	for (int j = first; j <= last; j++)
		w[j - first] /= sum;
}

static void kernel_fini(struct kernel *k)
{
	free(k->first);
	free(k->weights);
}

static int kernel_init(struct kernel *k, int from, int to)
{
	k->n = to;
	k->most = (int)(2.0 * LOBES * from / to) + 2;
	k->first = malloc(2 * to * sizeof(*k->first));
	k->weights = malloc((size_t)to * k->most * sizeof(*k->weights));
	if (k->first == NULL || k->weights == NULL) {
		kernel_fini(k);
		return -1;
	}
	k->count = k->first + to;
	for (int i = 0; i < to; i++)
		weights_init(k, i, from);
	return 0;
}

static void load_grey(pixel *line, const unsigned char *row, int width)
{
	for (int x = 0; x < width; x++)
		line[x] = (pixel){row[x], 0, 0, 0};
}

static void load_rgb(pixel *line, const unsigned char *row, int width)
{
	for (int x = 0; x < width; x++, row += 3)
		line[x] = __builtin_convertvector(
			((ints){row[0], row[1], row[2], 0}), pixel);
}

/* What is transparent shows the white that it lies on. */
static void load_alpha(pixel *line, const unsigned char *row, int width)
{
	for (int x = 0; x < width; x++, row += 4) {
		float a = row[3] * (1 / 255.0f), white = 255 * (1 - a);
		pixel p = {row[0], row[1], row[2], 0};

		line[x] = p * a + (pixel){white, white, white, 0};
	}
}

static void load(pixel *line, struct image *image, int y)
{
	const unsigned char *row = image_row(image, y);

	if (image->channels == 1)
		load_grey(line, row, image->width);
	else if (image->channels == 3)
		load_rgb(line, row, image->width);
	else
		load_alpha(line, row, image->width);
}

static unsigned char to_byte(float f)
{
	return f <= 0 ? 0 : f >= 255 ? 255 : (unsigned char)(f + 0.5f);
}

static void store(unsigned char *row, const pixel *line, int n, int channels)
{
	for (int x = 0; x < n; x++)
		for (int c = 0; c < channels; c++)
			*row++ = to_byte(line[x][c]);
}

/* Two sums at a time: an addition waits for the one before. */
static void along_row(pixel *out, const pixel *line, const struct kernel *k)
{
	for (int i = 0; i < k->n; i++) {
		const float *w = k->weights + (size_t)i * k->most;
		const pixel *in = line + k->first[i];
		int j, n = k->count[i] - 1;
		pixel even = {0}, odd = {0};

		for (j = 0; j < n; j += 2) {
			even += w[j] * in[j];
			odd += w[j + 1] * in[j + 1];
		}
		if (j == n)
			even += w[j] * in[j];
		out[i] = even + odd;
	}
}

/* A picture being resampled. */
struct shrinking {
	struct image *from, *to;
	struct kernel across, down;
	int loaded;   /* rows of `from` that have gone into the ring */
	pixel *line;  /* a row of `from` */
	pixel *ring;  /* rows of the width of `to`, the last down.most ones */
	pixel *mixed; /* a row of `to` */
};

static pixel *ring_row(struct shrinking *s, int y)
{
	return s->ring + (size_t)(y % s->down.most) * s->to->width;
}

static void rows_load(struct shrinking *s, int end)
{
	for (; s->loaded < end; s->loaded++) {
		load(s->line, s->from, s->loaded);
		along_row(ring_row(s, s->loaded), s->line, &s->across);
	}
}

static void row_make(struct shrinking *s, int y)
{
	int width = s->to->width, first = s->down.first[y];
	const float *w = s->down.weights + (size_t)y * s->down.most;

	rows_load(s, first + s->down.count[y]);
	memset(s->mixed, 0, width * sizeof(pixel));
	for (int j = 0; j < s->down.count[y]; j++) {
		const pixel *in = ring_row(s, first + j);

		for (int x = 0; x < width; x++)
			s->mixed[x] += w[j] * in[x];
	}
	store(image_row(s->to, y), s->mixed, width, s->to->channels);
}

static int shrinking_run(struct shrinking *s)
{
	int width = s->to->width;
	size_t ring = (size_t)s->down.most * width;
	pixel *room = malloc((ring + s->from->width + width) * sizeof(pixel));

	if (room == NULL)
		return -1;
	s->ring = room;
	s->line = s->ring + ring;
	s->mixed = s->line + s->from->width;
	for (int y = 0; y < s->to->height; y++)
		row_make(s, y);
	free(room);
	return 0;
}

static int resample(struct image *from, struct image *to)
{
	struct shrinking s = {.from = from, .to = to};
	int rc = -1;

	if (kernel_init(&s.across, from->width, to->width) < 0)
		return -1;
	if (kernel_init(&s.down, from->height, to->height) == 0) {
		rc = shrinking_run(&s);
		kernel_fini(&s.down);
	}
	kernel_fini(&s.across);
	return rc;
}

struct image *image_shrink(struct image *image, int width, int height)
{
	int same = width == image->width && height == image->height;
	struct image *to;
	int rc = 0;

	if (same && image->channels != 4)
		return image_hold(image);
	to = image_new(width, height, image->channels == 1 ? 1 : 3);
	if (to == NULL)
		return NULL;
	to->orientation = image->orientation;
	rc = resample(image, to);
	if (rc < 0 || image_give_profile(to, image) < 0) {
		image_drop(to);
		return NULL;
	}
	return to;
}
