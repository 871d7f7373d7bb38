/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PNG through libpng: all of its kinds come out as 8 bits of grey, RGB, or
 * RGB and alpha. Its errors leave through a longjmp to the setjmp in
 * png_read; what a call owns lies in a struct that outlives the jump.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "image.h"

struct reading {
	png_structp png;
	png_infop info;
	struct image *image;
	png_bytep *rows;
	int grey; /* in the file, whatever it becomes */
	int code;
	char *why;
};

static void fault_say(struct reading *r, int code, const char *text)
{
	snprintf(r->why, WHY_MAX, "%s", text);
	r->code = code;
	longjmp(png_jmpbuf(r->png), 1);
}

static void on_error(png_structp png, png_const_charp message)
{
	struct reading *r = png_get_error_ptr(png);

	snprintf(r->why, WHY_MAX, "damaged PNG: %s", message);
	r->code = -EBADMSG;
	longjmp(png_jmpbuf(png), 1);
}

/* libpng warns of what it can mend, and calls on_error for all else. */
static void on_warning(png_structp png, png_const_charp message)
{
	(void)png;
	(void)message;
}

static void to_8_bits(struct reading *r)
{
	int type = png_get_color_type(r->png, r->info);
	int alpha = (type & PNG_COLOR_MASK_ALPHA) ||
		    png_get_valid(r->png, r->info, PNG_INFO_tRNS);

	r->grey = !(type & PNG_COLOR_MASK_COLOR);
	png_set_expand(r->png);
	png_set_scale_16(r->png);
	if (alpha && r->grey)
		png_set_gray_to_rgb(r->png);
	png_set_interlace_handling(r->png);
	png_read_update_info(r->png, r->info);
}

static void rows_read(struct reading *r)
{
	int height = r->image->height;

	r->rows = malloc(height * sizeof(*r->rows));
	if (r->rows == NULL)
		fault_say(r, -ENOMEM, "out of memory");
	for (int y = 0; y < height; y++)
		r->rows[y] = image_row(r->image, y);
	png_read_image(r->png, r->rows);
	png_read_end(r->png, r->info);
}

/* A picture without orientation or profile, or with unusable ones, is shown
 * as it is. */
static void extras_read(struct reading *r)
{
	struct image *image = r->image;
	png_bytep exif, profile;
	png_uint_32 length;
	png_charp name;
	int method;

	if (png_get_eXIf_1(r->png, r->info, &length, &exif))
		image->orientation = exif_orientation(exif, length);
	/* Grey with alpha was made RGB, which its profile does not fit. */
	if (r->grey && image->channels != 1)
		return;
	if (!png_get_iCCP(r->png, r->info, &name, &method, &profile, &length))
		return;
	image->profile = malloc(length);
	if (image->profile == NULL)
		return;
	memcpy(image->profile, profile, length);
	image->profile_size = length;
}

static void picture_read(struct reading *r, FILE *file)
{
	png_uint_32 width, height;

	png_init_io(r->png, file);
	png_read_info(r->png, r->info);
	width = png_get_image_width(r->png, r->info);
	height = png_get_image_height(r->png, r->info);
	if ((uint64_t)width * height > IMAGE_PIXELS_MAX)
		fault_say(r, -EFBIG, "too many pixels");
	to_8_bits(r);
	r->image = image_new(width, height, png_get_channels(r->png, r->info));
	if (r->image == NULL)
		fault_say(r, -ENOMEM, "out of memory");
	rows_read(r);
	extras_read(r);
}

static void guarded_read(struct reading *r, FILE *file)
{
	if (setjmp(png_jmpbuf(r->png)) == 0)
		picture_read(r, file);
}

/* The pictures of this format cannot be read at a smaller size. */
int png_read(struct image **image, FILE *file, int size, char *why)
{
	struct reading r = {.why = why};

	(void)size;
	snprintf(why, WHY_MAX, "out of memory");
	r.png = png_create_read_struct(
		PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
	if (r.png == NULL)
		return -ENOMEM;
	r.info = png_create_info_struct(r.png);
	if (r.info == NULL)
		r.code = -ENOMEM;
	else
		guarded_read(&r, file);
	png_destroy_read_struct(&r.png, &r.info, NULL);
	free(r.rows);
	if (r.code != 0)
		image_drop(r.image);
	else
		*image = r.image;
	return r.code;
}
