/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "image.h"

/* A picture is w x h as stored; its upright form has the same sides. */
static int side(int side_now, int longest, int size)
{
	int64_t fit = ((int64_t)side_now * size * 2 + longest) / longest / 2;

	return fit > 0 ? (int)fit : 1;
}

struct image *image_fit(struct image *image, int size)
{
	int longest = image_longest(image);
	int width = image->width, height = image->height;
	struct image *small, *upright;

	if (longest > size) {
		width = side(width, longest, size);
		height = side(height, longest, size);
	}
	small = image_shrink(image, width, height);
	if (small == NULL || small->orientation == 1)
		return small;
	upright = image_turn(small);
	image_drop(small);
	return upright;
}

/*
 * The eight orientations are made of three steps: exchange x and y, mirror
 * left and right, mirror top and bottom. `from` is where, in the stored
 * picture, the upright pixel (x, y) is found.
 */
static const struct turn {
	int swap, mirror_x, mirror_y;
} turns[9] = {
	[1] = {0, 0, 0},
	[2] = {0, 1, 0},
	[3] = {0, 1, 1},
	[4] = {0, 0, 1},
	[5] = {1, 0, 0},
	[6] = {1, 0, 1},
	[7] = {1, 1, 1},
	[8] = {1, 1, 0},
};

static void row_turn(struct image *to, int y, struct image *from)
{
	const struct turn *t = &turns[from->orientation];
	unsigned char *out = image_row(to, y);
	int n = to->channels;

	for (int x = 0; x < to->width; x++, out += n) {
		int sx = t->swap ? y : x, sy = t->swap ? x : y;

		if (t->mirror_x)
			sx = from->width - 1 - sx;
		if (t->mirror_y)
			sy = from->height - 1 - sy;
		memcpy(out, image_row(from, sy) + sx * n, n);
	}
}

struct image *image_turn(struct image *image)
{
	int swap = turns[image->orientation].swap;
	struct image *to = image_new(swap ? image->height : image->width,
		swap ? image->width : image->height, image->channels);

	if (to == NULL)
		return NULL;
	for (int y = 0; y < to->height; y++)
		row_turn(to, y, image);
	if (image_give_profile(to, image) < 0) {
		image_drop(to);
		return NULL;
	}
	return to;
}
