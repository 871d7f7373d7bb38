/* SPDX-License-Identifier: BSD-2-Clause */
/* Fans whose functions end their thread instead of returning. */
#include <stdio.h>
#include "tests/unit/unit.h"

#define N 300

/* What a test's functions know; freed outputs and arguments are items. */
struct plan {
	uint64_t at;	 /* the key at which it happens */
	uint64_t begun;	 /* how often that key's call was */
	uint64_t ran;	 /* calls */
	uint64_t told;	 /* calls that opts.done was shown */
	uint64_t failed; /* and how many of these had failed */
	uint64_t closed;
	struct gate *gate;
};

static void end_thread(void)
{
	pthread_exit(NULL);
}

/* square's output has an item, which free_square frees. */
struct square {
	uint64_t n;
	void *item;
};

static void free_square(void *out)
{
	item_free(((struct square *)out)->item);
}

static int square(void *in, void *out, leat_worker *w)
{
	struct plan *p = leat_arg(w);
	struct square *s = out;
	size_t size;
	uint64_t n = *(const uint64_t *)leat_call_key(w, &size);

	(void)in;
	if (n == p->at) {
		count_up(&p->begun);
		end_thread();
	}
	count_up(&p->ran);
	s->n = n * n;
	s->item = item_make(n);
	return 0;
}

static void count_done(const leat_done *done, void *arg)
{
	struct plan *p = arg;

	count_up(&p->told);
	if (done->code < 0)
		count_up(&p->failed);
}

static leat_fan *open_fan(struct plan *p, leat_fan_opts opts)
{
	leat_fan *fan;

	if (opts.fn == NULL)
		opts.fn = square;
	opts.arg = p;
	opts.out_size = sizeof(struct square);
	opts.free_out = free_square;
	opts.free_in = item_free;
	opts.done_arg = p;
	if (opts.done == NULL)
		opts.done = count_done;
	cr_assert_eq(leat_fan_open(&fan, &opts), 0);
	return fan;
}

/* call_all makes calls of which each owns an item; it returns how many. A call
 * may be refused once one has ended its thread. */
static uint64_t call_all(leat_fan *fan, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		void *in = item_make(i);
		int rc = leat_call(fan, leat_u64(i), in, 0);

		if (rc == 0)
			continue;
		cr_assert_eq(rc, LEAT_ETHREAD);
		item_free(in);
		return i;
	}
	return n;
}

/* is_right: one call has the code, the others have run or never will. */
static void is_right(const leat_done *done, const struct plan *p)
{
	uint64_t n = leat_done_u64(done);
	const struct square *s = done->out;

	if (n == p->at) {
		cr_assert_eq(done->code, LEAT_ETHREAD);
		cr_assert_not_null(strstr(done->text, "ended its thread"));
	} else if (done->code == 0) {
		cr_assert_eq(s->n, n * n);
		cr_assert_eq(item_n(s->item), n);
	} else {
		cr_assert_eq(done->code, -ECANCELED);
	}
	if (done->code != 0)
		cr_assert_null(done->out);
}

static void another_works(void)
{
	struct plan p = {.at = UINT64_MAX};
	leat_fan *fan = open_fan(&p, (leat_fan_opts){.workers = 2});

	cr_assert_eq(call_all(fan, 50), 50);
	cr_assert_eq(leat_fan_close(fan), 0);
	cr_assert_eq(p.ran, 50);
}

/* has_stopped: no more calls, and no more failures. */
static void has_stopped(leat_fan *fan)
{
	cr_assert_eq(leat_call(fan, leat_u64(N), NULL, 0), LEAT_ETHREAD);
	cr_assert_eq(leat_trycall(fan, leat_u64(N), NULL, 0), LEAT_ETHREAD);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_fan_close(fan), 0);
	another_works();
}

static const leat_fan_opts kinds[] = {
	{.workers = 1},
	{.workers = 3},
	{.workers = 2, .queue = 8},
	{.workers = 1, .queue = 1},
	{.workers = 1, .callers = 1},
	{.workers = 2, .retries = 3},
	{.workers = 2, .retries = 3, .backoff_ns = LEAT_MS},
	{.workers = 2, .flags = LEAT_FAN_STOP},
};
static const uint64_t when[] = {0, N / 2, N - 1};

/* In call order the first that ran and failed is the one that ended. */
static void barrier_tells(struct plan p, leat_fan_opts opts, bool deadline)
{
	leat_fan *fan = open_fan(&p, opts);
	uint64_t made = call_all(fan, N), seen = 0;
	leat_done done = {0};
	int rc = deadline ? leat_fan_wait_until(fan, leat_after(20 * LEAT_S))
			  : leat_fan_wait(fan);

	cr_assert_eq(rc, LEAT_ETHREAD);
	cr_assert_eq(leat_fan_failure(fan, &done), LEAT_ETHREAD);
	cr_assert_eq(leat_done_u64(&done), p.at);
	for (done.call = NULL; leat_each(fan, &done) == 0; seen++)
		is_right(&done, &p);
	cr_assert_eq(seen, made);
	cr_assert_eq(p.told, made);
	cr_assert_eq(p.failed, made - p.ran);
	cr_assert_eq(p.begun, 1);
	has_stopped(fan);
}

TEST(fan_ended, the_barrier_returns_its_code_in_call_order)
{
	EACH(k, kinds) EACH(i, when)
	{
		barrier_tells((struct plan){.at = when[i]}, kinds[k], false);
		barrier_tells((struct plan){.at = when[i]}, kinds[k], true);
	}
}

TEST(fan_ended, close_without_a_wait_returns_it)
{
	EACH(k, kinds) EACH(i, when)
	{
		struct plan p = {.at = when[i]};
		leat_fan *fan = open_fan(&p, kinds[k]);

		call_all(fan, N);
		cr_assert_eq(leat_fan_close(fan), LEAT_ETHREAD);
		another_works();
	}
}

TEST(fan_ended, leat_next_gives_every_call_once)
{
	EACH(k, kinds) EACH(i, when)
	{
		struct plan p = {.at = when[i] % 8};
		leat_fan_opts opts = kinds[k];
		struct bits given = bits_open(8);
		leat_done done = {0};
		leat_fan *fan;
		uint64_t made = 0;
		int rc = 0;

		opts.flags |= LEAT_FAN_NEXT;
		opts.queue = 8;
		fan = open_fan(&p, opts);
		for (; made < 8 && rc == 0; made += rc == 0) {
			void *in = item_make(made);

			rc = leat_call(fan, leat_u64(made), in, 0);
			if (rc < 0)
				item_free(in);
		}
		for (given.n = made; leat_next(fan, &done) == 0;) {
			bits_set(&given, leat_done_u64(&done));
			is_right(&done, &p);
		}
		bits_close_full(&given);
		has_stopped(fan);
	}
}

static int waits_then_ends(void *in, void *out, leat_worker *w)
{
	struct plan *p = leat_arg(w);

	if (*(const uint64_t *)leat_call_key(w, &(size_t){0}) == p->at)
		gate_pass(p->gate);
	return square(in, out, w);
}

/* Two threads wait, without a deadline, when the call ends. */
static void wait_for_handle(void *handle, size_t index)
{
	leat_done done;

	(void)index;
	check(leat_handle_wait(handle, &done, LEAT_NEVER) == 0);
	check(done.code == LEAT_ETHREAD);
}

TEST(fan_ended, handles_are_finished)
{
	for (uint32_t workers = 1; workers <= 3; workers++) {
		struct gate gate = {0, 0};
		struct plan p = {.at = 0, .gate = &gate};
		leat_fan *fan =
			open_fan(&p, (leat_fan_opts){.fn = waits_then_ends,
					     .workers = workers});
		leat_handle *h[20];
		struct threads t;

		for (uint64_t i = 0; i < 20; i++) {
			leat_call_opts o = {.handle = &h[i]};

			cr_assert_eq(leat_call_with(fan, leat_u64(i),
					     item_make(i), 0, &o),
				0);
		}
		gate_await(&gate, 1);
		threads_start(&t, 2, wait_for_handle, h[0]);
		gate_open(&gate);
		threads_join(&t);
		for (int i = 0; i < 20; i++) {
			leat_done done;

			cr_assert_eq(
				leat_handle_wait(h[i], &done, LEAT_NEVER), 0);
			is_right(&done, &p);
		}
		cr_assert_eq(leat_fan_wait(fan), LEAT_ETHREAD);
		has_stopped(fan);
	}
}

/* A caller waits for room, and the one call that could make it ends. */
static void call_blocked(void *fan, size_t index)
{
	uint64_t i = 100 + 1000 * index;
	void *in;
	int rc;

	do {
		in = item_make(i);
		rc = leat_call(fan, leat_u64(i++), in, 0);
	} while (rc == 0);
	check(rc == LEAT_ETHREAD);
	item_free(in);
}

TEST(fan_ended, who_waits_for_room_is_told)
{
	struct gate gate = {0, 0};
	struct plan p = {.at = 0, .gate = &gate};
	leat_fan *fan = open_fan(
		&p, (leat_fan_opts){
			    .fn = waits_then_ends, .workers = 1, .queue = 2});
	struct threads t;

	cr_assert_eq(leat_call(fan, leat_u64(0), item_make(0), 0), 0);
	gate_await(&gate, 1);
	threads_start(&t, 2, call_blocked, fan);
	while (leat_trycall(fan, leat_u64(1), NULL, 0) == 0)
		rest(LEAT_MS);
	gate_open(&gate);
	threads_join(&t);
	cr_assert_eq(leat_fan_wait(fan), LEAT_ETHREAD);
	has_stopped(fan);
}

/* What it has put is not written, nor is its slot. */
static uint64_t table[2];

static int puts_then_ends(void *in, void *out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)in;

	leat_put(w, &table[n], &n, sizeof(n));
	*(uint64_t *)out = n;
	if (n == 1)
		end_thread();
	return 0;
}

TEST(fan_ended, nothing_of_it_is_written)
{
	uint64_t slot[2] = {7, 7};
	leat_fan_opts opts = {
		.fn = puts_then_ends, .out_size = 8, .workers = 1};
	leat_fan *fan;

	table[0] = table[1] = 9;
	cr_assert_eq(leat_fan_open(&fan, &opts), 0);
	for (uint64_t i = 0; i < 2; i++)
		cr_assert_eq(leat_call_into(fan, &slot[i], &i, sizeof(i)), 0);
	cr_assert_eq(leat_fan_wait(fan), LEAT_ETHREAD);
	cr_assert_eq(slot[0], 0);
	cr_assert_eq(slot[1], 7);
	cr_assert_eq(table[0], 0);
	cr_assert_eq(table[1], 9);
	has_stopped(fan);
}

/* The functions beside it */

static int open_ends(void **state, leat_worker *w)
{
	*state = leat_arg(w);
	if (leat_index(w) == 1)
		end_thread();
	return 0;
}

static int keep_plan(void **state, leat_worker *w)
{
	*state = leat_arg(w);
	return 0;
}

static void count_close(void *state)
{
	count_up(&((struct plan *)state)->closed);
}

TEST(fan_ended, an_open_fails_leat_fan_open)
{
	struct plan p = {.at = 0};
	leat_report r;
	leat_fan_opts opts = {.fn = square,
		.arg = &p,
		.workers = 3,
		.open = open_ends,
		.close = count_close,
		.name = "squares",
		.report = &r};
	leat_fan *fan;

	cr_assert_eq(leat_fan_open(&fan, &opts), LEAT_ETHREAD);
	cr_assert_null(fan);
	cr_assert_str_eq(r.stage, "squares");
	cr_assert_eq(p.closed, 2);
	another_works();
}

static void close_ends(void *state)
{
	count_close(state);
	end_thread();
}

TEST(fan_ended, a_close_is_told_by_leat_fan_close)
{
	struct plan p = {.at = UINT64_MAX};
	leat_fan *fan = open_fan(&p,
		(leat_fan_opts){
			.workers = 3, .open = keep_plan, .close = close_ends});

	cr_assert_eq(call_all(fan, N), N);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_fan_close(fan), LEAT_ETHREAD);
	cr_assert_eq(p.closed, 3);
	cr_assert_eq(p.ran, N);
	another_works();
}

static void done_ends(const leat_done *done, void *arg)
{
	struct plan *p = arg;

	count_up(&p->told);
	if (leat_done_u64(done) >= p->begun)
		end_thread();
}

/* The call that done was shown has failed then, and its output is freed. */
TEST(fan_ended, a_done)
{
	EACH(k, kinds) for (uint64_t at = 0; at < N; at += N / 3)
	{
		struct plan p = {.at = UINT64_MAX, .begun = at};
		leat_fan_opts opts = kinds[k];
		leat_fan *fan;

		opts.done = done_ends;
		fan = open_fan(&p, opts);
		call_all(fan, N);
		cr_assert_eq(leat_fan_wait(fan), LEAT_ETHREAD);
		has_stopped(fan);
	}
}

TEST(fan_ended, a_done_does_not_keep_a_handle_waiting)
{
	struct plan p = {.at = UINT64_MAX, .begun = 0};
	leat_fan *fan =
		open_fan(&p, (leat_fan_opts){.workers = 2, .done = done_ends});
	leat_handle *h;
	leat_call_opts o = {.handle = &h};
	leat_done done;

	cr_assert_eq(leat_call_with(fan, leat_u64(0), item_make(0), 0, &o), 0);
	cr_assert_eq(leat_handle_wait(h, &done, LEAT_NEVER), 0);
	cr_assert_eq(done.code, LEAT_ETHREAD);
	cr_assert_eq(leat_fan_wait(fan), LEAT_ETHREAD);
	has_stopped(fan);
}

static void free_ends(void *in)
{
	uint64_t n = item_n(in);

	item_free(in);
	if (n == 100)
		end_thread();
}

/* Later arguments are not freed by the fan any more. */
TEST(fan_ended, a_free_in)
{
	struct plan p = {.at = UINT64_MAX};
	leat_fan_opts opts = {.fn = square,
		.arg = &p,
		.workers = 1,
		.out_size = sizeof(struct square),
		.free_out = free_square,
		.free_in = free_ends,
		.done = count_done,
		.done_arg = &p};
	leat_fan *fan;
	leat_done done;

	cr_assert_eq(leat_fan_open(&fan, &opts), 0);
	for (uint64_t i = 0; i <= 100; i++)
		cr_assert_eq(leat_call(fan, leat_u64(i), item_make(i), 0), 0);
	cr_assert_eq(leat_fan_wait(fan), LEAT_ETHREAD);
	cr_assert_eq(leat_fan_failure(fan, &done), LEAT_ETHREAD);
	cr_assert_eq(leat_done_u64(&done), 100);
	has_stopped(fan);
}

/* A call inside a call: the inner fan's own failure is its caller's to see. */
static int inner_ends(void *in, void *out, leat_worker *w)
{
	(void)in;
	(void)out;
	(void)w;
	end_thread();
	return 0;
}

static int uses_inner(void *in, void *out, leat_worker *w)
{
	leat_fan_opts opts = {.fn = inner_ends, .workers = 1};
	leat_fan *fan;
	int rc = leat_fan_open(&fan, &opts);

	(void)in;
	(void)out;
	(void)w;
	check(rc == 0);
	check(leat_call(fan, leat_u64(0), NULL, 0) == 0);
	check(leat_fan_close(fan) == LEAT_ETHREAD);
	return 0;
}

TEST(fan_ended, a_fan_inside_a_fan)
{
	leat_fan_opts opts = {.fn = uses_inner, .workers = 2};
	leat_fan *fan;

	cr_assert_eq(leat_fan_open(&fan, &opts), 0);
	for (uint64_t i = 0; i < 20; i++)
		cr_assert_eq(leat_call(fan, leat_u64(i), NULL, 0), 0);
	cr_assert_eq(leat_fan_close(fan), 0);
}
