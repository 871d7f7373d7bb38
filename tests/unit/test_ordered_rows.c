/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows with LEAT_ORDERED, and rows with a key, against the serial loop. */
#include "stages/chain.h"
#include "tests/unit/unit.h"

/*
 * What a row makes of an item depends on the item alone: nothing, itself,
 * a new one or several; it may be skewed, fail once, or fail for good.
 */
struct mixture {
	bool drop, make, emit, skew, fail, once;
};

static uint64_t mixed(uint64_t n)
{
	n = (n ^ (n >> 31)) * UINT64_C(0x7fb5d329728ea185);
	return n ^ (n >> 27);
}

/* The serial loop: what becomes of item n, in order. Returns how many. */
static size_t serial(const struct mixture *m, uint64_t n, uint64_t *out)
{
	uint64_t r = mixed(n);
	size_t k = 0;

	if (m->fail && r % 11 == 0)
		return 0;
	if (m->emit && r % 7 == 0)
		for (uint64_t i = 0; i < r % 300; i++)
			out[k++] = 1000 * n + i;
	if (m->drop && r % 3 == 0)
		return k;
	out[k++] = m->make && r % 2 ? 2 * n : n;
	return k;
}

static void spend(uint64_t r)
{
	uint64_t until = leat_after(r % 50 == 0 ? 300 * LEAT_US : 0);

	while (leat_now() < until)
		;
}

/* The same as a stage function, on items. */
static int parallel(void *in, void **out, leat_worker *w)
{
	const struct mixture *m = leat_arg(w);
	uint64_t n = item_n(in), r = mixed(n);
	uint64_t list[310];
	size_t k;

	if (m->skew)
		spend(r);
	if (m->once && r % 5 == 0 && leat_attempt(w) == 0) {
		leat_emit(w, item_make(1));
		return -EAGAIN;
	}
	if (m->fail && r % 11 == 0)
		return -EIO;
	k = serial(m, n, list);
	if (k > 0 && list[k - 1] == n && !(m->drop && r % 3 == 0)) {
		*out = in;
		k--;
	} else if (k > 0 && !(m->drop && r % 3 == 0)) {
		*out = item_make(list[--k]);
	}
	for (size_t i = 0; i < k; i++)
		leat_emit(w, item_make(list[i]));
	return m->drop && r % 3 == 0 ? LEAT_DROP : 0;
}

static void feed(void *arg, size_t i)
{
	leat_chain *c = arg;

	(void)i;
	for (uint64_t n = 0; n < 1000; n++)
		check(leat_push(c, item_make(n)) == 0);
	leat_end(c);
}

/* compare pulls everything and compares it with the serial loop. */
static void compare(leat_chain *c, const struct mixture *m)
{
	uint64_t list[310];
	void *item;

	for (uint64_t n = 0; n < 1000; n++) {
		size_t k = serial(m, n, list);

		for (size_t i = 0; i < k; i++) {
			cr_assert_eq(leat_pull(c, &item), 0);
			cr_assert_eq(item_n(item), list[i]);
			item_free(item);
		}
	}
	cr_assert_eq(leat_pull(c, &item), LEAT_END);
}

static void ordered(struct mixture m, uint32_t workers, uint32_t queue)
{
	leat_stage row = {.name = "a",
		.fn = parallel,
		.arg = &m,
		.workers = workers,
		.queue = queue,
		.flags = LEAT_ORDERED,
		.on_error = LEAT_SKIP,
		.retries = m.once,
		.backoff_ns = m.once ? 20 * LEAT_US : 0};
	leat_chain *c = single(row, 16);
	struct threads t;

	threads_start(&t, 1, feed, c);
	compare(c, &m);
	threads_join(&t);
	cr_assert_eq(chain_close(c), m.fail ? -EIO : 0);
	cr_assert_eq(items_alive(), 0);
}

static void ordered_matrix(struct mixture m)
{
	static const uint32_t workers[] = {1, 2, 7};
	static const uint32_t queues[] = {1, 2, 64};

	EACH(w, workers) EACH(q, queues)
	{
		ordered(m, workers[w], queues[q]);
	}
}

TEST(ordered, under_skewed_work)
{
	ordered_matrix((struct mixture){.skew = true});
}

TEST(ordered, when_items_are_dropped)
{
	ordered_matrix((struct mixture){.drop = true});
}

TEST(ordered, when_items_fail)
{
	ordered_matrix((struct mixture){.fail = true, .skew = true});
}

TEST(ordered, when_items_emit_more_than_the_window_holds)
{
	ordered_matrix((struct mixture){.emit = true, .make = true});
}

TEST(ordered, when_items_are_retried)
{
	ordered_matrix((struct mixture){.once = true});
}

TEST(ordered, with_everything_at_once)
{
	ordered_matrix((struct mixture){
		.drop = true,
		.make = true,
		.emit = true,
		.skew = true,
		.fail = true,
		.once = true,
	});
}

TEST(ordered, from_end_to_end_when_every_row_says_so)
{
	struct mixture m = {.skew = true};
	leat_stage rows[4];
	leat_opts opts = {.free_in = item_free, .results = 5};
	static const char *const names[] = {"a", "b", "c", "d"};
	leat_chain *c;
	struct threads t;

	EACH(i, rows)
	{
		rows[i] = (leat_stage){.name = names[i],
			.fn = parallel,
			.arg = &m,
			.workers = 3,
			.queue = 4,
			.flags = LEAT_ORDERED};
	}
	c = open_chain(rows, 4, &opts);
	threads_start(&t, 1, feed, c);
	compare(c, &m);
	threads_join(&t);
	cr_assert_eq(chain_close(c), 0);
}

TEST(ordered, cancel_at_any_moment_frees_what_is_laid_down)
{
	for (uint64_t round = 0; round < 60; round++) {
		struct mixture m = {.skew = true, .emit = true, .make = true};
		leat_stage row = {.name = "a",
			.fn = parallel,
			.arg = &m,
			.workers = 5,
			.flags = LEAT_ORDERED};
		leat_chain *c = single(row, 8);
		void *item;

		push_items(c, 0, 200);
		for (uint64_t i = 0; i < round; i++) {
			cr_assert_eq(leat_pull(c, &item), 0);
			item_free(item);
		}
		leat_cancel(c);
		chain_rest(c);
		cr_assert_eq(chain_close(c), -ECANCELED);
		cr_assert_eq(items_alive(), 0);
	}
}

/* Keys */

#define KEYS 37

struct keyed {
	uint32_t worker[KEYS]; /* 1 + which worker has the key */
	uint64_t next[KEYS];   /* what comes next of it */
	uint64_t n;
};

static uint64_t key_of(const void *item, void *arg)
{
	(void)arg;
	return item_n(item) % KEYS;
}

static int keep_to_key(void *in, void **out, leat_worker *w)
{
	struct keyed *k = leat_arg(w);
	uint64_t key = item_n(in) % KEYS, n = item_n(in) / KEYS;
	uint32_t me = 1 + leat_index(w);

	if (mixed(item_n(in)) % 7 == 0 && leat_attempt(w) == 0)
		return -EAGAIN;
	check(k->worker[key] == 0 || k->worker[key] == me);
	k->worker[key] = me;
	check(n == k->next[key]);
	k->next[key] = n + 1;
	count_up(&k->n);
	*out = in;
	return 0;
}

static void keyed_chain(
	size_t before, uint32_t workers, uint32_t queue, uint32_t retries)
{
	struct keyed k = {.n = 0};
	leat_stage rows[2] = {
		{.name = "before", .fn = pass, .workers = 1},
		{.name = "keyed",
			.fn = keep_to_key,
			.arg = &k,
			.key = key_of,
			.workers = workers,
			.queue = queue,
			.retries = retries,
			.backoff_ns = 30 * LEAT_US},
	};
	leat_opts opts = {.free_in = item_free};
	leat_chain *c = open_chain(rows + 1 - before, 1 + before, &opts);

	push_items(c, 0, KEYS * 50);
	cr_assert_eq(chain_close(c), 0);
	cr_assert_eq(k.n, KEYS * 50);
	for (int i = 0; i < KEYS; i++)
		cr_assert_eq(k.next[i], 50);
}

TEST(keyed, equal_keys_go_to_one_worker_in_order)
{
	static const uint32_t workers[] = {1, 2, 7};
	static const uint32_t queues[] = {1, 2, 64};

	for (size_t before = 0; before < 2; before++) {
		EACH(w, workers) EACH(q, queues)
		{
			keyed_chain(before, workers[w], queues[q], 1);
		}
	}
}

TEST(keyed, the_queue_is_shared_out_and_rounded_up)
{
	leat_stage row = {.name = "a",
		.fn = pass,
		.key = key_of,
		.workers = 3,
		.queue = 10};
	leat_chain *c = single(row, 0);
	leat_counts s;

	leat_stats(c, &s, 1);
	cr_assert_eq(s.capacity, 12);
	cr_assert_eq(chain_close(c), 0);
}

TEST(keyed, bulk_pushes_keep_the_order_of_each_key)
{
	struct keyed k = {.n = 0};
	leat_stage row = {.name = "a",
		.fn = keep_to_key,
		.arg = &k,
		.key = key_of,
		.retries = 1,
		.workers = 5,
		.queue = 9};
	leat_chain *c = single(row, 0);
	void *items[KEYS * 20];
	size_t n;

	EACH(i, items)
	{
		items[i] = item_make(i);
	}
	cr_assert_eq(leat_pushn(c, items, KEYS * 20, &n), 0);
	cr_assert_eq(n, KEYS * 20);
	cr_assert_eq(leat_wait(c), 0);
	cr_assert_eq(k.n, KEYS * 20);
	cr_assert_eq(chain_close(c), 0);
}

/* A pushn that is refused half-way says how many went in. */
TEST(keyed, a_bulk_push_into_an_ended_chain_keeps_nothing)
{
	leat_stage row = {.name = "a", .fn = pass, .key = key_of, .workers = 3};
	leat_chain *c = single(row, 0);
	void *item = item_make(1);
	size_t n = 9;

	leat_end(c);
	cr_assert_eq(leat_pushn(c, &item, 1, &n), -EPIPE);
	cr_assert_eq(n, 0);
	item_free(item);
	cr_assert_eq(chain_close(c), 0);
}

TEST(keyed, cancel_at_any_moment_frees_what_waits)
{
	for (uint64_t round = 0; round < 60; round++) {
		struct keyed k = {.n = 0};
		leat_stage rows[2] = {
			{.name = "before", .fn = pass, .workers = 1},
			{.name = "keyed",
				.fn = keep_to_key,
				.arg = &k,
				.key = key_of,
				.workers = 3,
				.queue = 3,
				.retries = 1,
				.backoff_ns = 100 * LEAT_US},
		};
		leat_opts opts = {.free_in = item_free};
		leat_chain *c = open_chain(rows, 2, &opts);

		push_items(c, 0, 100 + round);
		leat_cancel(c);
		cr_assert_eq(chain_close(c), -ECANCELED);
		cr_assert_eq(items_alive(), 0);
	}
}
