#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs leat and its peers in turn on the same work and compares them.

Each system is a program (see bench.h for how it is called); a row of a
workload is one call of it. In every round each system has its turn; a run
counts only when its sum is the one of the serial loop. What is printed is
written as JSON lines too.
"""

import argparse
import importlib.util
import json
import os
import platform
import resource
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SERIAL = "serial"
EACH = "each"
LEAT = "leat"

# name, what it is, the Debian package without which it is not built
SYSTEMS = [
    (SERIAL, "serial loop", None),
    (EACH, "serial loop on each, the limit", None),
    (LEAT, "leat", None),
    ("mutex", "mutex + cond queue", None),
    ("mutex-hand", "mutex, user batches", None),
    ("mutex-inside", "mutex, 64 a lock inside", None),
    ("tbb", "oneTBB pipeline", "libtbb-dev"),
    ("tbb-flow", "oneTBB flow graph", "libtbb-dev"),
    ("openmp", "OpenMP tasks", "libgomp1"),
    ("go", "Go channels", "golang-go"),
    ("go-hand", "Go, user batches", "golang-go"),
    ("crossbeam", "crossbeam channel",
     "librust-crossbeam-channel-dev and cargo"),
    ("future", "C++ pool of futures", None),
    ("async", "std::async", None),
    ("vips", "vipsthumbnail by xargs", "libvips-tools"),
    ("pillow", "Pillow, multiprocessing", "python3-pil"),
    ("ck", "ck_ring", "libck-dev"),
    ("boost", "boost::lockfree", "libboost-dev"),
    ("moodycamel", "moodycamel (unbounded)", "libconcurrentqueue-dev"),
]
NOT_IN_DEBIAN = ["FastFlow", "Taskflow"]

# Times of a run in seconds, and the most a run may take.
TARGET, TARGET_QUICK = 0.3, 0.06
LIMIT = 30
# A run that shares the machine with others for more than BUSY of it is
# repeated, for so many seconds at most. When quick it is not.
BUSY, PATIENCE = 0.1, 1
# Steps of work per call, about 50 ns to 10 us, to find where a fan pays.
SWEEP = [40, 80, 125, 175, 250, 400, 800, 2000, 8000]
# What is run with 1, 2, 4, ... workers, up to the number of processors.
CURVES = [("W1", "chain", 0), ("W2 1 us", "chain", 800),
          ("W5, 8 stages", "wide", 0), ("W6", "fan", 0),
          ("queue, 32 at a time", "queue", 32)]
UNKNOWN = 3  # the exit status of a program that lacks the workload


WRONG = "wrong sum:"
NOT_THERE = "leat does not do this workload yet"
# What is run when nothing is asked for by name.
USUAL = ["W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "queue"]


class Unknown(Exception):
    """The system does not do this workload."""


class Failed(Exception):
    """The run does not count, and why."""


def read_line(process):
    """The first line of its output, or Failed after LIMIT seconds."""
    if not select.select([process.stdout], [], [], LIMIT)[0]:
        process.kill()
        raise Failed(f"no result within {LIMIT} s")
    return process.stdout.readline()


def peak_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    raise Failed("no VmHWM")


def used(pid):
    """The processor time that a process has used, in seconds."""
    return time.clock_gettime(~pid << 3 | 2)  # as clock_getcpuclockid says


def idle_ms(pid, seconds):
    """Processor time of an idle process, in ms per second."""
    time.sleep(0.05)
    before = used(pid)
    time.sleep(seconds)
    return (used(pid) - before) * 1e3 / seconds


def call(argv, idle=0):
    """One run: what the program printed, with its memory and idle time."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([str(a) for a in argv], stdin=pipe,
                               stdout=pipe, stderr=pipe, text=True)
    try:
        line = read_line(process)
        result = dict(f.split("=") for f in line.split())
        if line:
            result["peak_kb"] = peak_kb(process.pid)
            result["cpu_s"] = used(process.pid)
            if idle:
                result["idle_ms"] = idle_ms(process.pid, idle)
        _, errors = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise Failed("it does not end") from None
    finally:
        process.kill()
        process.wait()
    if process.returncode == UNKNOWN:
        raise Unknown
    if process.returncode or "ns" not in result:
        raise Failed(errors.strip() or f"exit status {process.returncode}")
    return result


def times():
    """The clock, the machine's busy seconds, and our own."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, soft, steal = (
            int(t) for t in stat.readline().split()[1:9])
    busy = user + nice + system + irq + soft + steal
    mine = sum(sum(resource.getrusage(who)[:2]) for who in
               (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return time.monotonic(), busy / os.sysconf("SC_CLK_TCK"), mine


def others(since):
    """The share of the machine that others have used since."""
    clock, busy, mine = (b - a for a, b in zip(since, times()))
    return max(0.0, busy - mine) / (clock * os.cpu_count())


def round_down(n):
    """The largest 1, 2 or 5 times a power of ten up to n."""
    power = 10 ** (len(str(n)) - 1)
    return max(m for m in (1, 2, 5) if m * power <= n) * power


class Bench:
    """What the rows share: the options, the programs and their sums."""

    def __init__(self, options):
        self.options = options
        self.quick = options.quick
        self.sums = {}

    def program(self, system):
        return os.path.join(self.options.build, system)

    def expected(self, workload, n, k, workers):
        key = workload, n, k, workers
        if key not in self.sums:
            self.sums[key] = call([self.program(SERIAL), *key])["sum"]
        return self.sums[key]

    def run(self, system, workload, n, k, workers, idle=0):
        """One run that counts."""
        if not os.path.exists(self.program(system)):
            raise Unknown
        result = call([self.program(system), workload, n, k, workers], idle)
        if result.get("sum") != self.expected(workload, n, k, workers):
            raise Failed(f"{WRONG} {result.get('sum')} of {n} items")
        return result


class Row:
    """One call per system and round; the figure is ns per item."""

    unit = "ns per item"
    once = False  # one round is enough: it is no time

    def __init__(self, title, workload, k=0, workers=1, most=10**7,
                 ideal=False):
        self.title, self.workload = title, workload
        self.k, self.workers, self.most = k, workers, most
        self.ideal = ideal
        self.sizes = {}

    def size(self, bench, system):
        """Enough items for a run of the wanted time. Of two runs the faster
        one counts: others may have held up the first."""
        target = (TARGET_QUICK if bench.quick else TARGET) * 1e9
        n = 200
        while True:
            ns = min(float(bench.run(system, self.workload, n, self.k,
                                     self.workers)["ns"]) for _ in "12")
            if ns * n >= target / 5 or n == self.most:
                return round_down(max(200, min(int(target / ns), self.most)))
            n = min(10 * n, self.most)

    def measure(self, bench, system):
        if system not in self.sizes:
            self.sizes[system] = self.size(bench, system)
        n = self.sizes[system]
        result = bench.run(system, self.workload, n, self.k, self.workers)
        cpu = result.get("cpu", result["cpu_s"] * 1e9 / n)
        return float(result["ns"]), {"cpu ns": float(cpu)}


class Latency(Row):
    """One item at a time; then the processor time of an idle second."""

    unit = "us, median"

    def __init__(self, title, gap_us, n, n_quick, idle):
        super().__init__(title, "latency", gap_us)
        self.n, self.n_quick, self.idle = n, n_quick, idle

    def measure(self, bench, system):
        if system == SERIAL:
            raise Unknown
        n = self.n_quick if bench.quick else self.n
        idle = self.idle and (0.2 if bench.quick else 1)
        result = bench.run(system, self.workload, n, self.k, 1, idle)
        more = {"p99 us": float(result["p99"]) / 1e3}
        if self.idle:
            more["idle ms/s"] = result["idle_ms"]
        return float(result["ns"]) / 1e3, more


class Memory(Row):
    """How much more memory ten times the items take."""

    unit = "KB more for 10x the items"
    once = True

    def measure(self, bench, system):
        few = 10**5 if bench.quick and system != LEAT else 10**6
        peaks = [bench.run(system, self.workload, n, self.k, 1)["peak_kb"]
                 for n in (few, 10 * few)]
        return float(peaks[1] - peaks[0]), {"peak KB": float(peaks[1])}


def longest_side(path):
    """Of a JPEG file: its frame header has height and width."""
    with open(path, "rb") as file:
        data = file.read()
    at = 2
    while data[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(data[at + 2:at + 4], "big")
    return max(int.from_bytes(data[at + 5:at + 7], "big"),
               int.from_bytes(data[at + 7:at + 9], "big"))


class Thumbnails(Row):
    """Whole commands; what they write is looked at."""

    unit = "seconds"

    def __init__(self, title, each):
        super().__init__(title, "thumbnails", workers=os.cpu_count())
        self.each = each

    def argv(self, bench, system, folder):
        photo, here = bench.options.photo, os.path.dirname(__file__)

        def demo(first=100, step=20):
            return [bench.options.thumbs, "-s", f"{first}-2080:{step}", "-o",
                    folder, photo] + self.each * ["--each"]
        if system == LEAT:
            return demo()
        if system == SERIAL:
            return demo() + ["--serial"]
        if system == EACH:
            return ["sh", "-c", "".join(
                " ".join(demo(100 + 20 * i, 20 * self.workers)) +
                " --serial & " for i in range(self.workers)) + "wait"]
        if system == "vips" and self.each:
            return ["sh", "-c", f"seq 100 20 2080 | xargs -P{self.workers} "
                    f"-I@ vipsthumbnail {photo} -s @x@ "
                    f"-o {os.path.abspath(folder)}/@.jpg[Q=85]"]
        if system == "pillow":
            return [sys.executable, os.path.join(here, "pillow.py"),
                    "each" if self.each else "once", photo, folder,
                    str(self.workers), *map(str, range(100, 2081, 20))]
        raise Unknown

    def measure(self, bench, system):
        with tempfile.TemporaryDirectory(dir=bench.options.build) as folder:
            argv = self.argv(bench, system, folder)
            start = times()
            done = subprocess.run(argv, capture_output=True, text=True)
            took, _, cpu = (b - a for a, b in zip(start, times()))
            if done.returncode:
                raise Failed(done.stderr.strip() or done.returncode)
            sides = sorted(longest_side(os.path.join(path, name))
                           for path, _, names in os.walk(folder)
                           for name in names)
        if sides != list(range(100, 2081, 20)):
            raise Failed(f"{WRONG} {len(sides)} pictures, sides {sides}")
        return took, {"cpu s": cpu}


def powers():
    """Of two, up to the number of processors."""
    return [2**i for i in range(os.cpu_count().bit_length())]


def rows(quick):
    """The rows of each workload."""
    w3 = [("100 ns", 80), ("1 us", 800), ("10 us", 8000)]
    w2 = w3 if quick else sorted(w3 + [("30 ns", 25), ("300 ns", 250),
                                       ("3 us", 2500)], key=lambda w: w[1])
    return {
        "W1": [Row(f"{n} middle worker{'s' * (n > 1)}, no work", "chain",
                   0, n) for n in (1, 2)],
        "W2": [Row(f"2 middle workers, {name} an item", "chain", k, 2,
                   ideal=True) for name, k in w2],
        "W3": [Row(f"in order, every 100th 50 times, {name}", "ordered", k,
                   2, ideal=True) for name, k in w3],
        "W4": [Latency("one at a time, back to back", 0, 5000, 1000, False),
               Latency("one at a time, 1 ms between", 1000, 300, 50, True)],
        "W5": [Row(f"{n} stages of one worker", "deep", 0, n)
               for n in (8, 64)],
        "W6": [Row("concurrent calls with a keyed result", "fan", 0, 2,
                   10**6)],
        "break-even": [Row(f"{k * 1.2:,.0f} ns of work per call",
                           "fan", k, 2, 10**6) for k in SWEEP],
        "W7": [Memory("fast sink", "chain"),
               Memory("slow sink", "slow", 80)],
        "curve": [Row(f"{name}, {n} workers", workload, k, n, 10**6 if
                      workload == "fan" else 10**7,
                      workload == "chain" and k > 0)
                  for name, workload, k in CURVES for n in powers()],
        "W8": [Thumbnails("100 thumbnails, each from the file", True),
               Thumbnails("100 thumbnails, the file decoded once", False)],
        "queue": [Row(f"{n} to {n} threads, {k} at a time", "queue", k, n)
                  for n in (1, 2, 4, 8) for k in ((32,) if quick
                                                  else (1, 8, 32))],
    }


class Table:
    """The figures of one row, by system."""

    def __init__(self, bench, name, row, systems):
        self.bench, self.name, self.row = bench, name, row
        self.names = dict(systems)
        self.values = {system: [] for system in self.names}
        self.more, self.failed = {}, {}
        self.others = []  # the share of the machine that others had, by run

    def undisturbed(self, system):
        """The first run that had the machine to itself, or the last."""
        start, share = time.monotonic(), 1
        while share > BUSY:
            since = times()
            result = self.row.measure(self.bench, system)
            share = others(since)
            if (self.bench.quick
                    or time.monotonic() - start > PATIENCE):
                break
        self.others.append(share)
        return result

    def turn(self, system):
        try:
            value, more = self.undisturbed(system)
        except Unknown:
            del self.values[system]
        except Failed as why:
            self.failed[system] = str(why)
        else:
            self.values[system].append(value)
            for key, figure in more.items():
                self.more.setdefault((system, key), []).append(figure)

    def fill(self, rounds):
        quick = self.bench.quick and isinstance(self.row, Thumbnails)
        for _ in range(1 if self.row.once or quick else rounds):
            for system in list(self.values):
                if system not in self.failed:
                    self.turn(system)

    def median(self, system):
        values = self.values.get(system)
        if not values or system in self.failed:
            return None
        return statistics.median(values)

    def ratio(self, system, to):
        mine, other = self.median(system), self.median(to)
        if self.row.once or None in (mine, other) or not other:
            return None
        return mine / other

    def record(self, system):
        """What is known of a system in this row."""
        if system in self.failed:
            return {"failed": self.failed[system]}
        values = self.values[system]
        more = {key: statistics.median(figures) for (who, key), figures
                in self.more.items() if who == system}
        return {"median": self.median(system), "min": min(values),
                "max": max(values), "rounds": len(values),
                "items": self.row.sizes.get(system),
                "to_serial": self.ratio(system, SERIAL),
                "to_leat": self.ratio(system, LEAT), **more}

    def disturbed(self):
        return statistics.mean(self.others) if self.others else 0.0

    def records(self):
        head = {"workload": self.name, "row": self.row.title,
                "k": self.row.k, "workers": self.row.workers,
                "unit": self.row.unit, "others": self.disturbed()}
        for system in self.values:
            yield {**head, "system": system, "name": self.names[system],
                   **self.record(system)}
        if LEAT not in self.values:
            yield {**head, "system": LEAT, "name": self.names[LEAT],
                   "failed": NOT_THERE}


def ratio_text(ratio):
    return "-" if ratio is None else f"{ratio:.2f}"


def line(record):
    if "failed" in record:
        return f"  {record['name']:<24} failed: {record['failed']}"
    figures = "".join(f"{record[key]:>12,.1f}"
                      for key in ("median", "min", "max"))
    more = "".join(f"  {key} {record[key]:.2f}" for key in
                   ("cpu ns", "cpu s", "p99 us", "idle ms/s", "peak KB")
                   if key in record)
    return (f"  {record['name']:<24}{figures}"
            f"{ratio_text(record['to_serial']):>10}"
            f"{ratio_text(record['to_leat']):>9}{more}")


def print_break_even(tables):
    """From which row on a system stays below the serial loop."""
    print("\nTwo workers beat the serial loop from")
    for system, name in tables[0].names.items():
        from_row = None
        for table in tables:
            ratio = table.ratio(system, SERIAL)
            if ratio is None or ratio >= 1:
                from_row = None
            elif not from_row:
                from_row = table.row.title
        if system != SERIAL and any(table.median(system)
                                    for table in tables):
            print(f"  {name:<24}{from_row or 'nowhere'}")


def bad(record):
    """leat failed, or another computed something else."""
    why = record.get("failed", NOT_THERE)
    return why != NOT_THERE and (record["system"] == LEAT
                                 or why.startswith(WRONG))


def print_table(table):
    row = table.row
    print(f"\n{table.name}: {row.title} ({row.unit})")
    print(f"  {'':<24}{'median':>12}{'min':>12}{'max':>12}"
          f"{'x serial':>10}{'x leat':>9}")
    for record in table.records():
        print(line(record))
        if row.ideal and record.get("system") == SERIAL:
            print(f"  {'ideal':<24}"
                  f"{record['median'] / row.workers:>12,.1f}")
    if table.disturbed() > BUSY:
        print(f"  disturbed: others used {table.disturbed():.0%} of the "
              "machine meanwhile")
    sys.stdout.flush()


def is_there(options, system):
    if system == "vips":
        return shutil.which("vipsthumbnail")
    if system == "pillow":
        return importlib.util.find_spec("PIL")
    return os.path.exists(os.path.join(options.build, system))


def chosen(options):
    """The systems that are wanted and there; says which are not there."""
    wanted = options.peers.replace(",", " ").split() if options.peers else None
    there = []
    for system, name, package in SYSTEMS:
        if wanted and system not in wanted + [SERIAL, LEAT]:
            continue
        if is_there(options, system):
            there.append((system, name))
        else:
            print(f"not installed: {name}"
                  + (f" (Debian: {package})" if package else ""))
    print("not in Debian, so not compared:", ", ".join(NOT_IN_DEBIAN))
    return there


def first_line(path, start):
    with open(path) as file:
        for line in file:
            if line.startswith(start):
                return line.split(":", 1)[1].strip()
    return "unknown"


def said(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return (done.stdout.splitlines() or ["unknown"])[0].strip()


def machine():
    """What it was run on, and what."""
    return [f"{first_line('/proc/cpuinfo', 'model name')}, "
            f"{os.cpu_count()} processors, {platform.machine()}, "
            f"{first_line('/proc/meminfo', 'MemTotal')} of memory",
            f"Linux {platform.release().split('-')[0]}, "
            f"{said('gcc', '--version')}",
            f"commit {said('git', 'rev-parse', '--short', 'HEAD')}"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build/bench")
    parser.add_argument("--photo", default="build/demo/photo.jpg")
    parser.add_argument("--thumbs", default="demos/thumbs")
    parser.add_argument("--results", default="results.jsonl")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workloads", default="")
    parser.add_argument("--peers", default="")
    return parser.parse_args()


def main():
    options = arguments()
    bench, systems = Bench(options), chosen(options)
    wanted = options.workloads.replace(",", " ").split()
    usual = USUAL if options.quick else USUAL + ["break-even"]
    failed = False
    with open(os.path.join(options.build, options.results), "w") as out:
        print(json.dumps({"machine": machine()}), file=out, flush=True)
        for name, group in rows(options.quick).items():
            if name not in (wanted or usual):
                continue
            tables = [Table(bench, name, row, systems) for row in group]
            for table in tables:
                table.fill(options.rounds)
                print_table(table)
                for record in table.records():
                    failed |= bad(record)
                    print(json.dumps(record), file=out, flush=True)
            if name == "break-even":
                print_break_even(tables)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
