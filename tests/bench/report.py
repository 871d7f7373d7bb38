#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""report.py RESULTS CURVE: writes a page about a run of the benchmark: the
machine, leat's figures beside their bars (those above first), and all systems;
and about one over more and more workers, on a machine that has processors for
them."""

import json
import sys

SERIAL, LEAT, INSIDE = "serial", "leat", "mutex-inside"
EACH = "each"  # serial loops beside each other

# workload, start of the row's title, what is measured, the bar: at most this.
# What is measured: a field of leat's record, or the ratio to a system.
BARS = [
    ("W1", "1 middle", "x serial", 2.2),
    ("W1", "2 middle", "x serial", 2.2),
    ("W2", "2 middle workers, 100 ns", "x serial", 0.62),
    ("W2", "2 middle workers, 1 us", "x serial", 0.53),
    ("W2", "2 middle workers, 10 us", "x serial", 0.51),
    ("W3", "in order, every 100th 50 times, 100 ns", "x serial", 0.75),
    ("W3", "in order, every 100th 50 times, 1 us", "x serial", 0.58),
    ("W3", "in order, every 100th 50 times, 10 us", "x serial", 0.52),
    ("W4", "one at a time, back to back", "median", 10),
    ("W4", "one at a time, 1 ms", "idle ms/s", 1),
    ("W5", "8 stages", "median", 30),
    ("W5", "64 stages", "median", 250),
    ("W6", "concurrent calls", "median", 60),
    ("break-even", "300 ns", "x serial", 1),
    ("W7", "fast sink", "median", 1024),
    ("W7", "slow sink", "median", 1024),
    ("W8", "100 thumbnails, each", "x serial", 0.53),
    ("W8", "100 thumbnails, each", "x pillow", 1 / 3),
    ("W8", "100 thumbnails, each", "x vips", 1),
    ("W8", "100 thumbnails, the file", "x serial", 0.53),
    ("W8", "100 thumbnails, the file", "x pillow", 1 / 3),
    ("queue", "1 to 1 threads, 32", "median", 3),
    ("queue", "2 to 2 threads, 32", "median", 4),
    ("queue", "4 to 4 threads, 32", "median", 4),
    ("queue", "8 to 8 threads, 32", "median", 4),
]


class Results:
    def __init__(self, path):
        self.rows = {}  # (workload, title): {system: record}
        self.machine = []
        with open(path) as file:
            for line in file:
                r = json.loads(line)
                if "machine" in r:
                    self.machine = r["machine"]
                    continue
                row = self.rows.setdefault((r["workload"], r["row"]), {})
                row[r["system"]] = r

    def find(self, workload, title):
        for (w, t), row in self.rows.items():
            if w == workload and t.startswith(title):
                return t, row
        return title, {}


def ratio(row, system):
    """leat's time over the system's."""
    mine, other = (row.get(s, {}) for s in (LEAT, system))
    if "median" not in mine or not other.get("median"):
        return None
    if mine["unit"].startswith("KB"):
        return None
    return mine["median"] / other["median"]


def measured(row, what):
    if what.startswith("x "):
        return ratio(row, what[2:])
    return row.get(LEAT, {}).get(what)


def figure(x):
    return "-" if x is None else f"{x:,.2f}" if x < 10 else f"{x:,.1f}"


def verdict(value, bar):
    if value is None:
        return "**not measured**"
    return "within" if value <= bar else f"**{value / bar:.2f} x the bar**"


def bars(results):
    """The table of the bars, those that fall short first."""
    lines = []
    for workload, title, what, bar in BARS:
        title, row = results.find(workload, title)
        value = measured(row, what)
        unit = row.get(LEAT, {}).get("unit", "")
        lines.append((verdict(value, bar) == "within",
                      f"| {workload}: {title} | {what}"
                      f"{f' ({unit})' if what == 'median' else ''} | "
                      f"{figure(bar)} | {figure(value)} | "
                      f"{verdict(value, bar)} | "
                      f"{figure(ratio(row, INSIDE))} |"))
    yield "| row | measure | at most | measured | | x mutex, 64 a lock |"
    yield "|---|---|---|---|---|---|"
    for _, line in sorted(lines, key=lambda pair: pair[0]):
        yield line


def group(workload, row):
    """A table of one row of a workload: all systems."""
    yield "| system | median | min | max | x serial | x leat | cpu |"
    yield "|---|---|---|---|---|---|---|"
    for r in row.values():
        if "failed" in r:
            yield f"| {r['name']} | failed: {r['failed']} | | | | | |"
        else:
            cells = [figure(r[key]) for key in
                     ("median", "min", "max", "to_serial", "to_leat")]
            cells.append(figure(r.get("cpu ns", r.get("cpu s"))))
            yield f"| {r['name']} | {' | '.join(cells)} |"


def spread(name, rows):
    """A table of a workload by the number of workers: the medians of all
    systems, and what leat uses of the processors."""
    yield f"| {name} | {' | '.join(str(n) for n in rows)} |"
    yield "|---" * (1 + len(rows)) + "|"

    def line(title, value):
        cells = [value(n, row) for n, row in rows.items()]
        return f"| {title} | {' | '.join(figure(x) for x in cells)} |"

    for system, record in next(iter(rows.values())).items():
        yield line(record["name"],
                   lambda n, row, s=system: row.get(s, {}).get("median"))
    yield line("leat, processor time",
               lambda n, row: row[LEAT].get("cpu ns"))
    if name.startswith("W2"):
        yield line("leat, % of the ideal",
                   lambda n, row: 100 / ratio(row, SERIAL) / n)
        yield line("leat, % of the limit",
                   lambda n, row: 100 / ratio(row, EACH))


def curve(results):
    """The rows over 1, 2, 4, ... workers."""
    names = {}
    for (workload, title), row in results.rows.items():
        if workload == "curve":
            workers = next(iter(row.values()))["workers"]
            names.setdefault(title.rsplit(", ", 1)[0], {})[workers] = row
    yield "\n## More workers\n"
    yield "ns per item, by the number of workers (of the queue: of producers, " \
          "and of"
    yield "consumers). From another machine, by `make bench-curve` there."
    yield ""
    yield from (f"* {line}" for line in results.machine)
    for name, rows in names.items():
        yield ""
        yield from spread(name, rows)


def page(results, more):
    yield "# What was measured"
    yield ""
    yield "Written by `make bench-report` after `make bench`. How it is " \
          "measured stands in"
    yield "`bench.h` and `bench.py`. The column cpu is the processor time " \
          "of all threads per"
    yield "item (W8: in all); it holds also where others used the machine."
    yield ""
    yield from (f"* {line}" for line in results.machine)
    yield from warning(results)
    yield ""
    yield "## leat beside its bars"
    yield ""
    yield from bars(results)
    yield from curve(more)
    for (workload, title), row in results.rows.items():
        some = next(iter(row.values()))
        yield f"\n## {workload}: {title}\n"
        others = some.get("others") or 0
        yield f"{some['unit']}; others used {others:.0%} of the machine\n"
        yield from group(workload, row)


def warning(results):
    """A sentence about a machine that was not free, or nothing."""
    shares = [next(iter(row.values())).get("others") or 0
              for row in results.rows.values()]
    mean = sum(shares) / max(1, len(shares))
    if mean > 0.1:
        yield ""
        yield f"**Others used {mean:.0%} of the machine during this run.** " \
              "Times of systems with several"
        yield "threads are then too high, and bars relative to the serial " \
              "loop cannot be judged;"
        yield "the processor times below hold."


def main():
    print("\n".join(page(Results(sys.argv[1]), Results(sys.argv[2]))))


if __name__ == "__main__":
    main()
