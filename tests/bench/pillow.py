#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""pillow.py PICTURE FOLDER WORKERS SIZE...: thumbnails by Pillow, shared out
by multiprocessing. thumbnail() has libjpeg decode at a fitting scale."""

import multiprocessing
import sys

from PIL import Image


def thumbnail(job):
    picture, folder, size = job
    with Image.open(picture) as image:
        image.thumbnail((size, size))
        image.save(f"{folder}/{size}.jpg", quality=85)


def main():
    picture, folder, workers, *sizes = sys.argv[1:]
    with multiprocessing.Pool(int(workers)) as pool:
        pool.map(thumbnail, [(picture, folder, int(s)) for s in sizes], 1)


if __name__ == "__main__":
    main()
