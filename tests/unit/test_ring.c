/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring: exact capacity, laps, bulk, end, in all four variants. */
#include "queues/ring.h"
#include "tests/unit/unit.h"

#define NO_LIMIT UINT64_MAX

static const unsigned sides[] = {0, RING_SP, RING_SC, RING_SPSC};
static const uint64_t capacities[] = {1, 2, 3, 5, 7, 64, 100, 1000, 1024};

/* start_at makes an empty ring whose next position is pos. */
static struct ring start_at(uint64_t capacity, unsigned side, uint64_t pos)
{
	struct ring r;

	cr_assert_eq(ring_init(&r, capacity, side), 0);
	r.tail = r.head = r.free_to = r.full_to = pos;
	for (uint64_t p = pos; side != RING_SPSC && p <= pos + r.mask; p++)
		r.turn[p & r.mask] = ring_free(&r, p);
	return r;
}

static bool push(struct ring *r, uint64_t n)
{
	void *item = item_raw(n);

	return ring_push(r, &item, 1) == 1;
}

/* pop_is: the next item is n, at that position. */
static bool pop_is(struct ring *r, uint64_t n, uint64_t at)
{
	void *item = NULL;
	uint64_t pos = 0;

	return ring_pop(r, &item, 1, NO_LIMIT, &pos) == 1 && pos == at &&
	       item == item_raw(n);
}

static bool is_empty(struct ring *r)
{
	void *item;
	uint64_t pos;

	return !ring_readable(r, NO_LIMIT) &&
	       ring_pop(r, &item, 1, NO_LIMIT, &pos) == 0;
}

static bool is_full(struct ring *r)
{
	return !ring_writable(r) && !push(r, 0);
}

/* fill_and_drain takes the ring once through: n items fit, in order. */
static void fill_and_drain(struct ring *r, uint64_t first)
{
	uint64_t n = r->capacity;

	cr_assert(is_empty(r));
	for (uint64_t i = 0; i < n; i++) {
		cr_assert(ring_writable(r));
		cr_assert(push(r, first + i));
	}
	cr_assert(is_full(r));
	for (uint64_t i = 0; i < n; i++) {
		cr_assert(ring_readable(r, NO_LIMIT));
		cr_assert(pop_is(r, first + i, first + i));
	}
	cr_assert(is_empty(r));
}

static void laps_from(uint64_t pos)
{
	EACH(c, capacities) EACH(s, sides)
	{
		struct ring r = start_at(capacities[c], sides[s], pos);

		for (uint64_t lap = 0; lap < 4; lap++)
			fill_and_drain(&r, pos + lap * capacities[c]);
		ring_fini(&r);
	}
}

TEST(ring, capacity_is_exact)
{
	laps_from(0);
}

TEST(ring, positions_cross_two_to_the_thirty_second)
{
	laps_from((UINT64_C(1) << 32) - 70);
	laps_from((UINT64_C(1) << 33) - 3);
}

TEST(ring, positions_cross_borders_of_laps)
{
	for (uint64_t pos = 0; pos < 20; pos++)
		laps_from(pos);
	laps_from((UINT64_C(1) << 62) - 5);
}

TEST(ring, one_in_one_out_for_many_laps)
{
	EACH(c, capacities) EACH(s, sides)
	{
		struct ring r = start_at(capacities[c], sides[s], 0);

		for (uint64_t i = 0; i < 5000; i++) {
			cr_assert(push(&r, i));
			cr_assert(pop_is(&r, i, i));
		}
		cr_assert(is_empty(&r));
		ring_fini(&r);
	}
}

/* push_many and pop_many move as many of n as go, and return how many. */
static size_t push_many(struct ring *r, uint64_t first, size_t n)
{
	void *items[2100];

	for (size_t i = 0; i < n; i++)
		items[i] = item_raw(first + i);
	return ring_push(r, items, n);
}

static size_t pop_many(struct ring *r, uint64_t first, size_t n)
{
	void *items[2100];
	uint64_t pos = first;
	size_t k = ring_pop(r, items, n, NO_LIMIT, &pos);

	cr_assert_eq(pos, first);
	for (size_t i = 0; i < k; i++)
		cr_assert_eq(items[i], item_raw(first + i));
	return k;
}

TEST(ring, bulk_of_none_of_more_than_is_there_and_of_more_than_fits)
{
	EACH(c, capacities) EACH(s, sides)
	{
		size_t n = capacities[c];
		struct ring r = start_at(n, sides[s], 0);

		cr_assert_eq(push_many(&r, 0, 0), 0);
		cr_assert_eq(pop_many(&r, 0, 0), 0);
		cr_assert_eq(push_many(&r, 0, n + 1), n);
		cr_assert(is_full(&r));
		cr_assert_eq(push_many(&r, n, 1), 0);
		cr_assert_eq(pop_many(&r, 0, n + 1000), n);
		cr_assert(is_empty(&r));
		ring_fini(&r);
	}
}

TEST(ring, bulks_of_random_sizes_keep_the_order)
{
	EACH(c, capacities) EACH(s, sides)
	{
		struct ring r = start_at(capacities[c], sides[s], 0);
		uint64_t in = 0, out = 0, seed = 77 + c;

		for (int i = 0; i < 2000; i++) {
			size_t n = next_random(&seed) % 1100;

			in += push_many(&r, in, n);
			cr_assert_leq(in - out, capacities[c]);
			n = next_random(&seed) % 1100;
			out += pop_many(&r, out, n);
		}
		out += pop_many(&r, out, 2000);
		cr_assert_eq(in, out);
		ring_fini(&r);
	}
}

TEST(ring, end_refuses_pushes_and_drains_exactly)
{
	EACH(c, capacities) EACH(s, sides)
	{
		uint64_t n = capacities[c] / 2;
		struct ring r = start_at(capacities[c], sides[s], 0);
		void *item = NULL;

		cr_assert_eq(push_many(&r, 0, n), n);
		cr_assert_not(ring_drained(&r));
		ring_end(&r);
		ring_end(&r);
		cr_assert_eq(ring_push(&r, &item, 1), RING_OVER);
		cr_assert(ring_writable(&r), "an end is found by writing");
		cr_assert_eq(ring_tail(&r), n);
		for (uint64_t i = 0; i < n; i++) {
			cr_assert_not(ring_drained(&r));
			cr_assert(pop_is(&r, i, i));
		}
		cr_assert(ring_drained(&r));
		cr_assert(is_empty(&r));
		ring_fini(&r);
	}
}

TEST(ring, a_limit_holds_consumers_back)
{
	EACH(s, sides)
	{
		struct ring r = start_at(8, sides[s], 0);
		void *items[8];
		uint64_t pos;

		push_many(&r, 0, 8);
		cr_assert_not(ring_readable(&r, 0));
		cr_assert_eq(ring_pop(&r, items, 8, 0, &pos), 0);
		cr_assert(ring_readable(&r, 1));
		cr_assert_eq(ring_pop(&r, items, 8, 3, &pos), 3);
		cr_assert_not(ring_readable(&r, 3));
		cr_assert_eq(ring_pop(&r, items, 8, 3, &pos), 0);
		cr_assert_eq(ring_pop(&r, items, 8, 9, &pos), 5);
		cr_assert_eq(pos, 3);
		ring_fini(&r);
	}
}

/* A producer that was stopped between its claim and its publication. */
TEST(ring, an_item_published_late_holds_back_those_behind_it)
{
	struct ring r = start_at(4, 0, 0);

	r.tail = 1;
	cr_assert(push(&r, 1));
	cr_assert(is_empty(&r));
	r.item[0] = item_raw(0);
	store_release_8(&r.turn[0], 1);
	cr_assert(pop_is(&r, 0, 0));
	cr_assert(pop_is(&r, 1, 1));
	ring_fini(&r);
}

/* A consumer that was stopped between its claim and the release, at the wrap:
 * a producer reports "full", though there is room behind that slot. */
TEST(ring, a_slot_released_late_is_full)
{
	struct ring r = start_at(4, 0, 0);

	push_many(&r, 0, 4);
	r.head = 1;
	cr_assert(pop_is(&r, 1, 1));
	cr_assert(is_full(&r));
	store_release_8(&r.turn[0], 2);
	cr_assert_eq(push_many(&r, 4, 4), 2);
	cr_assert(pop_is(&r, 2, 2));
	cr_assert(pop_is(&r, 3, 3));
	cr_assert(pop_is(&r, 4, 4));
	cr_assert(pop_is(&r, 5, 5));
	ring_fini(&r);
}

/* A producer's copy of the head may be old, but never makes it say "full". */
TEST(ring, full_is_never_reported_from_an_old_copy_of_the_head)
{
	EACH(s, sides)
	{
		struct ring r = start_at(3, sides[s], 0);

		push_many(&r, 0, 3);
		cr_assert(is_full(&r));
		cr_assert(pop_is(&r, 0, 0));
		cr_assert(push(&r, 3));
		cr_assert(is_full(&r));
		ring_fini(&r);
	}
}

TEST(ring, null_is_an_item)
{
	EACH(s, sides)
	{
		struct ring r = start_at(2, sides[s], 0);

		cr_assert(push(&r, 0));
		cr_assert(ring_readable(&r, NO_LIMIT));
		cr_assert(pop_is(&r, 0, 0));
		ring_fini(&r);
	}
}

TEST(ring, depth_is_sampled_and_never_above_the_capacity)
{
	EACH(s, sides)
	{
		struct ring r = start_at(10, sides[s], 0);
		uint64_t pos = 0;

		for (int i = 0; i < 1000; i++) {
			pos += push_many(&r, pos, 7) - 7;
			cr_assert_eq(pop_many(&r, pos, 7), 7);
			pos += 7;
		}
		cr_assert_eq(r.high, 7);
		ring_fini(&r);
	}
}

TEST(ring, no_memory_is_said)
{
	EACH(s, sides)
	{
		struct ring r;

		if (!limit_memory(1 << 20))
			cr_skip_test("sanitizers need the memory");
		cr_assert_eq(ring_init(&r, 1 << 24, sides[s]), -ENOMEM);
		unlimit_memory();
	}
}

struct race {
	struct ring ring;
	uint64_t taken;
	struct bits seen;
};

#define RACED	 20000
#define PRODUCER UINT64_C(1000000)

static void race_push(struct race *r, uint64_t who)
{
	for (uint64_t i = 0; i < RACED;) {
		void *items[3];
		size_t n = RACED - i < 3 ? RACED - i : 3;

		for (size_t k = 0; k < n; k++)
			items[k] = item_raw(who * PRODUCER + i + k);
		n = ring_push(&r->ring, items, n);
		if (n == 0)
			sched_yield();
		i += n;
	}
}

static void race_pop(struct race *r)
{
	uint64_t next[2] = {0, 0};
	void *items[5];
	uint64_t pos;

	while (look(&r->taken) < 2 * RACED) {
		size_t n = ring_pop(&r->ring, items, 5, NO_LIMIT, &pos);

		if (n == 0)
			sched_yield();
		__atomic_fetch_add(&r->taken, n, __ATOMIC_SEQ_CST);
		for (size_t i = 0; i < n; i++) {
			uint64_t who = (uintptr_t)items[i] / PRODUCER;
			uint64_t k = (uintptr_t)items[i] % PRODUCER;

			check(k >= next[who]);
			next[who] = k + 1;
			bits_set(&r->seen, who * RACED + k);
		}
	}
}

static void race_body(void *arg, size_t i)
{
	if (i < 2)
		race_push(arg, i);
	else
		race_pop(arg);
}

TEST(ring, two_producers_and_two_consumers_lose_and_double_nothing)
{
	static const uint64_t sizes[] = {1, 2, 3, 7, 64};

	EACH(i, sizes)
	{
		struct race r = {.ring = start_at(sizes[i], 0, 0),
			.seen = bits_open(2 * RACED)};

		with_threads(4, race_body, &r);
		bits_close_full(&r.seen);
		cr_assert(is_empty(&r.ring));
		ring_fini(&r.ring);
	}
}
