/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image.h"

struct image *image_new(int width, int height, int channels)
{
	size_t size = (size_t)width * height * channels;
	struct image *image = malloc(sizeof(*image) + size);

	if (image == NULL)
		return NULL;
	image->width = width;
	image->height = height;
	image->channels = channels;
	image->orientation = 1;
	image->profile = NULL;
	image->profile_size = 0;
	atomic_init(&image->references, 1);
	return image;
}

struct image *image_hold(struct image *image)
{
	atomic_fetch_add_explicit(&image->references, 1, memory_order_relaxed);
	return image;
}

/* Whoever drops last must see what the others did to the picture before:
 * hence release and acquire in one. */
void image_drop(struct image *image)
{
	if (image == NULL || atomic_fetch_sub(&image->references, 1) > 1)
		return;
	free(image->profile);
	free(image);
}

int image_give_profile(struct image *to, const struct image *from)
{
	if (from->profile == NULL || from->channels < to->channels)
		return 0;
	to->profile = malloc(from->profile_size);
	if (to->profile == NULL)
		return -ENOMEM;
	memcpy(to->profile, from->profile, from->profile_size);
	to->profile_size = from->profile_size;
	return 0;
}

typedef int (*reader)(struct image **, FILE *, int, char *);

static reader reader_of(const unsigned char *head, size_t n)
{
	if (n >= 3 && memcmp(head, "\xFF\xD8\xFF", 3) == 0)
		return jpeg_read;
	if (n >= 8 && memcmp(head, "\x89PNG\r\n\x1A\n", 8) == 0)
		return png_read;
	if (n >= 12 && memcmp(head, "RIFF", 4) == 0 &&
		memcmp(head + 8, "WEBP", 4) == 0)
		return webp_read;
	return NULL;
}

static int file_read(struct image **image, FILE *file, int size, char *why)
{
	unsigned char head[12];
	struct stat st;
	size_t n;
	reader read;

	if (fstat(fileno(file), &st) < 0 || !S_ISREG(st.st_mode)) {
		snprintf(why, WHY_MAX, "not a regular file");
		return -EINVAL;
	}
	n = fread(head, 1, sizeof(head), file);
	read = reader_of(head, n);
	if (read == NULL) {
		snprintf(why, WHY_MAX, "%s",
			n == 0 ? "the file is empty"
			       : "not a JPEG, PNG or WebP picture");
		return -EINVAL;
	}
	rewind(file);
	return read(image, file, size, why);
}

int image_read(struct image **image, const char *path, int size, char *why)
{
	FILE *file = fopen(path, "rbe");
	int rc;

	*image = NULL;
	if (file == NULL) {
		rc = -errno;
		snprintf(why, WHY_MAX, "cannot open: %s", strerror(-rc));
		return rc;
	}
	rc = file_read(image, file, size, why);
	fclose(file);
	return rc;
}
