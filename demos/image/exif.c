/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "image.h"

/* A TIFF block: numbers are in the byte order that its first two bytes name,
 * and reading beyond the end gives zeroes. */
struct tiff {
	const unsigned char *bytes;
	size_t length;
	int big_endian;
};

static unsigned tiff_byte(const struct tiff *t, size_t at)
{
	return at < t->length ? t->bytes[at] : 0;
}

static unsigned tiff_16(const struct tiff *t, size_t at)
{
	unsigned a = tiff_byte(t, at), b = tiff_byte(t, at + 1);

	return t->big_endian ? a << 8 | b : b << 8 | a;
}

static unsigned tiff_32(const struct tiff *t, size_t at)
{
	unsigned a = tiff_16(t, at), b = tiff_16(t, at + 2);

	return t->big_endian ? a << 16 | b : b << 16 | a;
}

size_t exif_prefix(const unsigned char *bytes, size_t length)
{
	return length > 6 && memcmp(bytes, "Exif\0", 6) == 0 ? 6 : 0;
}

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY_SIZE = 12 };

int exif_orientation(const unsigned char *bytes, size_t length)
{
	struct tiff t = {.bytes = bytes, .length = length};
	size_t at, entries;

	if (length < 8)
		return 1;
	t.big_endian = bytes[0] == 'M';
	if (tiff_16(&t, 2) != 42)
		return 1;
	at = tiff_32(&t, 4);
	entries = tiff_16(&t, at);
	at += 2;
	for (; entries > 0; entries--, at += ENTRY_SIZE) {
		unsigned value = tiff_16(&t, at + 8);

		if (tiff_16(&t, at) != TAG_ORIENTATION ||
			tiff_16(&t, at + 2) != TYPE_SHORT)
			continue;
		return value >= 1 && value <= 8 ? (int)value : 1;
	}
	return 1;
}
