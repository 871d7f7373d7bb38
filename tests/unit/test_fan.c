/* SPDX-License-Identifier: BSD-2-Clause */
/* Fans: calls, keys, arguments, results, slots, writes, the barrier. */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <leat.h>
#include "queues/cpus.h"
#include "stages/fan.h"
#include "stages/place.h"
#include "tests/unit/gate.h"

TestSuite(fan, .timeout = 30);

static int square(void *in, void *out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)in;

	(void)w;
	*(uint64_t *)out = n * n;
	return 0;
}

static leat_fan *open_fan(const leat_fan_opts *opts)
{
	leat_fan *fan;

	cr_assert_eq(leat_fan_open(&fan, opts), 0);
	return fan;
}

static leat_fan *squares(void)
{
	leat_fan_opts opts = {.fn = square, .out_size = 8, .workers = 2};

	return open_fan(&opts);
}

static uint64_t result_of(leat_fan *fan, leat_key key)
{
	void *out;

	cr_assert_eq(leat_result(fan, key, &out), 0);
	return *(uint64_t *)out;
}

Test(fan, results_by_integer_key)
{
	leat_fan *fan = squares();

	for (uint64_t n = 0; n < 10000; n++)
		cr_assert_eq(leat_call(fan, leat_u64(n), NULL, 0), 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	for (uint64_t n = 0; n < 10000; n++)
		cr_assert_eq(result_of(fan, leat_u64(n)), n * n);
	cr_assert_eq(leat_fan_close(fan), 0);
}

static int add_pair(void *in, void *out, leat_worker *w)
{
	uint64_t *pair = in;

	(void)w;
	*(uint64_t *)out = 1000 * pair[0] + pair[1];
	return 0;
}

Test(fan, results_by_pair_of_integers)
{
	leat_fan_opts opts = {.fn = add_pair, .out_size = 8, .workers = 2};
	leat_fan *fan = open_fan(&opts);

	for (uint64_t a = 0; a < 100; a++)
		for (uint64_t b = 0; b < 100; b++)
			cr_assert_eq(
				leat_call(fan, leat_pair(a, b), NULL, 0), 0);
	leat_fan_wait(fan);
	for (uint64_t a = 0; a < 100; a++)
		for (uint64_t b = 0; b < 100; b++)
			cr_assert_eq(
				result_of(fan, leat_pair(a, b)), 1000 * a + b);
	leat_fan_close(fan);
}

static int length(void *in, void *out, leat_worker *w)
{
	(void)w;
	*(uint64_t *)out = strlen(in);
	return 0;
}

Test(fan, results_by_string_short_and_long)
{
	leat_fan_opts opts = {.fn = length, .out_size = 8, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	char name[1000];

	for (size_t n = 0; n < sizeof(name); n++) {
		memset(name, 'x', n);
		name[n] = '\0';
		cr_assert_eq(leat_call(fan, leat_str(name), NULL, 0), 0);
	}
	leat_fan_wait(fan);
	for (size_t n = 0; n < sizeof(name); n++) {
		memset(name, 'x', n);
		name[n] = '\0';
		cr_assert_eq(result_of(fan, leat_str(name)), n);
	}
	leat_fan_close(fan);
}

Test(fan, any_bytes_are_a_key_and_equal_bytes_are_one_key)
{
	unsigned char zeroes[3] = {0}, huge[70000] = {0};
	leat_fan *fan = squares();
	uint64_t in = 7, word = 5;
	void *out;

	cr_assert_eq(leat_call(fan, leat_bytes(zeroes, 3), &in, 8), 0);
	cr_assert_eq(leat_call(fan, leat_bytes(zeroes, 2), &in, 8), 0);
	cr_assert_eq(leat_call(fan, leat_bytes(huge, sizeof(huge)), &in, 8), 0);
	cr_assert_eq(leat_call(fan, leat_u64(5), &in, 8), 0);
	cr_assert_eq(leat_call(fan, leat_bytes(&word, 8), &in, 8), -EEXIST);
	leat_fan_wait(fan);
	cr_assert_eq(result_of(fan, leat_bytes(&word, 8)), 49);
	cr_assert_eq(result_of(fan, leat_bytes(huge, sizeof(huge))), 49);
	cr_assert_eq(leat_result(fan, leat_bytes(zeroes, 1), &out), -ENOENT);
	leat_fan_close(fan);
}

/* The argument is the size of the key. */
static int size_of_key(void *in, void *out, leat_worker *w)
{
	size_t size;

	leat_call_key(w, &size);
	*(uint64_t *)out = size;
	return *(uint64_t *)in == size ? 0 : -EINVAL;
}

/* Some 65535 bytes: a record has 16 bits for the size of a key in it. */
Test(fan, keys_at_the_limit_of_the_record)
{
	static const unsigned char bytes[65540];
	size_t rooms[] = {65520, 65528, 65529, 65535};

	for (size_t r = 0; r < sizeof(rooms) / sizeof(*rooms); r++) {
		leat_fan_opts opts = {.fn = size_of_key,
			.out_size = 8,
			.key_size = rooms[r],
			.workers = 2};
		leat_fan *fan = open_fan(&opts);

		for (uint64_t n = 65500; n <= sizeof(bytes); n++)
			cr_assert_eq(
				leat_call(fan, leat_bytes(bytes, n), &n, 8), 0);
		cr_assert_eq(leat_fan_wait(fan), 0);
		for (uint64_t n = 65500; n <= sizeof(bytes); n++)
			cr_assert_eq(result_of(fan, leat_bytes(bytes, n)), n);
		leat_fan_close(fan);
	}
}

Test(fan, a_key_is_needed)
{
	leat_fan *fan = squares();
	leat_key none = {0}, odd = {NULL, 5, {0, 0}};

	cr_assert_eq(leat_call(fan, none, NULL, 0), -EINVAL);
	cr_assert_eq(leat_call(fan, odd, NULL, 0), -EINVAL);
	cr_assert_eq(leat_call(fan, leat_bytes("", 0), NULL, 0), -EINVAL);
	leat_fan_close(fan);
}

/* Keys that collide in the low or the high bits must only cost time. */
Test(fan, patterns_of_keys)
{
	for (int shift = 0; shift < 60; shift += 7) {
		leat_fan *fan = squares();

		for (uint64_t n = 1; n < 2000 && n << shift >> shift == n; n++)
			cr_assert_eq(
				leat_call(fan, leat_u64(n << shift), NULL, 0),
				0);
		leat_fan_wait(fan);
		for (uint64_t n = 1; n < 2000 && n << shift >> shift == n; n++)
			cr_assert_eq(result_of(fan, leat_u64(n << shift)),
				(n << shift) * (n << shift));
		leat_fan_close(fan);
	}
}

/* Arguments */

static int sum_bytes(void *in, void *out, leat_worker *w)
{
	const unsigned char *p = in;

	(void)w;
	for (int i = 1; i <= p[0]; i++)
		*(uint64_t *)out += p[i];
	return 0;
}

Test(fan, arguments_are_copied_at_the_call)
{
	size_t rooms[] = {0, 1, 8, 50, 256};

	for (size_t r = 0; r < 5; r++) {
		leat_fan_opts opts = {.fn = sum_bytes,
			.out_size = 8,
			.in_size = rooms[r],
			.workers = 2};
		leat_fan *fan = open_fan(&opts);
		unsigned char arg[256];

		for (int n = 0; n < 256; n++) {
			memset(arg, n, sizeof(arg));
			arg[0] = (unsigned char)(n > 200 ? 200 : n);
			cr_assert_eq(leat_call(fan, leat_u64(n), arg,
					     (size_t)arg[0] + 1),
				0);
			memset(arg, 0xFF, sizeof(arg));
		}
		leat_fan_wait(fan);
		for (int n = 0; n < 256; n++)
			cr_assert_eq(result_of(fan, leat_u64(n)),
				(uint64_t)n * (n > 200 ? 200 : n));
		leat_fan_close(fan);
	}
}

static uint64_t freed;

static void free_counted(void *p)
{
	__atomic_add_fetch(&freed, 1, __ATOMIC_RELAXED);
	free(p);
}

Test(fan, arguments_passed_as_pointers_are_freed_once)
{
	for (size_t room = 0; room <= 8; room += 8) {
		leat_fan_opts opts = {.fn = square,
			.out_size = 8,
			.in_size = room,
			.workers = 2,
			.free_in = free_counted};
		leat_fan *fan = open_fan(&opts);
		uint64_t *in;

		freed = 0;
		for (uint64_t n = 0; n < 1000; n++) {
			in = malloc(sizeof(*in));
			*in = n;
			cr_assert_eq(leat_call(fan, leat_u64(n), in, 0), 0);
		}
		in = malloc(sizeof(*in));
		cr_assert_eq(leat_call(fan, leat_u64(0), in, 0), -EEXIST);
		free(in);
		leat_fan_wait(fan);
		cr_assert_eq(freed, 1000);
		cr_assert_eq(result_of(fan, leat_u64(999)), 999 * 999);
		leat_fan_close(fan);
		cr_assert_eq(freed, 1000);
	}
}

Test(fan, a_borrowed_pointer_needs_no_room_in_the_record)
{
	leat_fan *fan = squares();
	uint64_t in = 12;

	cr_assert_eq(leat_call(fan, leat_u64(1), &in, 0), 0);
	leat_fan_wait(fan);
	cr_assert_eq(result_of(fan, leat_u64(1)), 144);
	leat_fan_close(fan);
}

struct wide {
	long double x;
	char c;
};

static int align_out(void *in, void *out, leat_worker *w)
{
	(void)w;
	if ((uintptr_t)out % _Alignof(struct wide) != 0 ||
		(uintptr_t)in % _Alignof(struct wide) != 0)
		return -EFAULT;
	((struct wide *)out)->x = ((struct wide *)in)->x + 1;
	return 0;
}

Test(fan, arguments_and_outputs_are_aligned_for_any_type)
{
	leat_fan_opts opts = {.fn = align_out,
		.in_size = sizeof(struct wide),
		.out_size = sizeof(struct wide),
		.key_size = 3,
		.workers = 2};
	leat_fan *fan = open_fan(&opts);
	struct wide in = {.x = 1};

	for (int n = 0; n < 100; n++)
		cr_assert_eq(leat_call(fan, leat_u64(n), &in, sizeof(in)), 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	leat_fan_close(fan);
}

/* Where outputs go */

Test(fan, iteration_is_in_call_order)
{
	leat_fan *fan = squares();
	leat_done done = {0};
	uint64_t n = 0;

	for (uint64_t i = 0; i < 1000; i++)
		leat_call(fan, leat_u64(i * 7919 % 1000), NULL, 0);
	leat_fan_wait(fan);
	while (leat_each(fan, &done) == 0) {
		cr_assert_eq(leat_done_u64(&done), n * 7919 % 1000);
		cr_assert_eq(done.seq, n);
		n++;
	}
	cr_assert_eq(n, 1000);
	leat_fan_close(fan);
}

Test(fan, outputs_go_straight_into_slots)
{
	static uint64_t grid[30][40];
	leat_fan *fan = squares();
	void *out;

	for (uint64_t y = 0; y < 30; y++)
		for (uint64_t x = 0; x < 40; x++) {
			uint64_t in = y * 100 + x;

			cr_assert_eq(
				leat_call_into(fan, &grid[y][x], &in, 8), 0);
		}
	cr_assert_eq(leat_fan_wait(fan), 0);
	for (uint64_t y = 0; y < 30; y++)
		for (uint64_t x = 0; x < 40; x++)
			cr_assert_eq(grid[y][x], (y * 100 + x) * (y * 100 + x));
	cr_assert_eq(leat_result(fan, leat_u64((uintptr_t)&grid[1][1]), &out),
		-ENOENT);
	leat_fan_close(fan);
}

struct gated {
	struct gate gate;
	uint64_t ran;
};

/* gated squares its argument once the gate is open. */
static int gated(void *in, void *out, leat_worker *w)
{
	struct gated *g = leat_arg(w);

	__atomic_add_fetch(&g->ran, 1, __ATOMIC_RELAXED);
	if (!gate_pass(&g->gate))
		return -ETIMEDOUT;
	return square(in, out, w);
}

/* P18: what is read before the barrier is old, never torn. */
Test(fan, reading_before_the_barrier_sees_the_old_value)
{
	struct gated g = {.gate = GATE};
	leat_fan_opts opts = {
		.fn = gated, .arg = &g, .out_size = 8, .workers = 2};
	leat_call_opts to = {0};
	leat_handle *h;
	leat_fan *fan;
	uint64_t slot = 1, in = 9;
	void *out;

	fan = open_fan(&opts);
	to.slot = &slot;
	to.handle = &h;
	cr_assert_eq(leat_call_with(fan, leat_u64(1), &in, 8, &to), 0);
	cr_assert_eq(leat_call(fan, leat_u64(2), &in, 8), 0);
	cr_assert(gate_await(&g.gate, 2));
	cr_assert_eq(slot, 1);
	gate_open(&g.gate);
	cr_assert_eq(leat_handle_wait(h, NULL, leat_after(10 * LEAT_S)), 0);
	cr_assert_eq(slot, 1);
	cr_assert_eq(leat_result(fan, leat_u64(2), &out), -EAGAIN);
	cr_assert_null(out);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(slot, 81);
	cr_assert_eq(result_of(fan, leat_u64(2)), 81);

	/* In the next wave the old result is still there to be read. */
	in = 3;
	leat_call(fan, leat_u64(2), &in, 8);
	cr_assert_eq(result_of(fan, leat_u64(2)), 81);
	leat_fan_wait(fan);
	cr_assert_eq(result_of(fan, leat_u64(2)), 9);
	leat_fan_close(fan);
}

static int boxed(void *in, void *out, leat_worker *w)
{
	uint64_t **box = out;

	(void)w;
	*box = malloc(sizeof(**box));
	**box = *(uint64_t *)in;
	return 0;
}

static void free_box(void *out)
{
	free_counted(*(void **)out);
}

Test(fan, the_content_of_outputs_is_freed_once)
{
	leat_fan_opts opts = {.fn = boxed,
		.out_size = sizeof(void *),
		.workers = 2,
		.free_out = free_box};
	leat_fan *fan = open_fan(&opts);
	uint64_t *slot = NULL, in = 5;

	freed = 0;
	for (int wave = 0; wave < 3; wave++) {
		for (uint64_t n = 0; n < 100; n++)
			leat_call(fan, leat_u64(n), NULL, 0);
		leat_fan_wait(fan);
	}
	cr_assert_eq(freed, 200);
	leat_call_into(fan, &slot, &in, 8);
	leat_fan_wait(fan);
	cr_assert_eq(*slot, 5);
	free(slot);
	leat_fan_clear(fan);
	cr_assert_eq(freed, 300);
	leat_call(fan, leat_u64(1), NULL, 0);
	leat_fan_close(fan);
	cr_assert_eq(freed, 301);
}

/* Many calls are forgotten at once, few one by one, and so are those that own
 * something: that must not show. */
static void clear_waves(leat_fan *fan, leat_key (*key)(uint64_t))
{
	static const uint64_t waves[] = {1000, 3, 5000, 1, 0, 2000, 100};
	void *out;

	for (size_t i = 0; i < sizeof(waves) / sizeof(*waves); i++) {
		uint64_t first = 10000 * i, end = first + waves[i];

		for (uint64_t n = first; n < end; n++)
			leat_call(fan, key(n), &n, sizeof(n));
		leat_fan_wait(fan);
		for (uint64_t n = first; n < end; n++)
			if (n % 1000 != 999)
				cr_assert_eq(result_of(fan, key(n)), n * n);
		leat_fan_clear(fan);
		for (uint64_t n = first; n < end; n++)
			cr_assert_eq(leat_result(fan, key(n), &out), -ENOENT);
		cr_assert_eq(leat_fan_failure(fan, &(leat_done){0}), 0);
		cr_assert_eq(leat_each(fan, &(leat_done){0}), LEAT_END);
	}
}

static leat_key long_key(uint64_t n)
{
	static char text[100];

	memset(text, 'k', sizeof(text));
	snprintf(text, sizeof(text), "%80" PRIu64, n);
	return leat_str(text);
}

static int square_or_fail(void *in, void *out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)in;

	return n % 1000 == 999
		       ? leat_error(w, -EDOM, "no square for %" PRIu64, n)
		       : square(in, out, w);
}

Test(fan, clear_starts_anew)
{
	leat_fan *fan = squares();

	clear_waves(fan, leat_u64);
	leat_fan_close(fan);
}

Test(fan, clear_starts_anew_with_keys_of_its_own)
{
	leat_fan *fan = squares();

	clear_waves(fan, long_key);
	cr_assert(fan_owns_nothing(fan));
	clear_waves(fan, leat_u64);
	leat_fan_close(fan);
}

Test(fan, clear_starts_anew_after_failures)
{
	leat_fan_opts opts = {
		.fn = square_or_fail, .out_size = 8, .workers = 2};
	leat_fan *fan = open_fan(&opts);

	clear_waves(fan, leat_u64);
	cr_assert(fan_owns_nothing(fan));
	leat_fan_close(fan);
}

Test(fan, clear_forgets_results_but_not_what_is_in_flight)
{
	struct gated g = {.gate = GATE};
	leat_fan_opts opts = {
		.fn = gated, .arg = &g, .out_size = 8, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	void *out;

	gate_open(&g.gate);
	for (uint64_t n = 0; n < 100; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	leat_fan_wait(fan);
	for (uint64_t n = 50; n < 150; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	leat_fan_clear(fan);
	cr_assert_eq(leat_result(fan, leat_u64(1), &out), -ENOENT);
	cr_assert_eq(leat_result(fan, leat_u64(60), &out), -EAGAIN);
	leat_fan_wait(fan);
	for (uint64_t n = 50; n < 150; n++)
		cr_assert_eq(result_of(fan, leat_u64(n)), n * n);
	leat_fan_close(fan);
}

#define AHEAD 8 /* the queue's room, too */
#define CALLS 100

static uint64_t calls_made;

/* Each but the last ones waits for the one that is as far ahead as may be; and
 * works for so long that it is taken alone. */
static int wait_for_later(void *in, void *out, leat_worker *w)
{
	uint64_t until = leat_after(50 * LEAT_US);
	uint64_t n = *(uint64_t *)in + AHEAD;

	(void)out;
	(void)w;
	while (leat_now() < until ||
		load_acquire(&calls_made) < (n < CALLS ? n : CALLS))
		sched_yield();
	return 0;
}

/* So the two workers could use all there are. */
static void use_two_processors(void)
{
	cpu_set_t all, two;

	CPU_ZERO(&two);
	cr_assert_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	for (unsigned i = 0; i < CPU_SETSIZE && CPU_COUNT(&two) < 2; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &two);
	cr_assert_eq(sched_setaffinity(0, sizeof(two), &two), 0);
}

Test(fan, calls_may_wait_for_later_ones_that_there_is_room_for)
{
	leat_fan_opts opts = {
		.fn = wait_for_later, .queue = AHEAD, .workers = 2};
	leat_fan *fan;

	use_two_processors();
	fan = open_fan(&opts);

	for (uint64_t n = 0; n < CALLS; n++) {
		cr_assert_eq(leat_call(fan, leat_u64(n), NULL, 0), 0);
		store_release(&calls_made, n + 1);
	}
	cr_assert_eq(leat_fan_close(fan), 0);
}

/* The barrier */

Test(fan, the_barrier_is_reusable_wave_after_wave)
{
	leat_fan *fan = squares();

	for (uint64_t wave = 0; wave < 200; wave++) {
		for (uint64_t n = 0; n < 50; n++) {
			uint64_t in = wave + n;

			cr_assert_eq(leat_call(fan, leat_u64(n), &in, 8), 0);
		}
		cr_assert_eq(leat_fan_wait(fan), 0);
		for (uint64_t n = 0; n < 50; n++)
			cr_assert_eq(result_of(fan, leat_u64(n)),
				(wave + n) * (wave + n));
	}
	leat_fan_close(fan);
}

Test(fan, a_barrier_without_calls_returns_at_once)
{
	leat_fan *fan = squares();

	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_fan_wait_until(fan, 1), 0);
	leat_fan_close(fan);
}

Test(fan, the_barrier_has_a_deadline)
{
	struct gated g = {.gate = GATE};
	leat_fan_opts opts = {
		.fn = gated, .arg = &g, .out_size = 8, .workers = 1};
	leat_fan *fan = open_fan(&opts);
	uint64_t slot = 7, in = 2;

	leat_call_into(fan, &slot, &in, 8);
	cr_assert_eq(leat_fan_wait_until(fan, leat_after(LEAT_MS)), -ETIMEDOUT);
	cr_assert_eq(slot, 7);
	gate_open(&g.gate);
	cr_assert_eq(leat_fan_wait_until(fan, leat_after(10 * LEAT_S)), 0);
	cr_assert_eq(slot, 4);
	leat_fan_close(fan);
}

static int leave_by_return(leat_fan *fan, uint64_t *slot)
{
	uint64_t in = 3;

	LEAT_SYNCHRONIZED(fan)
	{
		leat_call_into(fan, slot, &in, 8);
		if (*slot == 0)
			return 1;
	}
	return 2;
}

Test(fan, leaving_a_synchronized_block_is_the_barrier)
{
	leat_fan *fan = squares();
	uint64_t slot = 0, other = 0, third = 0, in = 3;
	int rounds = 0;

	LEAT_SYNCHRONIZED(fan)
	{
		leat_call_into(fan, &other, &in, 8);
		rounds++;
	}
	cr_assert_eq(other, 9);
	cr_assert_eq(rounds, 1);
	cr_assert_eq(leave_by_return(fan, &slot), 1);
	cr_assert_eq(slot, 9);
	LEAT_SYNCHRONIZED(fan)
	{
		leat_call_into(fan, &third, &in, 8);
		if (third == 0)
			break;
		rounds++;
	}
	cr_assert_eq(third, 9);
	cr_assert_eq(rounds, 1);
	LEAT_SYNCHRONIZED(fan)
	LEAT_SYNCHRONIZED(fan)
	{
		rounds++;
	}
	cr_assert_eq(rounds, 2);
	leat_fan_close(fan);
}

Test(fan, calls_chained_on_a_result)
{
	leat_fan *fan = squares();
	leat_done done = {0};

	for (uint64_t n = 0; n < 100; n++)
		leat_call(fan, leat_pair(1, n), &n, 8);
	leat_fan_wait(fan);
	while (leat_each(fan, &done) == 0) {
		const uint64_t *key = done.key;

		if (key[0] == 1)
			cr_assert_eq(leat_call(fan, leat_pair(2, key[1]),
					     done.out, 8),
				0);
	}
	leat_fan_wait(fan);
	for (uint64_t n = 0; n < 100; n++)
		cr_assert_eq(result_of(fan, leat_pair(2, n)), n * n * n * n);
	leat_fan_close(fan);
}

/* Writes */

static uint64_t cells[10];

static int scatter(void *in, void *out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)in, mark = 1000 + n;

	(void)out;
	leat_put(w, &cells[n % 10], &n, 8);
	leat_put(w, &cells[(n + 1) % 10], &mark, 8);
	return 0;
}

Test(fan, writes_are_applied_in_call_order)
{
	leat_fan_opts opts = {.fn = scatter, .workers = 4};
	leat_fan *fan = open_fan(&opts);
	uint64_t serial[10] = {0};

	for (uint64_t n = 0; n < 1003; n++) {
		serial[n % 10] = n;
		serial[(n + 1) % 10] = 1000 + n;
		cr_assert_eq(leat_call(fan, leat_u64(n), NULL, 0), 0);
	}
	cr_assert_eq(cells[0], 0);
	leat_fan_wait(fan);
	cr_assert_arr_eq(cells, serial, sizeof(serial));
	leat_fan_close(fan);
}

struct list {
	uint64_t n, item[2000];
};

static void append(void *table, const void *value, size_t size)
{
	struct list *list = table;

	cr_assert_eq(size, 8);
	memcpy(&list->item[list->n++], value, size);
}

static int append_twice(void *in, void *out, leat_worker *w)
{
	uint64_t n = 2 * *(uint64_t *)in;

	(void)out;
	leat_apply(w, append, leat_arg(w), &n, 8);
	n++;
	return leat_apply(w, append, leat_arg(w), &n, 8);
}

/* In the original append, update and nested writes vanish silently. */
Test(fan, appends_do_not_vanish)
{
	struct list list = {0};
	leat_fan_opts opts = {.fn = append_twice, .arg = &list, .workers = 3};
	leat_fan *fan = open_fan(&opts);

	for (uint64_t n = 0; n < 1000; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	cr_assert_eq(list.n, 0);
	leat_fan_wait(fan);
	cr_assert_eq(list.n, 2000);
	for (uint64_t n = 0; n < 2000; n++)
		cr_assert_eq(list.item[n], n);
	leat_fan_close(fan);
}

/* A table in a table, of which an update overwrites several entries. */
struct nest {
	struct {
		uint64_t cell[10];
	} row[10];
};

static void update(void *table, const void *value, size_t size)
{
	uint64_t *row = table;
	uint64_t n;

	memcpy(&n, value, size);
	for (int i = 0; i < 5; i++)
		row[i] = n;
}

static int write_nested(void *in, void *out, leat_worker *w)
{
	struct nest *nest = leat_arg(w);
	uint64_t n = *(uint64_t *)in, value = n + 1;
	uint64_t *row = nest->row[n / 10].cell;

	(void)out;
	leat_apply(w, update, row, &value, 8);
	return leat_put(w, &row[n % 10], &value, 8);
}

Test(fan, updates_and_nested_writes_do_not_vanish)
{
	struct nest nest = {0}, serial = {0};
	leat_fan_opts opts = {.fn = write_nested, .arg = &nest, .workers = 3};
	leat_fan *fan = open_fan(&opts);

	for (uint64_t n = 0; n < 100; n++) {
		uint64_t *row = serial.row[n / 10].cell, value = n + 1;

		leat_call(fan, leat_u64(n), NULL, 0);
		update(row, &value, 8);
		row[n % 10] = value;
	}
	cr_assert_eq(nest.row[9].cell[9], 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(memcmp(&nest, &serial, sizeof(nest)), 0);
	leat_fan_close(fan);
}

static leat_fan *again_fan;
static int again_rc[3];

static void call_again(void *table, const void *value, size_t size)
{
	uint64_t n;

	(void)table;
	memcpy(&n, value, size);
	again_rc[0] = leat_call(again_fan, leat_u64(n + 1), NULL, 0);
	again_rc[1] = leat_fan_wait(again_fan);
	again_rc[2] = leat_fan_close(again_fan);
}

static int count_on(void *in, void *out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)in;

	*(uint64_t *)out = n;
	return n < 5 ? leat_apply(w, call_again, NULL, &n, 8) : 0;
}

Test(fan, what_the_barrier_calls_may_call_for_the_next_wave)
{
	leat_fan_opts opts = {.fn = count_on, .out_size = 8, .workers = 2};

	again_fan = open_fan(&opts);
	leat_call(again_fan, leat_u64(0), NULL, 0);
	for (uint64_t wave = 0; wave < 5; wave++) {
		cr_assert_eq(leat_fan_wait(again_fan), 0);
		cr_assert_eq(again_rc[0], 0);
		cr_assert_eq(again_rc[1], -EDEADLK);
		cr_assert_eq(again_rc[2], -EDEADLK);
		cr_assert_eq(result_of(again_fan, leat_u64(wave)), wave);
	}
	leat_fan_close(again_fan);
}

/* What is forgotten while a barrier is under way is what earlier ones have
 * made visible. Call 2 has `apply` called by the barrier, which has met a
 * failure by then. */
struct clearing {
	leat_fan *fan;
	void (*apply)(void *table, const void *value, size_t size);
	struct gate gate;
	uint64_t cell;
};

static int clear_or_apply(void *in, void *out, leat_worker *w)
{
	struct clearing *c = leat_arg(w);
	uint64_t n = *(uint64_t *)in;

	*(uint64_t *)out = n;
	if (n == 1)
		return -EIO;
	if (n == 2) {
		leat_apply(w, c->apply, c, NULL, 0);
		leat_put(w, &c->cell, &n, sizeof(n));
	}
	if (n == 3)
		leat_fan_clear(c->fan);
	return 0;
}

static void clear_now(void *table, const void *value, size_t size)
{
	struct clearing *c = table;

	(void)value;
	(void)size;
	leat_fan_clear(c->fan);
}

/* clear_by_call waits for a call that clears: so that must not wait for the
 * barrier. */
static void clear_by_call(void *table, const void *value, size_t size)
{
	struct clearing *c = table;
	leat_handle *h;
	leat_call_opts with = {.handle = &h};

	(void)value;
	(void)size;
	cr_assert_eq(leat_call_with(c->fan, leat_u64(3), NULL, 0, &with), 0);
	cr_assert_eq(leat_handle_wait(h, NULL, leat_after(10 * LEAT_S)), 0);
	leat_handle_free(h);
}

static void let_others_clear(void *table, const void *value, size_t size)
{
	struct clearing *c = table;

	(void)value;
	(void)size;
	gate_pass(&c->gate);
}

static void open_clearing(struct clearing *c, uint32_t callers)
{
	leat_fan_opts opts = {.fn = clear_or_apply,
		.arg = c,
		.out_size = 8,
		.workers = 1,
		.callers = callers};

	c->fan = open_fan(&opts);
	cr_assert_eq(leat_call(c->fan, leat_u64(0), NULL, 0), 0);
	cr_assert_eq(leat_fan_wait(c->fan), 0);
	cr_assert_eq(leat_call(c->fan, leat_u64(1), NULL, 0), 0);
	cr_assert_eq(leat_call(c->fan, leat_u64(2), NULL, 0), 0);
}

static void close_clearing(struct clearing *c)
{
	leat_done done;
	void *out;

	cr_assert_eq(leat_fan_failure(c->fan, &done), -EIO);
	cr_assert_eq(leat_done_u64(&done), 1);
	cr_assert_eq(c->cell, 2);
	cr_assert_eq(result_of(c->fan, leat_u64(2)), 2);
	cr_assert_eq(leat_result(c->fan, leat_u64(0), &out), -ENOENT);
	leat_fan_clear(c->fan);
	cr_assert_eq(leat_fan_failure(c->fan, &done), 0);
	cr_assert_eq(leat_result(c->fan, leat_u64(2), &out), -ENOENT);
	cr_assert_eq(leat_fan_close(c->fan), 0);
}

Test(fan, what_the_barrier_calls_may_clear)
{
	for (uint32_t callers = 0; callers < 2; callers++) {
		struct clearing c = {.apply = clear_now};

		open_clearing(&c, callers);
		cr_assert_eq(leat_fan_wait(c.fan), -EIO);
		close_clearing(&c);
	}
}

/* A call whose argument is how many more there are to be, each made by what the
 * barrier calls for the one before. */
struct descent {
	leat_fan *fan;
	uint64_t slot, applied;
	int code; /* of the second one */
};

static void descend(void *descent, const void *value, size_t size)
{
	struct descent *d = descent;
	uint64_t left;

	memcpy(&left, value, size);
	d->applied++;
	if (left-- > 0)
		cr_assert_eq(
			leat_call_into(d->fan, &d->slot, &left, sizeof(left)),
			0);
}

static int apply_descent(void *in, void *out, leat_worker *w)
{
	struct descent *d = leat_arg(w);
	uint64_t left = *(uint64_t *)in;

	*(uint64_t *)out = 100 + left;
	if (left == 2 && d->code != 0)
		return d->code;
	return leat_apply(w, descend, d, &left, sizeof(left));
}

Test(fan, the_close_applies_what_its_barrier_has_called)
{
	for (int code = 0; code >= -EIO; code -= EIO) {
		struct descent d = {.code = code};
		leat_fan_opts opts = {.fn = apply_descent,
			.arg = &d,
			.in_size = 8,
			.out_size = 8};
		uint64_t left = 3;

		d.fan = open_fan(&opts);
		cr_assert_eq(leat_call_into(d.fan, &d.slot, &left, 8), 0);
		cr_assert_eq(leat_fan_close(d.fan), code);
		cr_assert_eq(d.applied, code == 0 ? 4 : 1);
		cr_assert_eq(d.slot, code == 0 ? 100 : 103);
	}
}

Test(fan, what_the_barrier_calls_may_wait_for_a_call_that_clears)
{
	struct clearing c = {.apply = clear_by_call};

	open_clearing(&c, 0);
	cr_assert_eq(leat_fan_wait(c.fan), -EIO);
	close_clearing(&c);
}

static void *wait_clearing(void *clearing)
{
	struct clearing *c = clearing;

	return (void *)(intptr_t)leat_fan_wait(c->fan);
}

Test(fan, another_thread_may_clear_while_the_barrier_is_under_way)
{
	struct clearing c = {.apply = let_others_clear, .gate = GATE};
	pthread_t thread;
	void *rc;

	open_clearing(&c, 0);
	pthread_create(&thread, NULL, wait_clearing, &c);
	cr_assert(gate_await(&c.gate, 1));
	leat_fan_clear(c.fan);
	gate_open(&c.gate);
	pthread_join(thread, &rc);
	cr_assert_eq((intptr_t)rc, -EIO);
	close_clearing(&c);
}

/* No lost work */

static int count_up(void *in, void *out, leat_worker *w)
{
	(void)in;
	(void)out;
	__atomic_add_fetch((uint64_t *)leat_arg(w), 1, __ATOMIC_RELAXED);
	return 0;
}

/* In the original 2 of 6 calls ran when the program ended without a wait. */
Test(fan, closing_without_a_wait_runs_every_call)
{
	for (uint64_t n = 0; n < 100; n++) {
		uint64_t ran = 0;
		leat_fan_opts opts = {
			.fn = count_up, .arg = &ran, .workers = 3};
		leat_fan *fan = open_fan(&opts);

		for (uint64_t i = 0; i < n; i++)
			leat_call(fan, leat_u64(i), NULL, 0);
		cr_assert_eq(leat_fan_close(fan), 0);
		cr_assert_eq(ran, n);
	}
}

/* A call runs without any further deed of its caller. */
Test(fan, a_call_starts_though_nobody_waits)
{
	for (int n = 1; n < 200; n++) {
		struct gated g = {.gate = GATE};
		leat_fan_opts opts = {
			.fn = gated, .arg = &g, .out_size = 8, .workers = 2};
		leat_fan *fan = open_fan(&opts);

		gate_open(&g.gate);
		for (int i = 0; i < n; i++)
			leat_call(fan, leat_u64(i), NULL, 0);
		cr_assert(gate_await(&g.gate, n), "%d calls", n);
		leat_fan_close(fan);
	}
}

/* await_sleep waits until every worker sleeps for good: longer than a tick. */
static void await_sleep(const leat_fan *fan)
{
	uint64_t until = leat_after(10 * LEAT_S);
	uint64_t since = leat_now();
	const leat_chain *c = fan->chain;

	while (leat_now() - since < 30 * LEAT_MS) {
		if (load_acquire(&c->crew.awake) > 0 || place_watched(c->stage))
			since = leat_now();
		cr_assert_lt(since, until);
		sched_yield();
	}
}

/* Key 0 waits until key 1 has run; the others take no time. */
static int meet(void *in, void *out, leat_worker *w)
{
	struct gate *later = leat_arg(w);
	uint64_t key = *(uint64_t *)in;

	(void)out;
	if (key == 1)
		gate_open(later);
	return key != 0 || gate_pass(later) ? 0 : -ETIMEDOUT;
}

/* Calls that take no time may wait for company; yet one that is made while
 * another runs for long starts on a worker that has nothing to do: also if all
 * have slept, and it comes before the other has started. */
Test(fan, a_call_starts_though_the_ones_before_took_no_time)
{
	for (int round = 0; round < 20; round++) {
		struct gate later = GATE;
		leat_fan_opts opts = {.fn = meet, .arg = &later, .workers = 2};
		leat_fan *fan = open_fan(&opts);

		for (uint64_t n = 2; n < 5000; n++)
			cr_assert_eq(leat_call(fan, leat_u64(n), NULL, 0), 0);
		if (round % 3 > 0)
			cr_assert_eq(leat_fan_wait(fan), 0);
		if (round % 3 > 1)
			await_sleep(fan);
		cr_assert_eq(leat_call(fan, leat_u64(0), NULL, 0), 0);
		if (round % 3 < 2)
			cr_assert(gate_await(&later, 1));
		cr_assert_eq(leat_call(fan, leat_u64(1), NULL, 0), 0);
		cr_assert(gate_pass(&later), "round %d", round);
		cr_assert_eq(leat_fan_close(fan), 0);
	}
}

/* Throttle */

static int busiest(void *in, void *out, leat_worker *w)
{
	struct {
		uint64_t now, most;
	} *c = leat_arg(w);
	uint64_t now = __atomic_add_fetch(&c->now, 1, __ATOMIC_SEQ_CST);
	uint64_t most = __atomic_load_n(&c->most, __ATOMIC_SEQ_CST);

	(void)in;
	(void)out;
	while (now > most && !__atomic_compare_exchange_n(&c->most, &most, now,
				     0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	for (int i = 0; i < 1000; i++)
		__asm__ volatile("");
	__atomic_sub_fetch(&c->now, 1, __ATOMIC_SEQ_CST);
	return 0;
}

Test(fan, five_workers_means_five_at_a_time)
{
	uint64_t counts[2] = {0};
	struct gated g = {.gate = GATE};
	leat_fan_opts opts = {.fn = busiest, .arg = counts, .workers = 5};
	leat_fan *fan = open_fan(&opts);

	for (uint64_t n = 0; n < 20000; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	leat_fan_close(fan);
	cr_assert_leq(counts[1], 5);

	opts = (leat_fan_opts){
		.fn = gated, .arg = &g, .out_size = 8, .workers = 5};
	fan = open_fan(&opts);
	for (uint64_t n = 0; n < 20; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	cr_assert(gate_await(&g.gate, 5));
	cr_assert_eq(gate_arrived(&g.gate), 5);
	gate_open(&g.gate);
	leat_fan_close(fan);
}

Test(fan, trycall_says_so_when_the_queue_is_full)
{
	for (uint32_t queue = 1; queue < 200; queue = queue * 3 + 1) {
		struct gated g = {.gate = GATE};
		leat_fan_opts opts = {.fn = gated,
			.arg = &g,
			.out_size = 8,
			.workers = 1,
			.queue = queue};
		leat_call_opts until = {.deadline = leat_after(LEAT_MS)};
		leat_fan *fan = open_fan(&opts);
		uint64_t n = 0;
		leat_key key;

		leat_call(fan, leat_u64(n++), NULL, 0);
		cr_assert(gate_await(&g.gate, 1));
		while (n <= queue)
			cr_assert_eq(
				leat_trycall(fan, leat_u64(n++), NULL, 0), 0);
		cr_assert_eq(leat_trycall(fan, leat_u64(n), NULL, 0), -EAGAIN);
		key = leat_u64(n);
		cr_assert_eq(leat_call_by(fan, &key, NULL, 0, 0), -EAGAIN);
		cr_assert_eq(leat_call_by(fan, &key, NULL, 0, leat_after(1)),
			-ETIMEDOUT);
		cr_assert_eq(leat_call_with(fan, leat_u64(n), NULL, 0, &until),
			-ETIMEDOUT);
		gate_open(&g.gate);
		cr_assert_eq(leat_call(fan, leat_u64(n), NULL, 0), 0);
		cr_assert_eq(leat_fan_wait(fan), 0);
		cr_assert_eq(result_of(fan, leat_u64(n)), n * n);
		leat_fan_close(fan);
	}
}

Test(fan, a_full_queue_blocks_the_caller)
{
	leat_fan_opts opts = {
		.fn = square, .out_size = 8, .workers = 2, .queue = 1};
	leat_fan *fan = open_fan(&opts);

	for (uint64_t n = 0; n < 5000; n++)
		cr_assert_eq(leat_call(fan, leat_u64(n), NULL, 0), 0);
	leat_fan_wait(fan);
	for (uint64_t n = 0; n < 5000; n++)
		cr_assert_eq(result_of(fan, leat_u64(n)), n * n);
	leat_fan_close(fan);
}

/* Opening */

static uint64_t opened, closed;

static int open_state(void **state, leat_worker *w)
{
	__atomic_add_fetch(&opened, 1, __ATOMIC_RELAXED);
	*state = malloc(sizeof(uint64_t));
	*(uint64_t *)*state = leat_index(w);
	return 0;
}

static void close_state(void *state)
{
	__atomic_add_fetch(&closed, 1, __ATOMIC_RELAXED);
	free(state);
}

static int use_state(void *in, void *out, leat_worker *w)
{
	(void)in;
	*(uint64_t *)out = *(uint64_t *)leat_state(w) == leat_index(w);
	return 0;
}

Test(fan, every_worker_has_its_state)
{
	leat_fan_opts opts = {.fn = use_state,
		.out_size = 8,
		.workers = 3,
		.open = open_state,
		.close = close_state};
	leat_fan *fan = open_fan(&opts);

	cr_assert_eq(opened, 3);
	for (uint64_t n = 0; n < 100; n++)
		leat_call(fan, leat_u64(n), NULL, 0);
	leat_fan_wait(fan);
	for (uint64_t n = 0; n < 100; n++)
		cr_assert_eq(result_of(fan, leat_u64(n)), 1);
	leat_fan_close(fan);
	cr_assert_eq(closed, 3);
}

/* Each open counts; that the processors are counted right has tests of its
 * own. */
Test(fan, without_a_number_every_processor_has_a_worker)
{
	leat_fan_opts opts = {.fn = use_state,
		.out_size = 8,
		.open = open_state,
		.close = close_state};
	leat_fan *fan = open_fan(&opts);

	cr_assert_eq(opened, cpus_usable());
	leat_fan_close(fan);
	cr_assert_eq(closed, cpus_usable());
}

static int open_fails(void **state, leat_worker *w)
{
	(void)state;
	return leat_error(w, -EIO, "no disk");
}

Test(fan, bad_options_are_refused_with_a_reason)
{
	leat_report report;
	leat_fan_opts opts = {.report = &report};
	leat_fan *fan;

	cr_assert_eq(leat_fan_open(&fan, &opts), LEAT_EFN);
	cr_assert_null(fan);
	cr_assert_str_not_empty(report.text);
	opts.fn = square;
	opts.flags = 64;
	cr_assert_eq(leat_fan_open(&fan, &opts), LEAT_EFLAGS);
	opts.flags = 0;
	opts.out_size = (size_t)1 << 40;
	cr_assert_eq(leat_fan_open(&fan, &opts), LEAT_ESIZE);
	opts.out_size = 8;
	opts.open = open_fails;
	cr_assert_eq(leat_fan_open(&fan, &opts), -EIO);
	cr_assert_str_eq(report.text, "no disk");
	opts.open = NULL;
	cr_assert_eq(leat_fan_open(&fan, NULL), -EINVAL);
	cr_assert_eq(leat_fan_open(NULL, &opts), -EINVAL);
	cr_assert_eq(leat_fan_open(&fan, &opts), 0);
	cr_assert_eq(report.code, 0);
	cr_assert_eq(leat_fan_close(fan), 0);
	cr_assert_eq(leat_fan_close(NULL), 0);
}

/* The size that is too large is named, and so is what it may be. */
static void check_size(leat_fan_opts opts, const char *name, const char *most)
{
	leat_report report;
	leat_fan *fan;

	opts.fn = square;
	opts.report = &report;
	cr_assert_eq(leat_fan_open(&fan, &opts), LEAT_ESIZE);
	cr_assert_eq(
		strncmp(report.text, name, strlen(name)), 0, "%s", report.text);
	cr_assert_not_null(strstr(report.text, most), "%s", report.text);
}

Test(fan, a_size_that_is_too_large_is_named)
{
	size_t most = ((size_t)1 << 30) - 1;

	check_size((leat_fan_opts){.out_size = most + 1},
		"out_size:", "1073741823");
	check_size(
		(leat_fan_opts){.in_size = SIZE_MAX}, "in_size:", "1073741823");
	check_size((leat_fan_opts){.key_size = 65536}, "key_size:", "65535");
}

Test(fan, older_and_newer_options)
{
	struct {
		leat_fan_opts known;
		uint64_t unknown;
	} newer = {{.fn = square, .out_size = 8}, 0};
	leat_fan *fan;

	cr_assert_eq(leat_fan_open_sized(&fan, &newer.known, sizeof(newer)), 0);
	leat_fan_close(fan);
	newer.unknown = 1;
	cr_assert_eq(
		leat_fan_open_sized(&fan, &newer.known, sizeof(newer)), -E2BIG);
	cr_assert_eq(leat_fan_open_sized(&fan, &newer.known, 24), 0);
	leat_fan_close(fan);
}

static int no_output(void *in, void *out, leat_worker *w)
{
	(void)in;
	(void)w;
	return out == NULL ? 0 : -EINVAL;
}

Test(fan, a_fan_without_outputs)
{
	leat_fan_opts opts = {.fn = no_output, .workers = 2};
	leat_fan *fan = open_fan(&opts);
	void *out = &out;

	leat_call(fan, leat_u64(1), NULL, 0);
	cr_assert_eq(leat_fan_wait(fan), 0);
	cr_assert_eq(leat_result(fan, leat_u64(1), &out), 0);
	cr_assert_null(out);
	leat_fan_close(fan);
}

static int key_back(void *in, void *out, leat_worker *w)
{
	size_t size;
	const void *key = leat_call_key(w, &size);

	(void)in;
	memcpy(out, key, size);
	return size == 8 ? 0 : -EINVAL;
}

Test(fan, a_call_knows_its_key)
{
	leat_fan_opts opts = {.fn = key_back, .out_size = 8, .in_size = 4};
	leat_fan *fan = open_fan(&opts);

	for (uint64_t n = 0; n < 100; n++)
		leat_call(fan, leat_u64(n), "arg", 4);
	cr_assert_eq(leat_fan_wait(fan), 0);
	for (uint64_t n = 0; n < 100; n++)
		cr_assert_eq(result_of(fan, leat_u64(n)), n);
	leat_fan_close(fan);
}

/* An output is all zeroes at the start of each attempt. */
static int dirty(void *in, void *out, leat_worker *w)
{
	unsigned char *p = out;

	(void)in;
	for (int i = 0; i < 100; i++)
		if (p[i] != 0)
			return -EINVAL;
	memset(p, 0xAA, 100);
	return leat_attempt(w) == 2 ? 0 : -EAGAIN;
}

Test(fan, outputs_begin_as_zeroes)
{
	leat_fan_opts opts = {
		.fn = dirty, .out_size = 100, .workers = 2, .retries = 2};
	leat_fan *fan = open_fan(&opts);

	for (int wave = 0; wave < 3; wave++) {
		for (uint64_t n = 0; n < 100; n++)
			leat_call(fan, leat_u64(n), NULL, 0);
		cr_assert_eq(leat_fan_wait(fan), 0);
	}
	leat_fan_close(fan);
}
