/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * samples make DIR: a test card in every kind of file that thumbs reads.
 * samples check FILE WIDTH HEIGHT [grey]: is this JPEG file a picture of the
 * card, of that size and upright?
 *
 * The card has four fields: red, green / blue, white. Where a kind of file
 * knows transparency, the white field is a transparent magenta.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

#include "image/image.h"

enum { CARD_W = 320, CARD_H = 240 };

static const unsigned char fields[4][3] = {
	{220, 30, 30}, {30, 200, 30}, {30, 30, 220}, {255, 255, 255}};
static const unsigned char magenta[3] = {255, 0, 255};

static int field_at(int x, int y)
{
	return (y >= CARD_H / 2) * 2 + (x >= CARD_W / 2);
}

static int grey_of(const unsigned char *rgb)
{
	return (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000;
}

/* Where a stored pixel is seen, from the words of the EXIF standard: which
 * side of the scene row 0 and column 0 of the file are. */
static void seen_at(int orientation, int w, int h, int *x, int *y)
{
	int right = w - 1 - *x, down = h - 1 - *y, sx = *x, sy = *y;
	const int seen[9][2] = {{0, 0}, {sx, sy}, {right, sy}, {right, down},
		{sx, down}, {sy, sx}, {down, sx}, {down, right}, {sy, right}};

	*x = seen[orientation][0];
	*y = seen[orientation][1];
}

static struct image *card(int orientation)
{
	int swap = orientation > 4;
	int w = swap ? CARD_H : CARD_W, h = swap ? CARD_W : CARD_H;
	struct image *image = image_new(w, h, 3);

	if (image == NULL)
		abort();
	for (int i = 0; i < w * h; i++) {
		int x = i % w, y = i / w;

		seen_at(orientation, w, h, &x, &y);
		memcpy(image->pixels + i * 3, fields[field_at(x, y)], 3);
	}
	return image;
}

static FILE *file_make(const char *name)
{
	FILE *file = fopen(name, "wb");

	if (file == NULL) {
		perror(name);
		exit(1);
	}
	return file;
}

static void file_end(FILE *file)
{
	if (fclose(file) != 0) {
		perror("samples");
		exit(1);
	}
}

/* EXIF data with nothing but the orientation, big-endian. */
enum { EXIF_SIZE = 6 + 8 + 2 + 12 + 4 };
static void exif_make(unsigned char *exif, int orientation)
{
	static const unsigned char plain[EXIF_SIZE] = {'E', 'x', 'i', 'f', 0, 0,
		'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0,
		1};

	memcpy(exif, plain, EXIF_SIZE);
	exif[6 + 8 + 2 + 9] = orientation;
}

/* ---- JPEG ---- */

static void jpeg_pixels(struct jpeg_compress_struct *c, struct image *image)
{
	unsigned char *line = malloc(c->image_width * c->input_components);
	int n = c->input_components;

	while (c->next_scanline < c->image_height) {
		unsigned char *rgb = image_row(image, c->next_scanline);

		for (unsigned x = 0; x < c->image_width; x++, rgb += 3) {
			int invert = n == 4 && !c->write_Adobe_marker;

			for (int i = 0; i < 3 && n > 1; i++)
				line[x * n + i] =
					invert ? 255 - rgb[i] : rgb[i];
			if (n == 4)
				line[x * 4 + 3] = invert ? 0 : 255;
			if (n == 1)
				line[x] = grey_of(rgb);
		}
		jpeg_write_scanlines(c, &line, 1);
	}
	free(line);
}

/* How a JPEG file is to be made. */
struct jpeg_kind {
	const char *name;
	J_COLOR_SPACE from, to;
	int no_adobe, progressive, orientation;
};

static void jpeg_make(const struct jpeg_kind *k)
{
	int turn = k->orientation > 0 ? k->orientation : 1;
	struct image *image = card(turn);
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr errors;
	unsigned char exif[EXIF_SIZE];
	FILE *file = file_make(k->name);

	c.err = jpeg_std_error(&errors);
	jpeg_create_compress(&c);
	jpeg_stdio_dest(&c, file);
	c.image_width = image->width;
	c.image_height = image->height;
	c.in_color_space = k->from;
	c.input_components = k->from == JCS_CMYK	? 4
			     : k->from == JCS_GRAYSCALE ? 1
							: 3;
	jpeg_set_defaults(&c);
	jpeg_set_colorspace(&c, k->to);
	if (k->no_adobe)
		c.write_Adobe_marker = FALSE;
	if (k->progressive)
		jpeg_simple_progression(&c);
	jpeg_start_compress(&c, TRUE);
	if (k->orientation > 0) {
		exif_make(exif, k->orientation);
		jpeg_write_marker(&c, JPEG_APP0 + 1, exif, EXIF_SIZE);
	}
	jpeg_pixels(&c, image);
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	file_end(file);
	image_drop(image);
}

static void jpegs_make(void)
{
	static const struct jpeg_kind kinds[] = {
		{"rgb.jpg", JCS_RGB, JCS_YCbCr, 0, 0, 0},
		{"plain.jpeg", JCS_RGB, JCS_RGB, 0, 0, 0},
		{"slow.JPG", JCS_RGB, JCS_YCbCr, 0, 1, 0},
		{"grey.jpg", JCS_GRAYSCALE, JCS_GRAYSCALE, 0, 0, 0},
		{"cmyk.jpg", JCS_CMYK, JCS_CMYK, 0, 0, 0},
		{"ycck.jpg", JCS_CMYK, JCS_YCCK, 0, 0, 0},
		{"ink.jpg", JCS_CMYK, JCS_CMYK, 1, 0, 0},
	};
	char name[] = "turned0.jpg";
	struct jpeg_kind turned = {name, JCS_RGB, JCS_YCbCr, 0, 0, 0};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		jpeg_make(&kinds[i]);
	for (int i = 1; i <= 8; i++) {
		name[6] = '0' + i;
		turned.orientation = i;
		jpeg_make(&turned);
	}
}

/* ---- PNG ---- */

/* One pixel of a kind of PNG file; returns how many bytes it takes. */
static int png_pixel(unsigned char *out, int type, int bits, int field)
{
	const unsigned char *rgb = fields[field];
	unsigned char grey = grey_of(rgb);
	int clear = field == 3 && (type & PNG_COLOR_MASK_ALPHA), n = 0;

	if (type == PNG_COLOR_TYPE_PALETTE) {
		out[0] = field;
		return 1;
	}
	if (clear)
		rgb = magenta;
	for (int i = 0; i < (type & PNG_COLOR_MASK_COLOR ? 3 : 1); i++) {
		unsigned char v = type & PNG_COLOR_MASK_COLOR ? rgb[i] : grey;

		for (int b = 0; b < bits; b += 8)
			out[n++] = v;
	}
	for (int b = 0; b < bits && type & PNG_COLOR_MASK_ALPHA; b += 8)
		out[n++] = clear ? 0 : 255;
	return n;
}

static void png_palette(png_structp png, png_infop info)
{
	static const png_byte opaque[4] = {255, 255, 255, 0};
	png_color colours[4];

	for (int i = 0; i < 4; i++) {
		const unsigned char *rgb = i < 3 ? fields[i] : magenta;

		colours[i] = (png_color){rgb[0], rgb[1], rgb[2]};
	}
	png_set_PLTE(png, info, colours, 4);
	png_set_tRNS(png, info, opaque, 4, NULL);
}

static void png_pixels(png_structp png, int type, int bits)
{
	static unsigned char rows[CARD_H][CARD_W * 8];
	png_bytep lines[CARD_H];

	for (int y = 0; y < CARD_H; y++) {
		unsigned char *out = lines[y] = rows[y];

		for (int x = 0; x < CARD_W; x++)
			out += png_pixel(out, type, bits, field_at(x, y));
	}
	png_write_image(png, lines);
}

static void png_make(const char *name, int type, int bits, int interlace)
{
	FILE *file = file_make(name);
	png_structp png = png_create_write_struct(
		PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);

	png_init_io(png, file);
	png_set_IHDR(png, info, CARD_W, CARD_H, bits, type, interlace,
		PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	if (type == PNG_COLOR_TYPE_PALETTE)
		png_palette(png, info);
	png_write_info(png, info);
	png_set_packing(png);
	png_set_interlace_handling(png);
	png_pixels(png, type, bits);
	png_write_end(png, info);
	png_destroy_write_struct(&png, &info);
	file_end(file);
}

static void pngs_make(void)
{
	png_make("rgb.png", PNG_COLOR_TYPE_RGB, 8, 0);
	png_make("rgb16.png", PNG_COLOR_TYPE_RGB, 16, 0);
	png_make("rgba.png", PNG_COLOR_TYPE_RGB_ALPHA, 8, 0);
	png_make("rgba16.png", PNG_COLOR_TYPE_RGB_ALPHA, 16, 1);
	png_make("palette.png", PNG_COLOR_TYPE_PALETTE, 2, 0);
	png_make("grey.png", PNG_COLOR_TYPE_GRAY, 8, 0);
	png_make("grey16.png", PNG_COLOR_TYPE_GRAY, 16, 0);
	png_make("greyalpha.png", PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0);
	png_make("interlaced.png", PNG_COLOR_TYPE_RGB, 8, 1);
}

/* ---- WebP ---- */

static void webp_save(const char *name, const uint8_t *bytes, size_t length)
{
	FILE *file = file_make(name);

	if (length == 0 || fwrite(bytes, 1, length, file) != length)
		exit(1);
	file_end(file);
}

static void little(unsigned char *out, unsigned value, int bytes)
{
	for (int i = 0; i < bytes; i++, value >>= 8)
		out[i] = value;
}

/* Puts the picture of a simple file into an extended one, with EXIF. An odd
 * one has an empty profile too, and before its EXIF what is for JPEG only. */
static void webp_turned(const char *name, int odd, const struct image *image,
	int orientation, const uint8_t *simple, size_t length)
{
	unsigned char *out = calloc(1, length + 18 + 8 + 8 + EXIF_SIZE);
	unsigned char *at = out, exif[EXIF_SIZE];
	int skip = odd ? 0 : 6;

	memcpy(at, "RIFF....WEBPVP8X", 16);
	at += 16;
	little(at, 10, 4);
	at[4] = odd ? 0x28 : 8; /* there is EXIF, and a profile */
	little(at + 8, image->width - 1, 3);
	little(at + 11, image->height - 1, 3);
	at += 14;
	if (odd) {
		memcpy(at, "ICCP", 4);
		at += 8;
	}
	memcpy(at, simple + 12, length - 12);
	at += length - 12;
	memcpy(at, "EXIF", 4);
	little(at + 4, EXIF_SIZE - skip, 4);
	at += 8;
	exif_make(exif, orientation);
	memcpy(at, exif + skip, EXIF_SIZE - skip);
	at += EXIF_SIZE - skip;
	little(out + 4, at - out - 8, 4);
	webp_save(name, out, at - out);
	free(out);
}

static void webps_make(void)
{
	struct image *image = card(1), *turned = card(6);
	unsigned char *rgba = malloc(CARD_W * CARD_H * 4);
	uint8_t *bytes;
	size_t n;

	for (int i = 0; i < CARD_W * CARD_H; i++)
		png_pixel(rgba + i * 4, PNG_COLOR_TYPE_RGB_ALPHA, 8,
			field_at(i % CARD_W, i / CARD_W));
	n = WebPEncodeRGB(
		image->pixels, CARD_W, CARD_H, CARD_W * 3, 90, &bytes);
	webp_save("lossy.webp", bytes, n);
	WebPFree(bytes);
	n = WebPEncodeLosslessRGBA(rgba, CARD_W, CARD_H, CARD_W * 4, &bytes);
	webp_save("rgba.webp", bytes, n);
	WebPFree(bytes);
	n = WebPEncodeRGB(
		turned->pixels, CARD_H, CARD_W, CARD_H * 3, 90, &bytes);
	webp_turned("turned6.webp", 0, turned, 6, bytes, n);
	webp_turned("odd.webp", 1, turned, 6, bytes, n);
	WebPFree(bytes);
	free(rgba);
	image_drop(image);
	image_drop(turned);
}

/* ---- checking ---- */

static int field_check(struct image *image, int field, int grey)
{
	int x = image->width * (field % 2 * 2 + 1) / 4;
	int y = image->height * (field / 2 * 2 + 1) / 4;
	const unsigned char *got = image_row(image, y) + x * image->channels;
	const unsigned char *want = fields[field];
	int ok = 1;

	for (int c = 0; c < image->channels && c < 3; c++)
		ok &= abs(got[c] - (grey ? grey_of(want) : want[c])) <= 12;
	if (!ok)
		fprintf(stderr, "field %d has the wrong colour %d %d %d\n",
			field, got[0], got[image->channels / 2],
			got[image->channels - 1]);
	return ok;
}

static int card_check(const char *path, int width, int height, int grey)
{
	struct image *image;
	char why[WHY_MAX];
	int ok;

	if (image_read(&image, path, 65500, why) < 0) {
		fprintf(stderr, "%s: %s\n", path, why);
		return 1;
	}
	ok = image->width == width && image->height == height;
	if (!ok)
		fprintf(stderr, "%s: %d x %d pixels\n", path, image->width,
			image->height);
	for (int i = 0; i < 4; i++)
		ok &= field_check(image, i, grey);
	if (!ok)
		fprintf(stderr, "%s is not the card\n", path);
	image_drop(image);
	return !ok;
}

int main(int argc, char **argv)
{
	if (argc >= 5 && strcmp(argv[1], "check") == 0)
		return card_check(
			argv[2], atoi(argv[3]), atoi(argv[4]), argc == 6);
	if (argc != 3 || strcmp(argv[1], "make") != 0) {
		fprintf(stderr, "Usage: samples make DIR | samples check "
				"FILE WIDTH HEIGHT [grey]\n");
		return 2;
	}
	if (chdir(argv[2]) < 0) {
		perror(argv[2]);
		return 1;
	}
	jpegs_make();
	pngs_make();
	webps_make();
	return 0;
}
