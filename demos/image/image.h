/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pictures in memory: read from JPEG, PNG and WebP files, made smaller,
 * turned upright, written as JPEG.
 *
 * Functions that can fail return 0 or a negative errno and put a sentence
 * without the file's name into the caller's `why`. They never print, and any
 * number of threads may call them on different pictures.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Room for a reason; libjpeg wants 200 for its own. */
#define WHY_MAX 200

/* No picture of more pixels is read: a small file can claim any size. */
#define IMAGE_PIXELS_MAX (1 << 28)

struct image {
	int width, height;
	int channels;	 /* 1 grey, 3 RGB, 4 RGB and alpha */
	int orientation; /* 1 to 8, as in EXIF: how to turn it upright */
	atomic_uint references;
	unsigned char *profile; /* ICC colour profile, or NULL; malloc */
	size_t profile_size;
	unsigned char pixels[]; /* rows from the top, no gaps */
};

/* image_new makes a picture of undefined pixels with one reference. */
struct image *image_new(int width, int height, int channels);

/* image_hold adds a reference; image_drop takes one away, and frees the
 * picture with the last. NULL is fine for image_drop. */
struct image *image_hold(struct image *image);
void image_drop(struct image *image);

/* image_give_profile copies the profile of one picture to another. */
int image_give_profile(struct image *to, const struct image *from);

static inline unsigned char *image_row(struct image *image, int y)
{
	return image->pixels + (size_t)y * image->width * image->channels;
}

static inline int image_longest(const struct image *image)
{
	return image->width > image->height ? image->width : image->height;
}

/*
 * image_read reads a picture whose longest side the caller will reduce to
 * `size` pixels. The result may already be smaller than the file says, but
 * never below that. The kind is told by the content, not by the name.
 */
int image_read(struct image **image, const char *path, int size, char *why);

/* image_fit makes the picture that fits `size` x `size` pixels, opaque (on
 * white) and upright. It never enlarges. Returns NULL when out of memory. */
struct image *image_fit(struct image *image, int size);

/* image_shrink resamples to width x height, neither larger than it is; the
 * result is opaque. image_turn makes the upright picture. NULL: no memory. */
struct image *image_shrink(struct image *image, int width, int height);
struct image *image_turn(struct image *image);

/* image_to_jpeg compresses a grey or RGB picture; *bytes is malloc. */
int image_to_jpeg(struct image *image, int quality, unsigned char **bytes,
	size_t *length, char *why);

/* exif_prefix is the length of what a JPEG file has before the TIFF block of
 * its EXIF data; 0 when that is not there. */
size_t exif_prefix(const unsigned char *bytes, size_t length);

/* exif_orientation finds the orientation in a TIFF block of EXIF data: 1 to
 * 8, and 1 when there is none. */
int exif_orientation(const unsigned char *tiff, size_t length);

/* The readers, one for each kind of file, called by image_read with the file
 * at its start. */
int jpeg_read(struct image **image, FILE *file, int size, char *why);
int png_read(struct image **image, FILE *file, int size, char *why);
int webp_read(struct image **image, FILE *file, int size, char *why);

#endif
