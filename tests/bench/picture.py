#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""picture.py RESULTS PICTURE: draws W2's efficiency over the work per item as
an SVG. The efficiency is the time of the serial loop, divided by the workers
and by the time measured; 100 % is the ideal."""

import json
import math
import sys

WIDTH, HEIGHT = 900, 480
LEFT, RIGHT, TOP, BOTTOM = 60, 650, 50, 430
COLOURS = ["#777777", "#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e",
           "#8c564b", "#17becf", "#bcbd22", "#e377c2", "#000000"]
TOP_PERCENT = 110


def curves(path):
    """By system: its name and [(serial ns, percent)], in order of work."""
    with open(path) as file:
        records = [json.loads(line) for line in file]
    found = {}
    for r in records:
        if r.get("workload") == "W2" and r.get("to_serial"):
            work = r["median"] / r["to_serial"]
            percent = 100 / r["workers"] / r["to_serial"]
            found.setdefault(r["name"], []).append((work, percent))
    return {name: sorted(points) for name, points in found.items()}


class Axes:
    def __init__(self, points):
        self.low = math.log10(min(work for work, _ in points)) - 0.05
        self.high = math.log10(max(work for work, _ in points)) + 0.05

    def x(self, work):
        share = (math.log10(work) - self.low) / (self.high - self.low)
        return LEFT + share * (RIGHT - LEFT)

    @staticmethod
    def y(percent):
        return BOTTOM - percent / TOP_PERCENT * (BOTTOM - TOP)


def text(x, y, what, anchor="start", colour="#000000"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" '
            f'fill="{colour}">{what}</text>')


def stroke(x1, y1, x2, y2, colour):
    return (f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" '
            f'y2="{y2:.0f}" stroke="{colour}"/>')


def frame(axes):
    yield text(LEFT, 24, "Two middle workers: efficiency over the work per "
               "item (100 % is the serial loop / 2)")
    for percent in range(0, TOP_PERCENT, 20):
        y = axes.y(percent)
        yield stroke(LEFT, y, RIGHT, y, "#dddddd")
        yield text(LEFT - 6, y + 4, f"{percent} %", "end")
    for ns, name in ((30, "30 ns"), (100, "100 ns"), (300, "300 ns"),
                     (1000, "1 us"), (3000, "3 us"), (10000, "10 us")):
        if axes.low <= math.log10(ns) <= axes.high:
            x = axes.x(ns)
            yield stroke(x, TOP, x, BOTTOM, "#dddddd")
            yield text(x, BOTTOM + 18, name, "middle")
    yield text((LEFT + RIGHT) / 2, BOTTOM + 38,
               "work per item, in the serial loop", "middle")


def curve(axes, index, name, points):
    colour = COLOURS[index % len(COLOURS)]
    width = 4 if name == "leat" else 1.5
    line = " ".join(f"{axes.x(work):.1f},{axes.y(percent):.1f}"
                    for work, percent in points)
    yield (f'<polyline points="{line}" fill="none" stroke="{colour}" '
           f'stroke-width="{width}"/>')
    y = TOP + 20 + 24 * index
    yield (f'<line x1="{RIGHT + 20}" y1="{y}" x2="{RIGHT + 50}" y2="{y}" '
           f'stroke="{colour}" stroke-width="{width}"/>')
    yield text(RIGHT + 58, y + 4, name)


def picture(found):
    axes = Axes([point for points in found.values() for point in points])
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
           f'height="{HEIGHT}" font-family="sans-serif" font-size="13">')
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    yield from frame(axes)
    for index, (name, points) in enumerate(found.items()):
        yield from curve(axes, index, name, points)
    yield "</svg>"


def main():
    found = curves(sys.argv[1])
    if found:
        with open(sys.argv[2], "w") as file:
            file.write("\n".join(picture(found)) + "\n")
        print(f"\nThe picture of W2: {sys.argv[2]}")


if __name__ == "__main__":
    main()
