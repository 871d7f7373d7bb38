#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""pillow.py each|once PICTURE FOLDER WORKERS SIZE...: thumbnails by Pillow,
shared out by multiprocessing. Of each from the file thumbnail() has libjpeg
decode it at a fitting scale. Decoded once, before the processes are forked,
the picture is theirs without a copy, and resize() first reduces it by a whole
number, as thumbnail() does, but leaves the picture as it is."""

import multiprocessing
import sys

from PIL import Image


def from_file(path, size):
    image = Image.open(path)
    image.thumbnail((size, size))
    return image


def from_picture(image, size):
    part = size / max(image.size)
    return image.resize([round(side * part) for side in image.size],
                        Image.Resampling.BICUBIC, reducing_gap=2)


def write(size):
    make(source, size).save(f"{folder}/{size}.jpg", quality=85)


if __name__ == "__main__":
    how, source, folder, workers, *sizes = sys.argv[1:]
    make = from_file
    if how == "once":
        make = from_picture
        source = Image.open(source)
        source.load()
    with multiprocessing.get_context("fork").Pool(int(workers)) as pool:
        pool.map(write, map(int, sizes), 1)
