#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Drives chains, a queue and fans from Python with nothing but ctypes.

ffi.py LIBRARY: what another language needs must be exported, no inline
function or macro may be in the way, and stage functions may be callbacks.
"""
import ctypes as c
import errno
import sys
import threading

FN = c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(c.c_void_p), c.c_void_p)
FAILED = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_void_p)
KEY = c.CFUNCTYPE(c.c_uint64, c.c_void_p, c.c_void_p)

DROP, TOOK, END = 1, 2, 4
ORDERED = 1
SKIP = 1
NEVER = 2**64 - 1
ESOURCE, ETWICE = -20005, -20003


class Stage(c.Structure):
    _fields_ = [
        ("name", c.c_char_p),
        ("fn", FN),
        ("source", FN),
        ("arg", c.c_void_p),
        ("free_out", c.c_void_p),
        ("open", c.c_void_p),
        ("flush", c.c_void_p),
        ("close", c.c_void_p),
        ("key", KEY),
        ("workers", c.c_uint32),
        ("queue", c.c_uint32),
        ("flags", c.c_uint32),
        ("on_error", c.c_uint32),
        ("retries", c.c_uint32),
        ("backoff_ns", c.c_uint64),
    ]


class Report(c.Structure):
    _fields_ = [
        ("code", c.c_int),
        ("row", c.c_uint32),
        ("stage", c.c_char * 32),
        ("seq", c.c_uint64),
        ("attempt", c.c_uint32),
        ("reserved", c.c_uint32),
        ("more", c.c_uint64),
        ("text", c.c_char * 184),
    ]


class Opts(c.Structure):
    _fields_ = [
        ("free_in", c.c_void_p),
        ("results", c.c_uint64),
        ("failed", FAILED),
        ("failed_arg", c.c_void_p),
        ("report", c.POINTER(Report)),
        ("stack", c.c_uint64),
    ]


class Counts(c.Structure):
    _fields_ = [("stage", c.c_char * 32), ("workers", c.c_uint32),
                ("reserved", c.c_uint32)] + [
        (name, c.c_uint64) for name in (
            "taken", "done", "dropped", "failed", "cancelled", "retried",
            "gave", "freed", "depth", "high_water", "capacity", "busy_ns",
            "blocked_in_ns", "blocked_out_ns")]


class Key(c.Structure):
    _fields_ = [("bytes", c.c_char_p), ("size", c.c_size_t),
                ("word", c.c_uint64 * 2)]


class Done(c.Structure):
    _fields_ = [("key", c.c_void_p), ("key_size", c.c_size_t),
                ("out", c.POINTER(c.c_uint64)), ("code", c.c_int),
                ("reserved", c.c_uint32), ("seq", c.c_uint64),
                ("text", c.c_char_p), ("call", c.c_void_p)]


CALL = c.CFUNCTYPE(c.c_int, c.POINTER(c.c_uint64), c.POINTER(c.c_uint64),
                   c.c_void_p)
APPLY = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_size_t)


class FanOpts(c.Structure):
    _fields_ = [("fn", CALL), ("arg", c.c_void_p)] + [
        (name, c.c_size_t) for name in ("out_size", "in_size", "key_size")] + [
        (name, c.c_uint32) for name in (
            "workers", "queue", "flags", "callers", "retries", "reserved")] + [
        ("backoff_ns", c.c_uint64)] + [
        (name, c.c_void_p) for name in (
            "free_in", "free_out", "open", "close", "done", "done_arg")] + [
        ("name", c.c_char_p), ("stack", c.c_uint64),
        ("report", c.POINTER(Report))]


class QueueOpts(c.Structure):
    _fields_ = [
        ("capacity", c.c_uint64),
        ("producers", c.c_uint32),
        ("consumers", c.c_uint32),
        ("free_item", c.c_void_p),
    ]


def load(path):
    leat = c.CDLL(path)
    p, pp, size = c.c_void_p, c.POINTER(c.c_void_p), c.c_size_t
    for name, result, *args in (
            ("open_sized", c.c_int, pp, c.POINTER(Stage), size, size,
             c.POINTER(Opts), size),
            ("run_sized", c.c_int, c.POINTER(Stage), size, size,
             c.POINTER(Opts), size),
            ("push", c.c_int, p, p),
            ("trypush", c.c_int, p, p),
            ("end", None, p),
            ("pull", c.c_int, p, pp),
            ("pull_until", c.c_int, p, pp, c.c_uint64),
            ("wait", c.c_int, p),
            ("close", c.c_int, p),
            ("failure", c.c_int, p, c.POINTER(Report)),
            ("stats_sized", size, p, c.POINTER(Counts), size, size),
            ("emit", None, p, p),
            ("seq", c.c_uint64, p),
            ("index", c.c_uint32, p),
            ("attempt", c.c_uint32, p),
            ("strerror", c.c_char_p, c.c_int),
            ("version", c.c_char_p),
            ("now", c.c_uint64),
            ("after", c.c_uint64, c.c_uint64),
            ("queue_open_sized", c.c_int, pp, c.POINTER(QueueOpts), size),
            ("queue_push", c.c_int, p, p),
            ("queue_trypush", c.c_int, p, p),
            ("queue_pop", c.c_int, p, pp),
            ("queue_pop_until", c.c_int, p, pp, c.c_uint64),
            ("queue_end", None, p),
            ("queue_close", None, p),
            ("fan_open_sized", c.c_int, pp, c.POINTER(FanOpts), size),
            ("call", c.c_int, p, Key, p, size),
            ("call_by", c.c_int, p, c.POINTER(Key), p, size, c.c_uint64),
            ("call_into", c.c_int, p, p, p, size),
            ("fan_wait", c.c_int, p),
            ("result", c.c_int, p, Key, pp),
            ("result_by", c.c_int, p, c.POINTER(Key), pp),
            ("each_sized", c.c_int, p, c.POINTER(Done), size),
            ("fan_failure_sized", c.c_int, p, c.POINTER(Done), size),
            ("next_sized", c.c_int, p, c.POINTER(Done), size, c.c_uint64),
            ("apply", c.c_int, p, APPLY, p, p, size),
            ("fan_close", c.c_int, p)):
        fn = getattr(leat, "leat_" + name)
        fn.restype, fn.argtypes = result, args
    leat.leat_error.restype = c.c_int
    return leat


def table(*rows):
    return (Stage * len(rows))(*rows), len(rows), c.sizeof(Stage)


def open_chain(leat, opts, *rows):
    chain = c.c_void_p()
    rc = leat.leat_open_sized(c.byref(chain), *table(*rows),
                              c.byref(opts), c.sizeof(opts))
    return rc, chain


def feed_and_drain(leat, chain, items):
    """Pushes all items and pulls all results from one thread."""
    results, item = [], c.c_void_p()
    for value in items:
        while leat.leat_trypush(chain, value) == -errno.EAGAIN:
            rc = leat.leat_pull_until(chain, c.byref(item),
                                      leat.leat_after(1000000))
            if rc == 0:
                results.append(item.value or 0)
            else:
                assert rc == -errno.ETIMEDOUT, rc
    leat.leat_end(chain)
    while (rc := leat.leat_pull(chain, c.byref(item))) == 0:
        results.append(item.value or 0)
    assert rc == END, rc
    return results


def a_chain_in_order_gives_the_serial_result(leat):
    @FN
    def odd(item, out, worker):
        if (item or 0) % 2 == 0:
            return DROP
        out[0] = item
        return 0

    @FN
    def square(item, out, worker):
        out[0] = item * item
        return 0

    rc, chain = open_chain(
        leat, Opts(results=4),
        Stage(name=b"odd", fn=odd, workers=2, queue=3, flags=ORDERED),
        Stage(name=b"square", fn=square, workers=3, queue=1, flags=ORDERED))
    assert rc == 0, rc
    got = feed_and_drain(leat, chain, range(500))
    assert got == [n * n for n in range(500) if n % 2], got
    counts = (Counts * 2)()
    assert leat.leat_stats_sized(chain, counts, 2, c.sizeof(Counts)) == 2
    assert counts[0].stage == b"odd" and counts[0].workers == 2
    assert (counts[0].taken, counts[0].dropped, counts[0].gave) == \
        (500, 250, 250)
    assert counts[1].taken == counts[1].done == counts[1].gave == 250
    assert leat.leat_close(chain) == 0


def a_source_a_splitter_and_a_key(leat):
    seen = {}

    @FN
    def source(_, out, worker):
        n = leat.leat_seq(worker)
        if n == 100:
            return END
        out[0] = n
        return 0

    @FN
    def twice(item, out, worker):
        leat.leat_emit(worker, item)
        leat.leat_emit(worker, (item or 0) + 1000)
        return DROP

    @KEY
    def key(item, arg):
        return (item or 0) % 7

    @FN
    def note(item, out, worker):
        seen.setdefault((item or 0) % 7, []).append(
            (leat.leat_index(worker), item or 0))
        return DROP

    rc = leat.leat_run_sized(*table(
        Stage(name=b"source", source=source),
        Stage(name=b"twice", fn=twice, workers=1),
        Stage(name=b"note", fn=note, key=key, workers=3)), None, 0)
    assert rc == 0, rc
    serial = [m for n in range(100) for m in (n, n + 1000)]
    for k in range(7):
        assert [item for _, item in seen[k]] == \
            [m for m in serial if m % 7 == k]
        assert len({index for index, _ in seen[k]}) == 1


def a_failure_names_row_item_attempt_and_reason(leat):
    @FN
    def fail(item, out, worker):
        if item == 3:
            return leat.leat_error(
                c.c_void_p(worker), c.c_int(-errno.EIO),
                b"%s %d", b"no item", c.c_int(item))
        return 0

    shown = []

    @FAILED
    def failed(item, report, arg):
        shown.append(item)
        return 0

    rc, chain = open_chain(
        leat, Opts(failed=failed),
        Stage(name=b"fail", fn=fail, workers=1, on_error=SKIP, retries=2))
    assert rc == 0, rc
    for n in range(1, 6):
        assert leat.leat_push(chain, n) == 0
    assert leat.leat_wait(chain) == 0  # the chain goes on
    report = Report()
    assert leat.leat_failure(chain, c.byref(report)) == -errno.EIO
    assert (report.row, report.stage, report.seq, report.attempt) == \
        (0, b"fail", 2, 2)
    assert report.text == b"no item 3", report.text
    assert leat.leat_close(chain) == -errno.EIO
    assert shown == [3], shown


def a_bad_table_is_refused_by_name(leat):
    @FN
    def nothing(item, out, worker):
        return DROP

    report = Report()
    rc, chain = open_chain(
        leat, Opts(report=c.pointer(report)),
        Stage(name=b"same", fn=nothing), Stage(name=b"same", fn=nothing))
    assert rc == ETWICE and chain.value is None
    assert report.code == ETWICE and report.row == 1, report.row
    assert b"same" in report.text
    assert leat.leat_strerror(ETWICE) == b"two rows have the same name"
    rc = leat.leat_run_sized(*table(Stage(name=b"x", fn=nothing)), None, 0)
    assert rc == ESOURCE, rc


def a_queue_between_two_python_threads(leat):
    queue, opts = c.c_void_p(), QueueOpts(capacity=3)
    assert leat.leat_queue_open_sized(
        c.byref(queue), c.byref(opts), c.sizeof(opts)) == 0
    got, codes = [], []

    def consume():
        item = c.c_void_p()
        while (rc := leat.leat_queue_pop(queue, c.byref(item))) == 0:
            got.append(item.value or 0)
        codes.append(rc)

    thread = threading.Thread(target=consume)
    thread.start()
    for n in range(300):
        assert leat.leat_queue_push(queue, n) == 0
    leat.leat_queue_end(queue)
    thread.join()
    assert got == list(range(300)) and codes == [END]
    assert leat.leat_queue_push(queue, 1) == -errno.EPIPE
    leat.leat_queue_close(queue)


def u64(n):
    return Key(None, 8, (n, 0))


def text(s):
    return Key(s, len(s) + 1)


def open_fan(leat, **options):
    fan, opts = c.c_void_p(), FanOpts(out_size=8, workers=2, **options)
    assert leat.leat_fan_open_sized(
        c.byref(fan), c.byref(opts), c.sizeof(opts)) == 0
    return fan


def a_fan_gives_the_serial_result(leat):
    log = []

    @APPLY
    def append(_, value, size):
        log.append(c.cast(value, c.POINTER(c.c_uint64))[0])

    @CALL
    def square(n, out, worker):
        if n[0] == 13:
            return leat.leat_error(c.c_void_p(worker), c.c_int(-errno.EDOM),
                                   b"%s", b"unlucky")
        leat.leat_apply(worker, append, None, n, 8)
        out[0] = n[0] * n[0]
        return 0

    fan = open_fan(leat, fn=square)
    slot, five = c.c_uint64(), c.c_uint64(5)
    for n in range(100):
        assert leat.leat_call(fan, u64(n), None, 0) == 0
    assert leat.leat_call(fan, u64(7), None, 0) == -errno.EEXIST
    assert leat.leat_call(fan, text(b"five"), c.byref(five), 8) == 0
    assert leat.leat_call_into(
        fan, c.addressof(slot), c.byref(five), 8) == 0
    assert leat.leat_fan_wait(fan) == -errno.EDOM
    assert slot.value == 25
    assert log == [n for n in range(100) if n != 13] + [5, 5]
    out = c.c_void_p()
    key = text(b"five")
    for rc in (leat.leat_result(fan, key, c.byref(out)),
               leat.leat_result_by(fan, c.byref(key), c.byref(out))):
        assert rc == 0
        assert c.cast(out, c.POINTER(c.c_uint64))[0] == 25
    done, got = Done(), []
    while leat.leat_each_sized(fan, c.byref(done), c.sizeof(done)) == 0:
        got.append(done.out[0] if done.code == 0 else done.text)
    assert got == [n * n if n != 13 else b"unlucky"
                   for n in range(100)] + [25], got
    assert leat.leat_fan_failure_sized(
        fan, c.byref(done), c.sizeof(done)) == -errno.EDOM
    assert leat.leat_fan_close(fan) == 0


def calls_as_they_complete(leat):
    @CALL
    def double(n, out, worker):
        out[0] = 2 * n[0]
        return 0

    fan, done, got = open_fan(leat, fn=double, flags=4), Done(), {}
    for n in range(100):
        assert leat.leat_call_by(fan, c.byref(u64(n)), None, 0, NEVER) == 0
    while (rc := leat.leat_next_sized(
            fan, c.byref(done), c.sizeof(done), NEVER)) == 0:
        key = c.cast(done.key, c.POINTER(c.c_uint64))[0]
        got[key] = done.out[0]
    assert rc == END and got == {n: 2 * n for n in range(100)}
    assert leat.leat_fan_close(fan) == 0


def time_and_version(leat):
    queue, opts = c.c_void_p(), QueueOpts(capacity=1)
    assert leat.leat_queue_open_sized(
        c.byref(queue), c.byref(opts), c.sizeof(opts)) == 0
    start = leat.leat_now()
    assert leat.leat_queue_pop_until(
        queue, c.byref(c.c_void_p()), leat.leat_after(20_000_000)) == \
        -errno.ETIMEDOUT
    assert leat.leat_now() - start >= 20_000_000
    assert leat.leat_after(NEVER) == NEVER
    leat.leat_queue_close(queue)
    assert len(leat.leat_version().split(b".")) == 3


TESTS = (
    a_chain_in_order_gives_the_serial_result,
    a_source_a_splitter_and_a_key,
    a_failure_names_row_item_attempt_and_reason,
    a_bad_table_is_refused_by_name,
    a_queue_between_two_python_threads,
    a_fan_gives_the_serial_result,
    calls_as_they_complete,
    time_and_version,
)


def main():
    leat = load(sys.argv[1])
    failed = 0
    for test in TESTS:
        try:
            test(leat)
        except AssertionError as e:
            failed += 1
            line = e.__traceback__.tb_next.tb_lineno
            print(f"{test.__name__}: line {line} {e}")
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
