/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JPEG through libjpeg-turbo. Its errors leave through a longjmp to
 * guarded_read or guarded_write; all that a call owns lies in a struct of
 * their caller's, so nothing leaks and nothing is lost in a register.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <jerror.h>

#include "image.h"

struct fault {
	struct jpeg_error_mgr mgr; /* first: libjpeg hands back its address */
	jmp_buf jump;
	int code;
	char *why;
};

static void fault_exit(j_common_ptr c)
{
	struct fault *f = (struct fault *)c->err;

	f->mgr.format_message(c, f->why);
	f->code = f->mgr.msg_code == JERR_OUT_OF_MEMORY ? -ENOMEM : -EBADMSG;
	longjmp(f->jump, 1);
}

enum { PADDING_MOST = 15 };

/* Some files carry harmless oddities, which libjpeg warns of as it does of
 * real damage. Damage makes grey areas: better no thumbnail than that. A few
 * bytes too many are padding; more of them is how a damaged scan shows. */
static int is_harmless(const struct jpeg_error_mgr *e)
{
	if (e->msg_code == JWRN_EXTRANEOUS_DATA)
		return e->msg_parm.i[0] <= PADDING_MOST;
	return e->msg_code == JWRN_ADOBE_XFORM ||
	       e->msg_code == JWRN_JFIF_MAJOR || e->msg_code == JWRN_BOGUS_ICC;
}

static void fault_message(j_common_ptr c, int level)
{
	if (level < 0 && !is_harmless(c->err))
		fault_exit(c);
}

static struct jpeg_error_mgr *fault_init(struct fault *f, char *why)
{
	jpeg_std_error(&f->mgr);
	f->mgr.error_exit = fault_exit;
	f->mgr.emit_message = fault_message;
	f->code = 0;
	f->why = why;
	return &f->mgr;
}

static void fault_say(struct fault *f, int code, const char *text)
{
	snprintf(f->why, WHY_MAX, "%s", text);
	f->code = code;
	longjmp(f->jump, 1);
}

#define BUFFER 65536

/* A JPEG file being read. */
struct reading {
	struct jpeg_decompress_struct c;
	struct fault fault;
	struct image *image;
	struct jpeg_source_mgr source;
	FILE *file;
	JOCTET buffer[BUFFER];
};

/*
 * The file comes through a buffer of our own: libjpeg's has 4 KiB, and with
 * fewer than 3 left it decodes twice as slowly.
 */
static void source_begin(j_decompress_ptr c)
{
	(void)c;
}

/* At an end that comes too early libjpeg gets the marker that is missing. */
static boolean source_fill(j_decompress_ptr c)
{
	struct reading *r = c->client_data;
	size_t n = fread(r->buffer, 1, BUFFER, r->file);

	if (n == 0) {
		WARNMS(c, JWRN_JPEG_EOF);
		r->buffer[0] = 0xFF;
		r->buffer[1] = JPEG_EOI;
		n = 2;
	}
	r->source.next_input_byte = r->buffer;
	r->source.bytes_in_buffer = n;
	return TRUE;
}

static void source_skip(j_decompress_ptr c, long n)
{
	struct jpeg_source_mgr *s = c->src;

	while (n > (long)s->bytes_in_buffer) {
		n -= (long)s->bytes_in_buffer;
		source_fill(c);
	}
	if (n > 0) {
		s->next_input_byte += n;
		s->bytes_in_buffer -= (size_t)n;
	}
}

static void source_init(struct reading *r)
{
	r->source = (struct jpeg_source_mgr){
		.init_source = source_begin,
		.fill_input_buffer = source_fill,
		.skip_input_data = source_skip,
		.resync_to_restart = jpeg_resync_to_restart,
		.term_source = source_begin,
	};
	r->c.client_data = r;
	r->c.src = &r->source;
}

static void find_orientation(struct reading *r)
{
	jpeg_saved_marker_ptr m;

	for (m = r->c.marker_list; m != NULL; m = m->next) {
		size_t skip = exif_prefix(m->data, m->data_length);

		if (m->marker == JPEG_APP0 + 1 && skip > 0)
			r->image->orientation = exif_orientation(
				m->data + skip, m->data_length - skip);
	}
}

/* The picture may be decoded at any eighth of its size, at a fraction of the
 * cost. 1/8, 1/4 and 1/2 have the fastest code, yet the smallest that is
 * enough wins: what is decoded goes through the caches, which two workers
 * share, and must then be resampled. */
static void choose_scale(struct reading *r, int size)
{
	unsigned w = r->c.image_width, h = r->c.image_height;
	unsigned longest = w > h ? w : h, scale = 1;

	while (scale < 8 && (longest * scale + 7) / 8 < (unsigned)size)
		scale++;
	r->c.scale_num = scale;
	r->c.scale_denom = 8;
}

static void choose_colours(struct reading *r)
{
	struct jpeg_decompress_struct *c = &r->c;

	if (c->jpeg_color_space == JCS_GRAYSCALE)
		c->out_color_space = JCS_GRAYSCALE;
	else if (c->num_components == 4)
		c->out_color_space = JCS_CMYK;
	else
		c->out_color_space = JCS_RGB;
}

static void rows_read(struct reading *r)
{
	while (r->c.output_scanline < r->c.output_height) {
		JSAMPROW row = image_row(r->image, r->c.output_scanline);

		jpeg_read_scanlines(&r->c, &row, 1);
	}
}

/* Adobe's programs store what is left of the light, others the ink. */
static void cmyk_to_rgb(
	const unsigned char *ink, unsigned char *rgb, int width, int invert)
{
	for (int i = 0; i < width * 3; i++) {
		unsigned colour = ink[i / 3 * 4 + i % 3];
		unsigned black = ink[i / 3 * 4 + 3];

		if (invert) {
			colour = 255 - colour;
			black = 255 - black;
		}
		rgb[i] = (colour * black + 127) / 255;
	}
}

static void cmyk_rows_read(struct reading *r)
{
	struct jpeg_decompress_struct *c = &r->c;
	JSAMPARRAY line = c->mem->alloc_sarray(
		(j_common_ptr)c, JPOOL_IMAGE, c->output_width * 4, 1);

	while (c->output_scanline < c->output_height) {
		unsigned char *row = image_row(r->image, c->output_scanline);

		jpeg_read_scanlines(c, line, 1);
		cmyk_to_rgb(
			line[0], row, r->image->width, !c->saw_Adobe_marker);
	}
}

static void profile_read(struct reading *r)
{
	JOCTET *profile;
	unsigned length;

	/* A profile for inks means nothing to the RGB made of them. */
	if (r->c.out_color_space == JCS_CMYK ||
		!jpeg_read_icc_profile(&r->c, &profile, &length))
		return;
	r->image->profile = profile;
	r->image->profile_size = length;
}

static void picture_read(struct reading *r, int size)
{
	struct jpeg_decompress_struct *c = &r->c;

	source_init(r);
	jpeg_save_markers(c, JPEG_APP0 + 1, 0xFFFF);
	jpeg_save_markers(c, JPEG_APP0 + 2, 0xFFFF);
	jpeg_read_header(c, TRUE);
	if ((uint64_t)c->image_width * c->image_height > IMAGE_PIXELS_MAX)
		fault_say(&r->fault, -EFBIG, "too many pixels");
	choose_scale(r, size);
	choose_colours(r);
	jpeg_start_decompress(c);
	r->image = image_new(c->output_width, c->output_height,
		c->out_color_space == JCS_GRAYSCALE ? 1 : 3);
	if (r->image == NULL)
		fault_say(&r->fault, -ENOMEM, "out of memory");
	find_orientation(r);
	profile_read(r);
	if (c->out_color_space == JCS_CMYK)
		cmyk_rows_read(r);
	else
		rows_read(r);
	jpeg_finish_decompress(c);
}

static void guarded_read(struct reading *r, int size)
{
	if (setjmp(r->fault.jump) != 0)
		return;
	jpeg_create_decompress(&r->c);
	picture_read(r, size);
}

int jpeg_read(struct image **image, FILE *file, int size, char *why)
{
	struct reading r;

	r.image = NULL;
	r.file = file;
	r.c.err = fault_init(&r.fault, why);
	guarded_read(&r, size);
	jpeg_destroy_decompress(&r.c);
	if (r.fault.code != 0)
		image_drop(r.image);
	else
		*image = r.image;
	return r.fault.code;
}

/* A JPEG file being made. */
struct writing {
	struct jpeg_compress_struct c;
	struct fault fault;
	unsigned char *room; /* the first buffer: ours, also once libjpeg has
			      * taken a larger one */
	unsigned char *bytes;
	unsigned long length;
};

static void picture_write(struct writing *w, struct image *image, int quality)
{
	struct jpeg_compress_struct *c = &w->c;

	jpeg_mem_dest(c, &w->bytes, &w->length);
	c->image_width = image->width;
	c->image_height = image->height;
	c->input_components = image->channels;
	c->in_color_space = image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
	jpeg_set_defaults(c);
	jpeg_set_quality(c, quality, TRUE);
	jpeg_start_compress(c, TRUE);
	if (image->profile != NULL)
		jpeg_write_icc_profile(c, image->profile, image->profile_size);
	while (c->next_scanline < c->image_height) {
		JSAMPROW row = image_row(image, c->next_scanline);

		jpeg_write_scanlines(c, &row, 1);
	}
	jpeg_finish_compress(c);
}

static void guarded_write(struct writing *w, struct image *image, int quality)
{
	if (setjmp(w->fault.jump) != 0)
		return;
	jpeg_create_compress(&w->c);
	picture_write(w, image, quality);
}

static int writing_fini(struct writing *w)
{
	jpeg_destroy_compress(&w->c);
	if (w->bytes != w->room)
		free(w->room);
	if (w->fault.code != 0)
		free(w->bytes);
	return w->fault.code;
}

int image_to_jpeg(struct image *image, int quality, unsigned char **bytes,
	size_t *length, char *why)
{
	struct writing w = {.length = 4096};
	int rc;

	/* A guess that is nearly always enough saves libjpeg from doubling
	 * and copying its way up from 4 KiB. */
	w.length += (unsigned long)image->width * image->height / 2;
	w.bytes = w.room = malloc(w.length);
	if (w.room == NULL) {
		snprintf(why, WHY_MAX, "out of memory");
		return -ENOMEM;
	}
	w.c.err = fault_init(&w.fault, why);
	guarded_write(&w, image, quality);
	rc = writing_fini(&w);
	if (rc == 0) {
		*bytes = w.bytes;
		*length = w.length;
	}
	return rc;
}
