/* SPDX-License-Identifier: BSD-2-Clause */
/* Fans: calls as they complete, handles, nested use, several threads. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <leat.h>
#include "stages/fan.h"
#include "tests/unit/gate.h"

TestSuite(fan_single, .timeout = 30);

static leat_fan *open_fan(const leat_fan_opts *opts)
{
	leat_fan *fan;

	cr_assert_eq(leat_fan_open(&fan, opts), 0);
	return fan;
}

static int copy(void *in, void *out, leat_worker *w)
{
	(void)w;
	memcpy(out, in, 8);
	return 0;
}

/* gated lets only the call with key 0 wait at the gate. */
static int gated(void *in, void *out, leat_worker *w)
{
	if (*(uint64_t *)in == 0 && !gate_pass(leat_arg(w)))
		return -ETIMEDOUT;
	return copy(in, out, w);
}

/* As completed */

Test(fan_single, next_gives_calls_in_completion_order_while_others_run)
{
	struct gate gate = GATE;
	leat_fan_opts opts = {.fn = gated,
		.arg = &gate,
		.out_size = 8,
		.workers = 2,
		.flags = LEAT_FAN_NEXT};
	leat_fan *fan = open_fan(&opts);
	leat_done done = {0};
	uint64_t sum = 0;

	leat_call(fan, leat_u64(0), NULL, 0);
	cr_assert(gate_await(&gate, 1));
	for (uint64_t n = 1; n <= 100; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(leat_next(fan, &done), 0);
		cr_assert_eq(*(uint64_t *)done.out, leat_done_u64(&done));
		sum += leat_done_u64(&done);
	}
	cr_assert_eq(sum, 5050);
	cr_assert_eq(
		leat_next_until(fan, &done, leat_after(LEAT_MS)), -ETIMEDOUT);
	gate_open(&gate);
	cr_assert_eq(leat_next(fan, &done), 0);
	cr_assert_eq(leat_done_u64(&done), 0);
	cr_assert_eq(leat_next(fan, &done), LEAT_END);
	cr_assert_eq(leat_next(fan, &done), LEAT_END);
	leat_fan_close(fan);
}

Test(fan_single, next_is_for_fans_that_ask_for_it)
{
	leat_fan_opts opts = {.fn = copy, .out_size = 8};
	leat_fan *fan = open_fan(&opts);
	leat_done done = {0};

	cr_assert_eq(leat_next(fan, &done), -EINVAL);
	leat_fan_close(fan);
}

/* In the original, cancelled futures are never yielded by as_completed. */
Test(fan_single, next_gives_cancelled_calls_too)
{
	struct gate gate = GATE;
	leat_fan_opts opts = {.fn = gated,
		.arg = &gate,
		.out_size = 8,
		.workers = 1,
		.flags = LEAT_FAN_NEXT};
	leat_fan *fan = open_fan(&opts);
	leat_call_opts with = {0};
	leat_done done = {0};
	leat_handle *h;
	int seen = 0;

	with.handle = &h;
	leat_call(fan, leat_u64(0), NULL, 0);
	cr_assert(gate_await(&gate, 1));
	leat_call_with(fan, leat_u64(1), NULL, 0, &with);
	cr_assert_eq(leat_handle_cancel(h), 0);
	gate_open(&gate);
	while (leat_next(fan, &done) == 0) {
		uint64_t key = leat_done_u64(&done);

		cr_assert_eq(done.code, key == 1 ? -ECANCELED : 0);
		seen++;
	}
	cr_assert_eq(seen, 2);
	leat_handle_free(h);
	leat_fan_close(fan);
}

static int slot_and_put(void *in, void *out, leat_worker *w)
{
	static const uint64_t one = 1;

	leat_put(w, leat_arg(w), &one, 8);
	return copy(in, out, w);
}

Test(fan_single, next_is_the_barrier_of_its_call)
{
	uint64_t put = 0, slot = 0, in = 5;
	leat_fan_opts opts = {.fn = slot_and_put,
		.arg = &put,
		.out_size = 8,
		.workers = 2,
		.flags = LEAT_FAN_NEXT};
	leat_fan *fan = open_fan(&opts);
	leat_done done = {0};

	leat_call_into(fan, &slot, &in, 8);
	cr_assert_eq(leat_next(fan, &done), 0);
	cr_assert_eq(slot, 5);
	cr_assert_eq(put, 1);
	in = 6;
	cr_assert_eq(leat_call_into(fan, &slot, &in, 8), 0);
	put = 0;
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(slot, 6);
	cr_assert_eq(put, 1);
	put = slot = 0;
	cr_assert_eq(leat_next(fan, &done), 0);
	cr_assert_eq(slot, 0);
	cr_assert_eq(put, 0);
	cr_assert_eq(leat_next(fan, &done), LEAT_END);
	leat_fan_close(fan);
}

Test(fan_single, what_the_barrier_has_passed_is_still_given)
{
	leat_fan_opts opts = {.fn = copy,
		.out_size = 8,
		.workers = 2,
		.flags = LEAT_FAN_NEXT | LEAT_FAN_REPLACE};
	leat_fan *fan = open_fan(&opts);
	leat_done done = {0};
	uint64_t in, sum = 0;
	void *out;

	for (in = 1; in <= 10; in++)
		cr_assert_eq(leat_call(fan, leat_u64(in % 3), &in, 8), 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_result(fan, leat_u64(1), &out), 0);
	cr_assert_eq(*(uint64_t *)out, 10);
	while (leat_next(fan, &done) == 0)
		sum += *(uint64_t *)done.out;
	cr_assert_eq(sum, 55);
	cr_assert_eq(leat_result(fan, leat_u64(1), &out), -ENOENT);
	leat_fan_close(fan);
}

Test(fan_single, a_later_call_given_first_leaves_the_earlier_to_be_found)
{
	struct gate gate = GATE;
	leat_fan_opts opts = {.fn = gated,
		.arg = &gate,
		.out_size = 8,
		.workers = 2,
		.flags = LEAT_FAN_NEXT | LEAT_FAN_REPLACE};
	leat_fan *fan = open_fan(&opts);
	leat_done done = {0};
	uint64_t in = 0;
	void *out;

	leat_call(fan, leat_u64(7), &in, 8);
	cr_assert(gate_await(&gate, 1));
	in = 1;
	leat_call(fan, leat_u64(7), &in, 8);
	cr_assert_eq(leat_next(fan, &done), 0);
	cr_assert_eq(*(uint64_t *)done.out, 1);
	cr_assert_eq(leat_result(fan, leat_u64(7), &out), -EAGAIN);
	gate_open(&gate);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_result(fan, leat_u64(7), &out), 0);
	cr_assert_eq(leat_next(fan, &done), 0);
	cr_assert_eq(*(uint64_t *)done.out, 0);
	cr_assert_eq(leat_result(fan, leat_u64(7), &out), -ENOENT);
	leat_fan_close(fan);
}

Test(fan_single, one_thread_may_both_call_and_take)
{
	leat_fan_opts opts = {.fn = copy,
		.out_size = 8,
		.workers = 2,
		.queue = 8,
		.flags = LEAT_FAN_NEXT};
	leat_fan *fan = open_fan(&opts);
	leat_done done = {0};
	uint64_t n, sum = 0, given = 0, fed = 0;
	int rc;

	for (n = 0; n < 20000; n++) {
		while ((rc = leat_trycall(fan, leat_u64(n), NULL, 0)) ==
			-EAGAIN) {
			cr_assert_leq(n - given, 8);
			cr_assert_eq(leat_next(fan, &done), 0);
			sum += *(uint64_t *)done.out;
			given++;
		}
		cr_assert_eq(rc, 0);
		fed += n;
	}
	/* Waiting for room that only it can make is no hang. */
	for (; (rc = leat_call(fan, leat_u64(n), NULL, 0)) == 0; n++)
		fed += n;
	cr_assert_eq(rc, -EDEADLK);
	while (leat_next(fan, &done) == 0)
		sum += *(uint64_t *)done.out;
	cr_assert_eq(sum, fed);
	leat_fan_close(fan);
}

static void *take_all(void *arg)
{
	leat_fan *fan = arg;
	leat_done done = {0};
	uint64_t *sum = calloc(1, sizeof(*sum));

	for (;;) {
		int rc = leat_next(fan, &done);

		if (rc == LEAT_END)
			continue;
		cr_assert_eq(rc, 0);
		if (done.code != 0)
			break;
		*sum += *(uint64_t *)done.out;
	}
	return sum;
}

static int copy_or_end(void *in, void *out, leat_worker *w)
{
	copy(in, out, w);
	return *(uint64_t *)in < 20000 ? 0 : -ENODATA;
}

Test(fan_single, several_threads_may_take)
{
	leat_fan_opts opts = {.fn = copy_or_end,
		.out_size = 8,
		.workers = 2,
		.queue = 16,
		.flags = LEAT_FAN_NEXT};
	leat_fan *fan = open_fan(&opts);
	leat_done done = {0};
	pthread_t thread[2];
	uint64_t total = 0;

	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, take_all, fan);
	for (uint64_t n = 0; n < 20002; n++)
		cr_assert_eq(leat_call(fan, leat_u64(n), NULL, 0), 0);
	for (int i = 0; i < 2; i++) {
		uint64_t *sum;

		pthread_join(thread[i], (void **)&sum);
		total += *sum;
		free(sum);
	}
	/* Calls that ended after the last two. */
	while (leat_next(fan, &done) == 0)
		total += *(uint64_t *)done.out;
	cr_assert_eq(total, UINT64_C(19999) * 20000 / 2);
	leat_fan_close(fan);
}

static void *take_rest(void *arg)
{
	leat_fan *fan = arg;
	leat_done done = {0};
	uint64_t *sum = calloc(1, sizeof(*sum));

	while (leat_next(fan, &done) == 0)
		*sum += *(uint64_t *)done.out;
	return sum;
}

Test(fan_single, what_one_thread_has_fetched_another_may_take)
{
	leat_fan_opts opts = {.fn = copy,
		.out_size = 8,
		.workers = 2,
		.queue = 100,
		.flags = LEAT_FAN_NEXT};
	leat_fan *fan = open_fan(&opts);
	leat_done done = {0};
	pthread_t thread;
	uint64_t *sum;

	for (uint64_t n = 0; n < 100; n++)
		cr_assert_eq(leat_call(fan, leat_u64(n), NULL, 0), 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_next(fan, &done), 0);
	pthread_create(&thread, NULL, take_rest, fan);
	pthread_join(thread, (void **)&sum);
	cr_assert_eq(*sum + *(uint64_t *)done.out, UINT64_C(99) * 100 / 2);
	free(sum);
	cr_assert_eq(leat_next(fan, &done), LEAT_END);
	leat_fan_close(fan);
}

/* What the barrier calls makes a call, while another thread takes; there is no
 * room, and the other thread would have to wait for the barrier. */
struct beyond {
	leat_fan *fan;
	struct gate gate;
	int rc;
};

static void call_beyond(void *beyond, const void *value, size_t size)
{
	struct beyond *b = beyond;
	leat_call_opts call = {.deadline = leat_after(LEAT_S)};

	(void)value;
	(void)size;
	gate_open(&b->gate);
	b->rc = leat_call_with(b->fan, leat_u64(9), NULL, 0, &call);
}

static int apply_beyond(void *in, void *out, leat_worker *w)
{
	(void)in;
	(void)out;
	return leat_apply(w, call_beyond, leat_arg(w), NULL, 0);
}

static void *take_late(void *beyond)
{
	struct beyond *b = beyond;
	leat_done done = {0};
	intptr_t n = 0;

	if (leat_next(b->fan, &done) == LEAT_END && gate_pass(&b->gate))
		while (leat_next(b->fan, &done) == 0)
			n++;
	return (void *)n;
}

Test(fan_single, a_call_that_the_barrier_makes_does_not_wait_for_next)
{
	struct beyond b = {.gate = GATE};
	leat_fan_opts opts = {.fn = apply_beyond,
		.arg = &b,
		.workers = 1,
		.queue = 2,
		.flags = LEAT_FAN_NEXT};
	pthread_t thread;
	void *n;

	b.fan = open_fan(&opts);
	pthread_create(&thread, NULL, take_late, &b);
	cr_assert(gate_await(&b.gate, 1));
	cr_assert_eq(leat_call(b.fan, leat_u64(0), NULL, 0), 0);
	cr_assert_eq(leat_call(b.fan, leat_u64(1), NULL, 0), 0);
	cr_assert_eq(leat_fan_wait(b.fan), 0);
	cr_assert_eq(b.rc, -EDEADLK);
	pthread_join(thread, &n);
	cr_assert_eq((intptr_t)n, 2);
	cr_assert_eq(leat_fan_close(b.fan), 0);
}

/* There is room for one more, but a worker that takes the call before it in
 * that place is kept from going on: so it seems, as its turn says. */
Test(fan_single, room_that_a_worker_is_about_to_make_is_waited_for)
{
	leat_fan_opts opts = {.fn = copy,
		.out_size = 8,
		.workers = 2,
		.queue = 2,
		.flags = LEAT_FAN_NEXT};
	leat_fan *fan = open_fan(&opts);
	uint8_t *turn = fan->queue->ring.turn, empty;
	leat_call_opts soon = {0};
	leat_done done = {0};
	int n = 0;

	cr_assert_eq(leat_call(fan, leat_u64(0), NULL, 0), 0);
	cr_assert_eq(leat_call(fan, leat_u64(1), NULL, 0), 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_next(fan, &done), 0);
	empty = *turn;
	*turn = (uint8_t)(empty - 1);
	soon.deadline = leat_after(10 * LEAT_MS);
	cr_assert_eq(
		leat_call_with(fan, leat_u64(2), NULL, 0, &soon), -ETIMEDOUT);
	*turn = empty;
	cr_assert_eq(leat_call(fan, leat_u64(2), NULL, 0), 0);
	while (leat_next(fan, &done) == 0)
		n++;
	cr_assert_eq(n, 2);
	cr_assert_eq(leat_fan_close(fan), 0);
}

/* The same for a call's own call, which waits for no other call. */
struct inner {
	leat_fan *fan;
	uint8_t *turn, empty;
	int rc[2];
};

static int call_twice(void *in, void *out, leat_worker *w)
{
	struct inner *i = leat_arg(w);
	leat_call_opts soon = {.deadline = leat_after(10 * LEAT_MS)};

	(void)out;
	if (*(uint64_t *)in != 2)
		return 0;
	i->rc[0] = leat_call_with(i->fan, leat_u64(3), NULL, 0, &soon);
	*i->turn = i->empty;
	i->rc[1] = leat_call(i->fan, leat_u64(3), NULL, 0);
	return 0;
}

Test(fan_single, room_is_waited_for_inside_a_call_too)
{
	struct inner i = {0};
	leat_fan_opts opts = {
		.fn = call_twice, .arg = &i, .workers = 2, .queue = 2};

	i.fan = open_fan(&opts);
	cr_assert_eq(leat_call(i.fan, leat_u64(0), NULL, 0), 0);
	cr_assert_eq(leat_call(i.fan, leat_u64(1), NULL, 0), 0);
	cr_assert_eq(leat_fan_wait(i.fan), 0);
	i.turn = &i.fan->queue->ring.turn[1];
	i.empty = *i.turn;
	*i.turn = (uint8_t)(i.empty - 1);
	cr_assert_eq(leat_call(i.fan, leat_u64(2), NULL, 0), 0);
	cr_assert_eq(leat_fan_wait(i.fan), 0);
	cr_assert_eq(i.rc[0], -ETIMEDOUT);
	cr_assert_eq(i.rc[1], 0);
	cr_assert_eq(leat_fan_close(i.fan), 0);
}

static pthread_t main_thread;
static uint64_t told;

static void tell(const leat_done *done, void *arg)
{
	cr_assert_eq(pthread_equal(pthread_self(), main_thread), 0);
	cr_assert_eq(arg, &told);
	cr_assert_eq(*(const uint64_t *)done->out, leat_done_u64(done));
	__atomic_add_fetch(&told, 1, __ATOMIC_RELAXED);
}

Test(fan_single, done_is_called_on_the_workers_thread_before_the_barrier)
{
	leat_fan_opts opts = {.fn = copy,
		.out_size = 8,
		.workers = 2,
		.done = tell,
		.done_arg = &told};
	leat_fan *fan = open_fan(&opts);

	main_thread = pthread_self();
	for (uint64_t n = 0; n < 1000; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	leat_fan_wait(fan);
	cr_assert_eq(told, 1000);
	leat_fan_close(fan);
}

/* Handles */

Test(fan_single, a_handle_waits_with_a_deadline_for_result_or_error)
{
	struct gate gate = GATE;
	leat_fan_opts opts = {
		.fn = gated, .arg = &gate, .out_size = 8, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	leat_call_opts with = {0};
	leat_handle *h;
	leat_done done;

	with.handle = &h;
	leat_call_with(fan, leat_u64(0), NULL, 0, &with);
	cr_assert(gate_await(&gate, 1));
	cr_assert_eq(leat_handle_done(h), 0);
	cr_assert_eq(
		leat_handle_wait(h, &done, leat_after(LEAT_MS)), -ETIMEDOUT);
	cr_assert_eq(leat_handle_cancel(h), -EBUSY);
	gate_open(&gate);
	cr_assert_eq(leat_handle_wait(h, &done, leat_after(10 * LEAT_S)), 0);
	cr_assert_eq(leat_handle_done(h), 1);
	cr_assert_eq(done.code, 0);
	cr_assert_eq(*(uint64_t *)done.out, 0);
	cr_assert_eq(leat_handle_cancel(h), -EALREADY);
	leat_handle_free(h);
	leat_handle_free(NULL);
	leat_fan_close(fan);
}

static int refuse(void *in, void *out, leat_worker *w)
{
	(void)in;
	(void)out;
	return leat_error(w, -EPERM, "not today");
}

Test(fan_single, a_handle_shows_the_failure)
{
	leat_fan_opts opts = {.fn = refuse, .workers = 1};
	leat_fan *fan = open_fan(&opts);
	leat_call_opts with = {0};
	leat_handle *h;
	leat_done done;

	with.handle = &h;
	leat_call_with(
		fan, leat_str("a key that is long enough"), NULL, 0, &with);
	cr_assert_eq(leat_handle_wait(h, &done, LEAT_NEVER), 0);
	cr_assert_eq(done.code, -EPERM);
	cr_assert_str_eq(done.text, "not today");
	cr_assert_str_eq(done.key, "a key that is long enough");
	leat_fan_close(fan);
}

static void await_listener(const struct bell *b)
{
	while (load_relaxed(&b->word) >> 32 == 0)
		sched_yield();
}

static void *await_call(void *handle)
{
	leat_done done;
	int rc = leat_handle_wait(handle, &done, LEAT_NEVER);

	return (void *)(intptr_t)(rc == 0 ? done.code : rc);
}

Test(fan_single, who_waits_for_a_call_hears_at_once_that_it_is_cancelled)
{
	struct gate gate = GATE;
	leat_fan_opts opts = {
		.fn = gated, .arg = &gate, .out_size = 8, .workers = 1};
	leat_fan *fan = open_fan(&opts);
	leat_handle *first, *second;
	leat_call_opts call = {.handle = &first};
	pthread_t thread;
	void *code;

	leat_call_with(fan, leat_u64(0), NULL, 0, &call);
	cr_assert(gate_await(&gate, 1));
	call.handle = &second;
	leat_call_with(fan, leat_u64(1), NULL, 0, &call);
	pthread_create(&thread, NULL, await_call, second);
	await_listener(&fan->ended);
	cr_assert_eq(leat_handle_cancel(second), 0);
	pthread_join(thread, &code);
	cr_assert_eq((intptr_t)code, -ECANCELED);
	cr_assert_eq(leat_handle_done(first), 0);
	gate_open(&gate);
	leat_handle_free(first);
	leat_handle_free(second);
	cr_assert_eq(leat_fan_close(fan), -ECANCELED);
}

struct late {
	struct gate gate[2];
	uint64_t value;
};

static int put_late(void *in, void *out, leat_worker *w)
{
	struct late *l = leat_arg(w);
	uint64_t n = *(uint64_t *)in;

	(void)out;
	if (!gate_pass(&l->gate[n]))
		return -ETIMEDOUT;
	return n == 0 ? 0 : leat_put(w, &l->value, &n, sizeof(n));
}

static void *wait_fan(void *fan)
{
	return (void *)(intptr_t)leat_fan_wait(fan);
}

Test(fan_single, a_barrier_leaves_later_calls_to_the_next_one)
{
	struct late l = {.gate = {GATE, GATE}};
	leat_fan_opts opts = {.fn = put_late, .arg = &l, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	pthread_t thread;
	void *code, *out;

	leat_call(fan, leat_u64(0), NULL, 0);
	pthread_create(&thread, NULL, wait_fan, fan);
	await_listener(&fan->chain->passed);
	leat_call(fan, leat_u64(1), NULL, 0);
	gate_open(&l.gate[0]);
	pthread_join(thread, &code);
	cr_assert_eq((intptr_t)code, 0);
	cr_assert_eq(leat_result(fan, leat_u64(1), &out), -EAGAIN);
	gate_open(&l.gate[1]);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(l.value, 1);
	cr_assert_eq(leat_result(fan, leat_u64(1), &out), 0);
	cr_assert_eq(leat_fan_close(fan), 0);
}

/* Every other call fails; a fan that goes on for long must not grow. */
static int fail_others(void *in, void *out, leat_worker *w)
{
	uint64_t *n = leat_arg(w);

	(void)in;
	(void)out;
	return ++*n % 2 == 0 ? 0 : -EIO;
}

Test(fan_single, the_record_of_a_failure_that_was_replaced_is_used_again)
{
	uint64_t n = 0;
	leat_fan_opts opts = {.fn = fail_others,
		.arg = &n,
		.workers = 1,
		.flags = LEAT_FAN_REPLACE};
	leat_fan *fan = open_fan(&opts);

	for (int round = 0; round < 100; round++) {
		leat_call(fan, leat_u64(1), NULL, 0);
		leat_call(fan, leat_u64(1), NULL, 0);
		cr_assert_eq(leat_fan_wait(fan), -EIO);
	}
	cr_assert_leq(fan->store.used, 5);
	cr_assert_eq(leat_fan_close(fan), 0);
}

static int gated_or_fail(void *in, void *out, leat_worker *w)
{
	return *(uint64_t *)in == 13 ? -EIO : gated(in, out, w);
}

/* The first failure, one that never ran, was replaced; then comes one that has
 * run, and is replaced too. */
Test(fan_single, a_failure_that_is_the_first_no_more_keeps_its_handle)
{
	struct gate gate = GATE;
	leat_fan_opts opts = {.fn = gated_or_fail,
		.arg = &gate,
		.out_size = 8,
		.workers = 1,
		.flags = LEAT_FAN_REPLACE};
	leat_fan *fan = open_fan(&opts);
	leat_handle *h;
	leat_call_opts with = {.handle = &h};
	uint64_t good = 7, bad = 13;
	leat_done done;

	leat_call(fan, leat_u64(0), NULL, 0);
	cr_assert(gate_await(&gate, 1));
	leat_call_with(fan, leat_u64(1), &good, 8, &with);
	cr_assert_eq(leat_handle_cancel(h), 0);
	leat_call(fan, leat_u64(1), &good, 8);
	leat_call(fan, leat_u64(2), &bad, 8);
	leat_call(fan, leat_u64(2), &good, 8);
	gate_open(&gate);
	cr_assert_eq(leat_fan_wait(fan), -EIO);
	cr_assert_eq(leat_fan_failure(fan, &done), -EIO);
	cr_assert_eq(done.seq, 3);

	/* No other call gets its record. */
	leat_fan_clear(fan);
	for (uint64_t n = 20; n < 40; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_handle_wait(h, &done, LEAT_NEVER), 0);
	cr_assert_eq(done.code, -ECANCELED);
	cr_assert_eq(done.seq, 1);
	cr_assert_eq(leat_done_u64(&done), 1);
	leat_handle_free(h);
	cr_assert_eq(leat_fan_close(fan), 0);
}

Test(fan_single, the_record_of_a_handle_that_outlived_it_is_used_again)
{
	leat_fan_opts opts = {.fn = copy, .out_size = 8, .workers = 1};
	leat_fan *fan = open_fan(&opts);
	leat_handle *h, *old = NULL;
	leat_call_opts call = {.handle = &h};

	for (int round = 0; round < 100; round++) {
		leat_call_with(fan, leat_u64(1), NULL, 0, &call);
		cr_assert_eq(leat_fan_wait(fan), 0);
		leat_handle_free(old);
		old = h;
	}
	cr_assert_leq(fan->store.used, 5);
	leat_handle_free(old);
	cr_assert_eq(leat_fan_close(fan), 0);
}

Test(fan_single, a_call_that_has_not_started_can_be_cancelled)
{
	struct gate gate = GATE;
	leat_fan_opts opts = {
		.fn = gated, .arg = &gate, .out_size = 8, .workers = 1};
	leat_fan *fan = open_fan(&opts);
	leat_call_opts with = {0};
	leat_handle *h;
	uint64_t slot = 1, in = 5;
	leat_done done;

	leat_call(fan, leat_u64(0), NULL, 0);
	cr_assert(gate_await(&gate, 1));
	with.handle = &h;
	with.slot = &slot;
	leat_call_with(fan, leat_u64(1), &in, 8, &with);
	cr_assert_eq(leat_handle_cancel(h), 0);
	cr_assert_eq(leat_handle_cancel(h), -EALREADY);
	cr_assert_eq(leat_handle_done(h), 1);
	cr_assert_eq(leat_handle_wait(h, &done, LEAT_NEVER), 0);
	cr_assert_eq(done.code, -ECANCELED);
	gate_open(&gate);
	cr_assert_eq(leat_fan_wait(fan), -ECANCELED);
	cr_assert_eq(slot, 1);
	leat_handle_free(h);
	leat_fan_close(fan);
}

Test(fan_single, a_handle_outlives_the_result_it_stands_for)
{
	leat_fan_opts opts = {.fn = copy, .out_size = 8, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	leat_call_opts with = {0};
	leat_handle *h[100];
	leat_done done;

	for (uint64_t n = 0; n < 100; n++) {
		with.handle = &h[n];
		cr_assert_eq(leat_call_with(fan, leat_u64(1), &n, 8, &with), 0);
		leat_fan_wait(fan);
	}
	leat_fan_clear(fan);
	for (uint64_t n = 100; n < 1000; n++)
		cr_assert_eq(leat_call(fan, leat_u64(n), &n, 8), 0);
	leat_fan_wait(fan);
	leat_fan_clear(fan);
	for (uint64_t n = 0; n < 100; n++) {
		cr_assert_eq(leat_handle_wait(h[n], &done, LEAT_NEVER), 0);
		cr_assert_eq(*(uint64_t *)done.out, n);
		if (n % 2)
			leat_handle_free(h[n]);
	}
	leat_fan_close(fan);
}

/* From inside */

struct inside {
	leat_fan *fan;
	leat_handle *own;
	struct gate gate;
	int rc[6];
};

static int wait_for_oneself(void *in, void *out, leat_worker *w)
{
	struct inside *i = leat_arg(w);
	leat_done done = {0};

	(void)in;
	(void)out;
	gate_pass(&i->gate);
	i->rc[0] = leat_fan_wait(i->fan);
	i->rc[1] = leat_fan_wait_until(i->fan, 1);
	i->rc[2] = leat_fan_close(i->fan);
	i->rc[3] = leat_next(i->fan, &done);
	i->rc[4] = leat_handle_wait(i->own, NULL, LEAT_NEVER);
	leat_fan_cancel(i->fan);
	return 0;
}

/* P3, P4: an executor that waits for itself hangs, and so does a teardown from
 * a callback. */
Test(fan_single, a_call_that_would_wait_for_itself_is_told_so)
{
	struct inside i = {.gate = GATE};
	leat_fan_opts opts = {.fn = wait_for_oneself,
		.arg = &i,
		.workers = 1,
		.flags = LEAT_FAN_NEXT};
	leat_call_opts with = {0};

	i.fan = open_fan(&opts);
	with.handle = &i.own;
	leat_call_with(i.fan, leat_u64(1), NULL, 0, &with);
	gate_open(&i.gate);
	cr_assert_eq(leat_fan_wait(i.fan), 0);
	for (int k = 0; k < 5; k++)
		cr_assert_eq(i.rc[k], -EDEADLK, "%d", k);
	leat_fan_close(i.fan);
}

/* tree calls itself for both halves of a range. */
static int tree(void *in, void *out, leat_worker *w)
{
	leat_fan *fan = *(leat_fan **)leat_arg(w);
	uint64_t *range = in;
	uint64_t middle = (range[0] + range[1]) / 2;
	int rc = 0;

	*(uint64_t *)out = 1;
	if (middle > range[0])
		rc = leat_call(fan, leat_pair(range[0], middle), NULL, 0);
	if (rc == 0 && middle > range[0])
		rc = leat_call(fan, leat_pair(middle, range[1]), NULL, 0);
	return rc;
}

/* P17 too: the barrier waits for calls that calls have made. */
Test(fan_single, calls_made_by_calls_belong_to_the_barrier)
{
	leat_fan *fan;
	leat_fan_opts opts = {
		.fn = tree, .arg = &fan, .out_size = 8, .workers = 3};
	leat_done done = {0};
	int n = 0;

	fan = open_fan(&opts);
	leat_call(fan, leat_pair(0, 1024), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	while (leat_each(fan, &done) == 0)
		n++;
	cr_assert_eq(n, 1024 + 1023);
	leat_fan_close(fan);
}

Test(fan_single, a_call_inside_never_waits_for_room)
{
	leat_fan *fan;
	leat_fan_opts opts = {.fn = tree,
		.arg = &fan,
		.out_size = 8,
		.workers = 1,
		.queue = 1};

	fan = open_fan(&opts);
	leat_call(fan, leat_pair(0, 1024), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), -EDEADLK);
	leat_fan_close(fan);
}

static int nested(void *in, void *out, leat_worker *w)
{
	leat_fan_opts opts = {.fn = copy, .out_size = 8, .workers = 2};
	uint64_t n = *(uint64_t *)in, part[10], *sum = out;
	leat_fan *fan;
	int rc = leat_fan_open(&fan, &opts);

	(void)w;
	if (rc < 0)
		return rc;
	for (uint64_t i = 0; i < 10; i++) {
		uint64_t value = n + i;

		leat_call_into(fan, &part[i], &value, 8);
	}
	rc = leat_fan_close(fan);
	for (int i = 0; i < 10; i++)
		*sum += part[i];
	return rc;
}

Test(fan_single, a_call_may_open_and_use_another_fan)
{
	leat_fan_opts opts = {.fn = nested, .out_size = 8, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	void *out;

	for (uint64_t n = 0; n < 50; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	for (uint64_t n = 0; n < 50; n++) {
		cr_assert_eq(leat_result(fan, leat_u64(n), &out), 0);
		cr_assert_eq(*(uint64_t *)out, 10 * n + 45);
	}
	leat_fan_close(fan);
}

/* Several threads */

struct caller {
	pthread_t thread;
	leat_fan *fan;
	uint64_t id;
};

static void *call_many(void *arg)
{
	struct caller *c = arg;
	void *out;

	for (uint64_t n = 0; n < 3000; n++) {
		cr_assert_eq(
			leat_call(c->fan, leat_pair(c->id, n), NULL, 0), 0);
		if (n % 1000 != 999)
			continue;
		cr_assert_eq(leat_fan_wait(c->fan), 0);
		for (uint64_t i = n - 999; i <= n; i++) {
			cr_assert_eq(
				leat_result(c->fan, leat_pair(c->id, i), &out),
				0);
			cr_assert_eq(*(uint64_t *)out, c->id);
		}
	}
	return NULL;
}

Test(fan_single, several_threads_call_on_one_fan)
{
	leat_fan_opts opts = {
		.fn = copy, .out_size = 8, .workers = 2, .queue = 64};
	leat_fan *fan = open_fan(&opts);
	struct caller caller[4];

	for (uint64_t i = 0; i < 4; i++) {
		caller[i] = (struct caller){.fan = fan, .id = i};
		pthread_create(&caller[i].thread, NULL, call_many, &caller[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(caller[i].thread, NULL);
	cr_assert_eq(leat_fan_close(fan), 0);
}

/* P17: more than "wait for everything": a single result, by its slot. */
Test(fan_single, a_single_result_can_be_had_while_others_run)
{
	struct gate gate = GATE;
	leat_fan_opts opts = {
		.fn = gated, .arg = &gate, .out_size = 8, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	leat_call_opts with = {0};
	leat_handle *h;
	leat_done done;

	leat_call(fan, leat_u64(0), NULL, 0);
	cr_assert(gate_await(&gate, 1));
	with.handle = &h;
	leat_call_with(fan, leat_u64(9), NULL, 0, &with);
	cr_assert_eq(leat_handle_wait(h, &done, leat_after(10 * LEAT_S)), 0);
	cr_assert_eq(*(uint64_t *)done.out, 9);
	gate_open(&gate);
	leat_fan_close(fan);
}
