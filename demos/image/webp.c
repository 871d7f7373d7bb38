/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * WebP through libwebp. Of an animation the first picture is read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "image.h"

static int fail(char *why, int code, const char *text)
{
	snprintf(why, WHY_MAX, "%s", text);
	return code;
}

/* The decoder needs the whole file at once. */
static int file_load(FILE *file, WebPData *data, char *why)
{
	unsigned char *bytes;
	struct stat st;

	if (fstat(fileno(file), &st) < 0 || st.st_size > INT32_MAX)
		return fail(why, -EFBIG, "the file is too large");
	bytes = malloc(st.st_size);
	if (bytes == NULL)
		return fail(why, -ENOMEM, "out of memory");
	data->bytes = bytes;
	data->size = fread(bytes, 1, st.st_size, file);
	return 0;
}

/* The library's own scaler averages; down to twice the wanted size that
 * cannot be seen, and the fine resampling does the rest. */
static void choose_scale(WebPDecoderConfig *config, int size)
{
	int width = config->input.width, height = config->input.height;
	int longest = width > height ? width : height;

	if (longest <= 2 * size)
		return;
	config->options.use_scaling = 1;
	config->options.scaled_width =
		((int64_t)width * 2 * size + longest - 1) / longest;
	config->options.scaled_height =
		((int64_t)height * 2 * size + longest - 1) / longest;
}

static struct image *image_for(const WebPDecoderConfig *config)
{
	const WebPDecoderOptions *o = &config->options;
	int channels = config->input.has_alpha ? 4 : 3;

	if (o->use_scaling)
		return image_new(o->scaled_width, o->scaled_height, channels);
	return image_new(config->input.width, config->input.height, channels);
}

static void decode_into(WebPDecoderConfig *config, struct image *image)
{
	size_t stride = (size_t)image->width * image->channels;

	config->output.colorspace = image->channels == 4 ? MODE_RGBA : MODE_RGB;
	config->output.is_external_memory = 1;
	config->output.u.RGBA.rgba = image->pixels;
	config->output.u.RGBA.stride = stride;
	config->output.u.RGBA.size = stride * image->height;
}

static int frame_decode(
	struct image **image, const WebPData *frame, int size, char *why)
{
	WebPDecoderConfig config;
	struct image *made;

	if (!WebPInitDecoderConfig(&config) ||
		WebPGetFeatures(frame->bytes, frame->size, &config.input) !=
			VP8_STATUS_OK)
		return fail(why, -EBADMSG, "damaged WebP picture");
	choose_scale(&config, size);
	made = image_for(&config);
	if (made == NULL)
		return fail(why, -ENOMEM, "out of memory");
	decode_into(&config, made);
	if (WebPDecode(frame->bytes, frame->size, &config) != VP8_STATUS_OK) {
		image_drop(made);
		return fail(why, -EBADMSG, "damaged WebP picture");
	}
	*image = made;
	return 0;
}

static void profile_keep(struct image *image, const WebPData *profile)
{
	if (profile->size == 0)
		return;
	image->profile = malloc(profile->size);
	if (image->profile == NULL)
		return;
	memcpy(image->profile, profile->bytes, profile->size);
	image->profile_size = profile->size;
}

/* Some programs write the data as it is in a JPEG file. */
static int orientation_of(const WebPData *exif)
{
	size_t skip = exif_prefix(exif->bytes, exif->size);

	return exif_orientation(exif->bytes + skip, exif->size - skip);
}

static void extras_read(struct image *image, const WebPDemuxer *file)
{
	WebPChunkIterator chunk;

	if (WebPDemuxGetChunk(file, "EXIF", 1, &chunk)) {
		image->orientation = orientation_of(&chunk.chunk);
		WebPDemuxReleaseChunkIterator(&chunk);
	}
	if (WebPDemuxGetChunk(file, "ICCP", 1, &chunk)) {
		profile_keep(image, &chunk.chunk);
		WebPDemuxReleaseChunkIterator(&chunk);
	}
}

static int data_decode(
	struct image **image, const WebPData *data, int size, char *why)
{
	WebPDemuxer *file = WebPDemux(data);
	WebPIterator frame;
	int rc;

	if (file == NULL)
		return fail(why, -EBADMSG, "damaged or truncated WebP file");
	if (WebPDemuxGetFrame(file, 1, &frame)) {
		rc = frame_decode(image, &frame.fragment, size, why);
		WebPDemuxReleaseIterator(&frame);
	} else {
		rc = fail(why, -EBADMSG, "a WebP file without a picture");
	}
	if (rc == 0)
		extras_read(*image, file);
	WebPDemuxDelete(file);
	return rc;
}

int webp_read(struct image **image, FILE *file, int size, char *why)
{
	WebPData data;
	int rc = file_load(file, &data, why);

	if (rc < 0)
		return rc;
	rc = data_decode(image, &data, size, why);
	free((void *)data.bytes);
	return rc;
}
