/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * photo FILE [WIDTH HEIGHT]: a JPEG picture like a photograph, the same on
 * each call: hills in the haze under a clouded sky, with detail at every
 * scale down to the grain of the film.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image.h"
#include "twin.h"

enum { HILLS = 5, SIDE_MOST = 65500 };

struct scene {
	int width, height;
	float *ridge[HILLS];  /* where each row of hills begins, by x */
	float *rough, *cloud; /* textures of the line at hand */
	struct image *image;
};

static uint32_t mix(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t x = a * 0x9E3779B1u ^ b * 0x85EBCA77u ^ c * 0xC2B2AE3Du;

	x = (x ^ x >> 15) * 0x2C1B3C6Du;
	x = (x ^ x >> 12) * 0x297A2D39u;
	return x ^ x >> 15;
}

/* A random number from -1 to 1 for each point of a grid. */
static float grid(int x, int y, uint32_t seed)
{
	return (mix(x, y, seed) & 0xFFFF) / 32767.5f - 1;
}

static float smooth(float t)
{
	return t * t * (3 - 2 * t);
}

/* Adds one octave of noise to a line: waves of `length` pixels across and
 * `length` / `flat` down. */
static void octave_add(float *line, int width, float y, int length,
	float height, uint32_t seed)
{
	int row = (int)floorf(y / length);
	float down = smooth(y / length - row);

	for (int x = 0, cell = 0; x < width; cell++) {
		float a = grid(cell, row, seed), b = grid(cell + 1, row, seed);
		float c = grid(cell, row + 1, seed);
		float d = grid(cell + 1, row + 1, seed);
		float left = (a + (c - a) * down) * height;
		float right = (b + (d - b) * down) * height;

		for (int i = 0; i < length && x < width; i++, x++)
			line[x] += left +
				   (right - left) * smooth((float)i / length);
	}
}

/* Octaves from `longest` to `shortest`; each is `fade` times the last. */
static void noise_line(float *line, int width, float y, int longest,
	int shortest, float fade, uint32_t seed)
{
	float height = 1;

	for (int x = 0; x < width; x++)
		line[x] = 0;
	for (int n = longest; n >= shortest; n /= 2, height *= fade)
		octave_add(line, width, y, n, height, seed + n);
}

static void ridges_make(struct scene *s)
{
	for (int k = 0; k < HILLS; k++) {
		float *ridge = s->ridge[k], base = 0.42f + 0.13f * k;

		noise_line(ridge, s->width, k * 100.0f, 1024 >> k / 2, 2, 0.48f,
			k);
		for (int x = 0; x < s->width; x++)
			ridge[x] = s->height * (base + 0.07f * ridge[x]);
	}
}

/* Which hill is seen at a point: the nearest one; -1 is the sky. */
static int hill_at(const struct scene *s, int x, int y)
{
	int k = HILLS - 1;

	while (k >= 0 && y < s->ridge[k][x])
		k--;
	return k;
}

static void sky(float *rgb, const struct scene *s, int x, int y)
{
	static const float blue[3] = {70, 120, 190}, warm[3] = {250, 215, 170};
	float dx = x - 0.7f * s->width, dy = y - 0.3f * s->height;
	float near = expf(-sqrtf(dx * dx + dy * dy) / (0.12f * s->height));
	float low = (float)y / (0.6f * s->height);
	float cloud = s->cloud[x] > 0 ? s->cloud[x] : 0;

	low = low > 1 ? 1 : low;
	cloud = cloud > 1 ? 1 : cloud;
	for (int c = 0; c < 3; c++) {
		float clear = blue[c] + (warm[c] - blue[c]) * low;

		rgb[c] = clear + (245 - clear) * cloud * 0.8f + 160 * near;
	}
}

static void hill(float *rgb, const struct scene *s, int k, int x)
{
	static const float near[3] = {58, 92, 38}, far[3] = {165, 178, 195};
	float haze = 1 - (k + 1) / (float)HILLS;
	float light = 1 + (1 - 0.8f * haze) * 0.32f * s->rough[x];

	for (int c = 0; c < 3; c++)
		rgb[c] = (near[c] + (far[c] - near[c]) * haze) * light;
}

static unsigned char to_byte(float f)
{
	return f <= 0 ? 0 : f >= 255 ? 255 : (unsigned char)(f + 0.5f);
}

static void line_make(struct scene *s, int y)
{
	unsigned char *out = image_row(s->image, y);

	noise_line(s->rough, s->width, y, 512, 2, 0.88f, 77);
	noise_line(s->cloud, s->width, 3.0f * y, 1024, 4, 0.55f, 99);
	for (int x = 0; x < s->width; x++) {
		float rgb[3], grain = 6 * grid(x, y, 5);
		int k = hill_at(s, x, y);

		if (k < 0)
			sky(rgb, s, x, y);
		else
			hill(rgb, s, k, x);
		for (int c = 0; c < 3; c++)
			*out++ = to_byte(rgb[c] + grain);
	}
}

/* Half a picture is of no use; a device is left alone. */
static void cut_off(const char *path)
{
	struct stat st;

	perror(path);
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		unlink(path);
}

static int save(struct image *image, const char *path)
{
	char why[WHY_MAX] = "";
	unsigned char *bytes;
	size_t length;
	FILE *file;
	int rc;

	if (image_to_jpeg(image, 92, &bytes, &length, why) < 0) {
		fprintf(stderr, "photo: %s\n", why);
		return 1;
	}
	file = fopen(path, "wb");
	if (file == NULL) {
		perror(path);
		free(bytes);
		return 1;
	}
	rc = fwrite(bytes, 1, length, file) != length;
	rc |= fclose(file) != 0;
	free(bytes);
	if (rc)
		cut_off(path);
	return rc;
}

static int scene_open(struct scene *s, int width, int height)
{
	float *lines = malloc((HILLS + 2) * width * sizeof(*lines));

	s->image = image_new(width, height, 3);
	if (lines == NULL || s->image == NULL) {
		free(lines);
		image_drop(s->image);
		return -1;
	}
	s->width = width;
	s->height = height;
	for (int k = 0; k < HILLS; k++)
		s->ridge[k] = lines + k * width;
	s->rough = lines + HILLS * width;
	s->cloud = s->rough + width;
	return 0;
}

int main(int argc, char **argv)
{
	int width = argc == 4 ? to_number(argv[2], SIDE_MOST) : 6000;
	int height = argc == 4 ? to_number(argv[3], SIDE_MOST) : 4000;
	struct scene s;
	int rc;

	if ((argc != 2 && argc != 4) || width == 0 || height == 0) {
		fprintf(stderr, "Usage: photo FILE [WIDTH HEIGHT]\n");
		return 2;
	}
	if (scene_open(&s, width, height) < 0) {
		fprintf(stderr, "photo: out of memory\n");
		return 1;
	}
	ridges_make(&s);
	for (int y = 0; y < height; y++)
		line_make(&s, y);
	rc = save(s.image, argv[1]);
	free(s.ridge[0]);
	image_drop(s.image);
	return rc;
}
