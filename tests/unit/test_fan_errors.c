/* SPDX-License-Identifier: BSD-2-Clause */
/* Fans: what fails, and what the originals get wrong. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <leat.h>
#include "stages/fan.h"
#include "tests/unit/gate.h"

TestSuite(fan_errors, .timeout = 30);

static leat_fan *open_fan(const leat_fan_opts *opts)
{
	leat_fan *fan;

	cr_assert_eq(leat_fan_open(&fan, opts), 0);
	return fan;
}

static uint64_t writes[100];

/* every_third fails for multiples of three; it has written by then. */
static int every_third(void *in, void *out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)in, one = 1;

	leat_put(w, &writes[n % 100], &one, 8);
	*(uint64_t *)out = n;
	if (n % 3 == 0)
		return leat_error(
			w, -1000 - (int)n, "%d is a multiple of three", (int)n);
	return 0;
}

Test(fan_errors, each_call_has_its_own_with_key_code_and_text)
{
	leat_fan_opts opts = {.fn = every_third, .out_size = 8, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	leat_done done;
	char text[64];
	void *out;

	for (uint64_t n = 1; n <= 50; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), -1003);
	cr_assert_eq(leat_fan_failure(fan, &done), -1003);
	cr_assert_eq(leat_done_u64(&done), 3);
	cr_assert_eq(done.seq, 2);
	cr_assert_null(done.out);
	cr_assert_str_eq(done.text, "3 is a multiple of three");
	for (uint64_t n = 1; n <= 50; n++) {
		int rc = leat_result(fan, leat_u64(n), &out);

		cr_assert_eq(rc, n % 3 == 0 ? -1000 - (int)n : 0);
		if (rc == 0)
			cr_assert_eq(*(uint64_t *)out, n);
		else
			cr_assert_null(out);
	}
	memset(&done, 0, sizeof(done));
	for (unsigned found = 0; leat_each(fan, &done) == 0;) {
		if (done.code == 0)
			continue;
		found++;
		cr_assert_eq(leat_done_u64(&done), 3 * found);
		snprintf(text, sizeof(text), "%u is a multiple of three",
			3 * found);
		cr_assert_str_eq(done.text, text);
	}
	leat_fan_close(fan);
}

/* In the original one failing call leaves the dictionary half applied, and the
 * rest for the next wait. */
Test(fan_errors, one_failing_call_leaves_all_others_applied)
{
	leat_fan_opts opts = {.fn = every_third, .out_size = 8, .workers = 2};
	uint64_t slots[100];
	leat_fan *fan = open_fan(&opts);
	leat_done done;

	memset(slots, 0xFF, sizeof(slots));
	for (uint64_t n = 0; n < 100; n++)
		leat_call_into(fan, &slots[n], &n, 8);
	cr_assert_eq(leat_fan_wait(fan), -1000);
	for (uint64_t n = 0; n < 100; n++) {
		cr_assert_eq(writes[n], n % 3 != 0);
		cr_assert_eq(slots[n], n % 3 == 0 ? UINT64_MAX : n);
	}
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_fan_failure(fan, &done), 0);
	cr_assert_eq(done.code, 0);
	leat_fan_close(fan);
}

Test(fan_errors, closing_returns_the_first_in_call_order)
{
	leat_fan_opts opts = {.fn = every_third, .out_size = 8, .workers = 3};
	leat_fan *fan = open_fan(&opts);

	for (uint64_t n = 1; n < 1000; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	cr_assert_eq(leat_fan_close(fan), -1003);
}

static int meaningless(void *in, void *out, leat_worker *w)
{
	(void)in;
	(void)out;
	(void)w;
	return 17;
}

Test(fan_errors, a_meaningless_return_value_is_one)
{
	leat_fan_opts opts = {.fn = meaningless, .workers = 1};
	leat_fan *fan = open_fan(&opts);
	leat_done done;

	leat_call(fan, leat_u64(1), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), LEAT_ERETURN);
	leat_fan_failure(fan, &done);
	cr_assert(strstr(done.text, "17"));
	cr_assert(strstr(done.text, "0 or a negative code"));
	leat_fan_close(fan);
}

static int plain_error(void *in, void *out, leat_worker *w)
{
	(void)in;
	(void)out;
	(void)w;
	return -ENOSPC;
}

Test(fan_errors, a_code_without_a_text_gets_the_standard_one)
{
	leat_fan_opts opts = {.fn = plain_error, .workers = 1};
	leat_fan *fan = open_fan(&opts);
	leat_done done;

	leat_call(fan, leat_u64(1), NULL, 0);
	leat_fan_wait(fan);
	leat_fan_failure(fan, &done);
	cr_assert_str_eq(done.text, leat_strerror(-ENOSPC));
	leat_fan_close(fan);
}

Test(fan_errors, a_failed_call_can_be_made_again)
{
	leat_fan_opts opts = {.fn = every_third, .out_size = 8, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	uint64_t in = 3;
	void *out;

	leat_call(fan, leat_u64(3), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), -1003);
	in = 4;
	cr_assert_eq(leat_call(fan, leat_u64(3), &in, 8), 0);
	cr_assert_eq(leat_result(fan, leat_u64(3), &out), -1003);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_result(fan, leat_u64(3), &out), 0);
	cr_assert_eq(*(uint64_t *)out, 4);
	leat_fan_close(fan);
}

/* Keys in flight */

static int copy(void *in, void *out, leat_worker *w)
{
	(void)w;
	memcpy(out, in, 8);
	return 0;
}

Test(fan_errors, a_duplicate_key_in_flight_is_refused)
{
	leat_fan_opts opts = {.fn = copy, .out_size = 8, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	uint64_t slot = 0, in = 1;
	void *out;

	cr_assert_eq(leat_call(fan, leat_u64(1), &in, 8), 0);
	in = 2;
	cr_assert_eq(leat_call(fan, leat_u64(1), &in, 8), -EEXIST);
	cr_assert_eq(leat_call_into(fan, &slot, &in, 8), 0);
	cr_assert_eq(leat_call_into(fan, &slot, &in, 8), -EEXIST);
	leat_fan_wait(fan);
	cr_assert_eq(leat_result(fan, leat_u64(1), &out), 0);
	cr_assert_eq(*(uint64_t *)out, 1);
	cr_assert_eq(leat_call(fan, leat_u64(1), &in, 8), 0);
	cr_assert_eq(leat_call_into(fan, &slot, &in, 8), 0);
	leat_fan_close(fan);
	cr_assert_eq(slot, 2);
}

/* Of three calls that write one key the original keeps the first. */
Test(fan_errors, of_three_calls_with_one_key_the_last_wins)
{
	leat_fan_opts opts = {.fn = copy,
		.out_size = 8,
		.workers = 3,
		.flags = LEAT_FAN_REPLACE};
	leat_fan *fan = open_fan(&opts);
	uint64_t slot = 0, n = 0;
	leat_done done;
	void *out;

	for (int wave = 0; wave < 100; wave++) {
		for (int i = 0; i < 3; i++) {
			n++;
			cr_assert_eq(leat_call(fan, leat_u64(7), &n, 8), 0);
			cr_assert_eq(leat_call_into(fan, &slot, &n, 8), 0);
		}
		cr_assert_eq(leat_fan_wait(fan), 0);
		cr_assert_eq(leat_result(fan, leat_u64(7), &out), 0);
		cr_assert_eq(*(uint64_t *)out, n);
		cr_assert_eq(slot, n);
	}
	memset(&done, 0, sizeof(done));
	cr_assert_eq(leat_each(fan, &done), 0);
	cr_assert_eq(leat_each(fan, &done), LEAT_END);
	leat_fan_close(fan);
}

Test(fan_errors, a_failure_that_a_later_call_replaced_is_still_reported)
{
	leat_fan_opts opts = {.fn = every_third,
		.out_size = 8,
		.workers = 2,
		.flags = LEAT_FAN_REPLACE};
	leat_fan *fan = open_fan(&opts);
	leat_done done;
	void *out;

	for (int wave = 0; wave < 10; wave++) {
		uint64_t bad = 6, good = 7;

		leat_call(fan, leat_str("key"), &bad, 8);
		leat_call(fan, leat_str("key"), &good, 8);
		cr_assert_eq(leat_fan_wait(fan), -1006);
		cr_assert_eq(leat_fan_failure(fan, &done), -1006);
		cr_assert_str_eq(done.text, "6 is a multiple of three");
		cr_assert_eq(leat_result(fan, leat_str("key"), &out), 0);
		cr_assert_eq(*(uint64_t *)out, 7);
	}
	leat_fan_close(fan);
}

/* Results in call order: the original's wait returns them in reverse. */
Test(fan_errors, results_are_not_in_reverse)
{
	leat_fan_opts opts = {.fn = copy, .out_size = 8, .workers = 4};
	leat_fan *fan = open_fan(&opts);
	leat_done done = {0};

	for (uint64_t n = 0; n < 500; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	leat_fan_wait(fan);
	for (uint64_t n = 0; n < 500; n++) {
		cr_assert_eq(leat_each(fan, &done), 0);
		cr_assert_eq(*(uint64_t *)done.out, n);
	}
	cr_assert_eq(leat_each(fan, &done), LEAT_END);
	leat_fan_close(fan);
}

/* Stopping */

struct stopper {
	struct gate gate;
	uint64_t ran;
};

static int fail_first(void *in, void *out, leat_worker *w)
{
	struct stopper *s = leat_arg(w);

	(void)out;
	__atomic_add_fetch(&s->ran, 1, __ATOMIC_RELAXED);
	if (*(uint64_t *)in > 0)
		return 0;
	gate_pass(&s->gate);
	return -EIO;
}

Test(fan_errors, an_option_stops_at_the_first)
{
	struct stopper s = {.gate = GATE};
	leat_fan_opts opts = {.fn = fail_first,
		.arg = &s,
		.workers = 1,
		.flags = LEAT_FAN_STOP};
	leat_fan *fan = open_fan(&opts);
	void *out;
	int rc;

	for (uint64_t n = 0; n < 100; n++)
		cr_assert_eq(leat_call(fan, leat_u64(n), NULL, 0), 0);
	gate_open(&s.gate);
	cr_assert_eq(leat_fan_wait(fan), -EIO);
	cr_assert_lt(s.ran, 100);
	cr_assert_eq(leat_result(fan, leat_u64(99), &out), -ECANCELED);

	/* Until the barrier new calls are refused, afterwards not. */
	leat_call(fan, leat_u64(0), NULL, 0);
	while ((rc = leat_call(fan, leat_u64(1000), NULL, 0)) == 0 ||
		rc == -EEXIST)
		;
	cr_assert_eq(rc, -ECANCELED);
	cr_assert_eq(leat_fan_wait(fan), -EIO);
	cr_assert_eq(leat_call(fan, leat_u64(1), NULL, 0), 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	leat_fan_close(fan);
}

Test(fan_errors, cancel_keeps_waiting_calls_from_starting)
{
	struct stopper s = {.gate = GATE};
	leat_fan_opts opts = {.fn = fail_first, .arg = &s, .workers = 1};
	leat_fan *fan = open_fan(&opts);
	void *out;

	for (uint64_t n = 0; n < 100; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	cr_assert(gate_await(&s.gate, 1));
	leat_fan_cancel(fan);
	leat_call(fan, leat_u64(100), NULL, 0);
	gate_open(&s.gate);
	cr_assert_eq(leat_fan_wait(fan), -EIO);
	cr_assert_eq(s.ran, 2);
	cr_assert_eq(leat_result(fan, leat_u64(50), &out), -ECANCELED);
	cr_assert_eq(leat_result(fan, leat_u64(100), &out), 0);
	leat_fan_close(fan);
}

/* A barrier of the calls before takes back the stop, but not the cancel that
 * came after it. */
struct stopped {
	struct gate fails, told;
	leat_fan *fan;
	int rc; /* of the barrier */
};

static int fail_at_gate(void *in, void *out, leat_worker *w)
{
	struct stopped *s = leat_arg(w);

	(void)out;
	if (*(uint64_t *)in > 0)
		return 0;
	gate_pass(&s->fails);
	return -EIO;
}

static void cancel_when_told(const leat_done *done, void *arg)
{
	struct stopped *s = arg;

	if (leat_done_u64(done) == 0)
		leat_fan_cancel(s->fan);
	else if (leat_done_u64(done) == 1)
		gate_pass(&s->told);
}

static void *barrier(void *arg)
{
	struct stopped *s = arg;

	s->rc = leat_fan_wait(s->fan);
	return NULL;
}

Test(fan_errors, a_cancel_after_the_stop_outlives_a_barrier_before)
{
	struct stopped s = {.fails = GATE, .told = GATE};
	leat_fan_opts opts = {.fn = fail_at_gate,
		.arg = &s,
		.workers = 1,
		.done = cancel_when_told,
		.done_arg = &s,
		.flags = LEAT_FAN_STOP};
	pthread_t thread;
	void *out;

	s.fan = open_fan(&opts);
	leat_call(s.fan, leat_u64(0), NULL, 0);
	cr_assert(gate_await(&s.fails, 1));
	pthread_create(&thread, NULL, barrier, &s);
	while (load_relaxed(&s.fan->chain->passed.word) >> 32 == 0)
		sched_yield();
	leat_call(s.fan, leat_u64(1), NULL, 0);
	leat_call(s.fan, leat_u64(2), NULL, 0);
	gate_open(&s.fails);
	pthread_join(thread, NULL);
	cr_assert_eq(s.rc, -EIO);
	gate_open(&s.told);
	leat_fan_wait(s.fan);
	cr_assert_eq(leat_result(s.fan, leat_u64(2), &out), -ECANCELED);
	leat_fan_close(s.fan);
}

/* Nor does it take back the stop by a later call: call 0 has the barrier make
 * call 1, which fails before the barrier is over. */
struct later {
	leat_fan *fan;
	int rc[2];
};

static void call_later(void *table, const void *value, size_t size)
{
	struct later *l = table;
	leat_handle *h;
	leat_call_opts with = {.handle = &h};

	(void)value;
	(void)size;
	l->rc[0] = leat_call_with(l->fan, leat_u64(1), NULL, 0, &with);
	l->rc[1] = leat_handle_wait(h, NULL, leat_after(10 * LEAT_S));
	leat_handle_free(h);
}

static int fail_later(void *in, void *out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)in;

	(void)out;
	if (n == 0)
		return leat_apply(w, call_later, leat_arg(w), NULL, 0);
	return n == 1 ? -EIO : 0;
}

Test(fan_errors, a_stop_by_what_the_barrier_has_called_outlives_it)
{
	struct later l = {0};
	leat_fan_opts opts = {.fn = fail_later,
		.arg = &l,
		.workers = 1,
		.flags = LEAT_FAN_STOP};

	l.fan = open_fan(&opts);
	cr_assert_eq(leat_call(l.fan, leat_u64(0), NULL, 0), 0);
	cr_assert_eq(leat_fan_wait(l.fan), 0);
	cr_assert_eq(l.rc[0], 0);
	cr_assert_eq(l.rc[1], 0);
	cr_assert_eq(leat_call(l.fan, leat_u64(2), NULL, 0), -ECANCELED);
	cr_assert_eq(leat_fan_wait(l.fan), -EIO);
	cr_assert_eq(leat_call(l.fan, leat_u64(2), NULL, 0), 0);
	cr_assert_eq(leat_fan_close(l.fan), 0);
}

static int fail_two(void *in, void *out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)in;

	return n == 1 ? -EPERM : fail_at_gate(in, out, w);
}

/* Call 1 fails first, but call 0 is the one that the barrier waits for. */
Test(fan_errors, a_barrier_takes_back_the_stop_by_its_own_calls_only)
{
	struct stopped s = {.fails = GATE};
	leat_fan_opts opts = {.fn = fail_two,
		.arg = &s,
		.workers = 2,
		.flags = LEAT_FAN_STOP};
	leat_handle *h;
	leat_call_opts with = {.handle = &h};
	pthread_t thread;

	s.fan = open_fan(&opts);
	leat_call(s.fan, leat_u64(0), NULL, 0);
	cr_assert(gate_await(&s.fails, 1));
	pthread_create(&thread, NULL, barrier, &s);
	while (load_relaxed(&s.fan->chain->passed.word) >> 32 == 0)
		sched_yield();
	cr_assert_eq(leat_call_with(s.fan, leat_u64(1), NULL, 0, &with), 0);
	cr_assert_eq(leat_handle_wait(h, NULL, leat_after(10 * LEAT_S)), 0);
	gate_open(&s.fails);
	pthread_join(thread, NULL);
	cr_assert_eq(s.rc, -EIO);
	cr_assert_eq(leat_call(s.fan, leat_u64(2), NULL, 0), -ECANCELED);
	cr_assert_eq(leat_fan_wait(s.fan), -EPERM);
	cr_assert_eq(leat_call(s.fan, leat_u64(2), NULL, 0), 0);
	cr_assert_eq(leat_fan_close(s.fan), 0);
}

/* A call that runs may look whether it is still wanted. */
struct looker {
	struct gate gate;
	int opening, before, after;
	int code; /* that it returns */
};

static int look_at_open(void **state, leat_worker *w)
{
	struct looker *l = leat_arg(w);

	(void)state;
	l->opening = leat_stopping(w);
	return 0;
}

static int look_twice(void *in, void *out, leat_worker *w)
{
	struct looker *l = leat_arg(w);

	(void)out;
	if (*(uint64_t *)in == 1)
		return -EIO;
	l->before = leat_stopping(w);
	if (!gate_pass(&l->gate))
		return -ETIMEDOUT;
	l->after = leat_stopping(w);
	return l->code;
}

Test(fan_errors, a_call_sees_that_it_was_cancelled)
{
	struct looker l = {.gate = GATE, .opening = 2};
	leat_fan_opts opts = {.fn = look_twice,
		.arg = &l,
		.open = look_at_open,
		.workers = 1};
	leat_fan *fan = open_fan(&opts);

	cr_assert_eq(l.opening, 0);
	leat_call(fan, leat_u64(0), NULL, 0);
	cr_assert(gate_await(&l.gate, 1));
	leat_fan_cancel(fan);
	gate_open(&l.gate);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(l.before, 0);
	cr_assert_eq(l.after, 1);
	leat_call(fan, leat_u64(2), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(l.before, 0);
	cr_assert_eq(l.after, 0);
	leat_fan_close(fan);
}

Test(fan_errors, a_call_sees_that_a_failure_has_stopped_the_fan)
{
	struct looker l = {.gate = GATE, .code = -ECANCELED};
	leat_fan_opts opts = {.fn = look_twice,
		.arg = &l,
		.workers = 2,
		.flags = LEAT_FAN_STOP};
	leat_fan *fan = open_fan(&opts);
	leat_handle *h;
	leat_call_opts with = {.handle = &h};

	leat_call(fan, leat_u64(0), NULL, 0);
	cr_assert(gate_await(&l.gate, 1));
	leat_call_with(fan, leat_u64(1), NULL, 0, &with);
	cr_assert_eq(leat_handle_wait(h, NULL, leat_after(10 * LEAT_S)), 0);
	gate_open(&l.gate);
	cr_assert_eq(leat_fan_wait(fan), -EIO);
	cr_assert_eq(l.before, 0);
	cr_assert_eq(l.after, 1);
	l.code = 0;
	leat_call(fan, leat_u64(2), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(l.after, 0);
	leat_fan_close(fan);
}

/* Retries */

static int third_time(void *in, void *out, leat_worker *w)
{
	uint64_t attempt = leat_attempt(w);

	(void)in;
	leat_put(w, &writes[attempt], &attempt, 8);
	leat_apply(w, NULL, out, &attempt, 0);
	if (attempt < 2)
		return leat_error(w, -EAGAIN, "attempt %d", (int)attempt);
	*(uint64_t *)out = attempt;
	return 0;
}

Test(fan_errors, retries_as_in_a_row)
{
	leat_fan_opts opts = {.fn = third_time,
		.out_size = 8,
		.workers = 2,
		.retries = 2,
		.backoff_ns = 1000};
	leat_fan *fan = open_fan(&opts);
	void *out;

	memset(writes, 0xFF, sizeof(writes));
	for (uint64_t n = 0; n < 200; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_result(fan, leat_u64(199), &out), 0);
	cr_assert_eq(*(uint64_t *)out, 2);
	/* What the attempts that failed have written counts for nothing. */
	cr_assert_eq(writes[0], UINT64_MAX);
	cr_assert_eq(writes[1], UINT64_MAX);
	cr_assert_eq(writes[2], 2);
	leat_fan_close(fan);

	opts.retries = 1;
	fan = open_fan(&opts);
	leat_call(fan, leat_u64(1), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), -EAGAIN);
	leat_fan_close(fan);
}

static int put_at_first(void *in, void *out, leat_worker *w)
{
	uint64_t one = 1;

	(void)in;
	(void)out;
	if (leat_attempt(w) > 0)
		return 0;
	leat_put(w, &writes[0], &one, 8);
	return -EAGAIN;
}

/* What it was put into is still there, although no write is. */
Test(fan_errors, what_only_a_failed_attempt_has_put_is_freed)
{
	leat_fan_opts opts = {.fn = put_at_first, .workers = 2, .retries = 1};
	leat_fan *fan = open_fan(&opts);

	for (int wave = 0; wave < 3; wave++) {
		for (uint64_t n = 0; n < 1000; n++)
			leat_call(fan, leat_u64(n), NULL, 0);
		cr_assert_eq(leat_fan_wait(fan), 0);
		cr_assert_eq(writes[0], 0);
		cr_assert(!fan_owns_nothing(fan));
		if (wave < 2)
			leat_fan_clear(fan);
	}
	leat_fan_close(fan);
}

/* In the original a killed worker hangs the program for ever. Workers here are
 * threads; what can be killed is a process that a call has started. */
static int kill_child(void *in, void *out, leat_worker *w)
{
	pid_t child = fork();
	int status;

	(void)in;
	(void)out;
	if (child == 0) {
		pause();
		_exit(0);
	}
	if (child < 0)
		return -errno;
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return WIFSIGNALED(status)
		       ? leat_error(w, -ECHILD, "killed by signal %d",
				 WTERMSIG(status))
		       : 0;
}

Test(fan_errors, a_killed_process_is_a_failure_not_a_hang)
{
	leat_fan_opts opts = {.fn = kill_child, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	leat_done done;

	for (uint64_t n = 0; n < 8; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), -ECHILD);
	leat_fan_failure(fan, &done);
	cr_assert_str_eq(done.text, "killed by signal 9");
	leat_fan_close(fan);
}
