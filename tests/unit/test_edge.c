/* SPDX-License-Identifier: BSD-2-Clause */
/* Edges: one queue or several, partitions, what a cancelled one refuses. */
#include "stages/edge.h"
#include "tests/unit/unit.h"

static uint64_t key_of(const void *item, void *arg)
{
	return item_n(item) % *(uint64_t *)arg;
}

static uint64_t keys = 10;

static void open_edge(struct edge *e, uint32_t queues, uint64_t capacity)
{
	struct edge_opts opts = {.queues = queues, .capacity = capacity};

	*e = (struct edge){
		.key = key_of, .key_arg = &keys, .free_item = item_free};
	cr_assert_eq(edge_open(e, &opts), 0);
	cr_assert_eq(e->n, queues);
}

TEST(edge, equal_keys_go_to_the_same_queue)
{
	struct edge e;
	leat_queue *of[10] = {NULL};

	open_edge(&e, 7, 100);
	for (uint64_t i = 0; i < 500; i++) {
		void *item = item_make(i);
		leat_queue *q = edge_queue(&e, item);

		cr_assert(of[i % 10] == NULL || of[i % 10] == q);
		of[i % 10] = q;
		item_free(item);
	}
	edge_close(&e);
}

TEST(edge, different_keys_are_spread)
{
	static const uint64_t steps[] = {1, 2, 8, 64, 4096, 1 << 20};
	uint64_t many = UINT64_MAX;

	EACH(s, steps)
	{
		struct edge e;
		uint64_t n[8] = {0};

		open_edge(&e, 8, 1);
		e.key_arg = &many;
		for (uint64_t i = 0; i < 800; i++) {
			void *item = item_make(i * steps[s]);
			leat_queue *q = edge_queue(&e, item);

			for (int k = 0; k < 8; k++)
				n[k] += e.queue[k] == q;
			item_free(item);
		}
		for (int k = 0; k < 8; k++)
			cr_assert(n[k] > 50 && n[k] < 150, "%lu", n[k]);
		edge_close(&e);
	}
}

static void give_items(struct edge *e, uint64_t n, size_t given)
{
	void **items = calloc(n, sizeof(*items));
	struct wait w = {0};

	cr_assert_not_null(items);
	for (uint64_t i = 0; i < n; i++)
		items[i] = item_make(i);
	cr_assert_eq(edge_give(e, items, n, &w), given);
	free(items);
}

TEST(edge, items_given_at_once_keep_the_order_of_each_key)
{
	struct edge e;
	uint64_t next[10];
	uint64_t n = 0;

	open_edge(&e, 4, 1000);
	for (uint64_t i = 0; i < 10; i++)
		next[i] = i;
	give_items(&e, 1000, 1000);
	for (uint32_t i = 0; i < 4; i++) {
		void *item;

		while (leat_queue_trypop(e.queue[i], &item) == 0) {
			uint64_t k = item_n(item);

			cr_assert_eq(k, next[k % 10]);
			next[k % 10] += 10;
			item_free(item);
			n++;
		}
	}
	cr_assert_eq(n, 1000);
	edge_close(&e);
}

TEST(edge, what_a_cancelled_edge_refuses_is_freed)
{
	for (uint32_t queues = 1; queues < 5; queues++) {
		struct edge e;

		open_edge(&e, queues, 1000);
		give_items(&e, 100, 100);
		edge_cancel(&e);
		give_items(&e, 200, 0);
		cr_assert_eq(items_alive(), 100);
		edge_close(&e);
		cr_assert_eq(items_alive(), 0);
	}
}

static void take_two(void *edge, size_t i)
{
	struct edge *e = edge;
	void *item;

	for (uint64_t n = 0; n < 2; n++) {
		check(leat_queue_pop(e->queue[i], &item) == 0);
		check(item_n(item) == n);
		item_free(item);
	}
}

TEST(edge, what_was_given_quietly_is_told_before_a_wait_for_room)
{
	void *items[2] = {item_make(0), item_make(1)};
	struct wait w = {.deadline = LEAT_NEVER};
	struct threads t;
	struct edge e;

	open_edge(&e, 1, 1);
	threads_start(&t, 1, take_two, &e);
	await_parked(&e.queue[0]->not_empty, 1);
	cr_assert_eq(edge_give_quietly(&e, items, 2, &w), 2);
	threads_join(&t);
	edge_close(&e);
}

TEST(edge, end_ends_every_queue)
{
	struct edge e;
	void *item;

	open_edge(&e, 5, 2);
	edge_end(&e);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(leat_queue_pop(e.queue[i], &item), LEAT_END);
	edge_close(&e);
}

TEST(edge, null_and_items_without_destructor_are_not_freed)
{
	struct edge e = {.free_item = item_free};

	edge_free(&e, NULL);
	e.free_item = NULL;
	edge_free(&e, item_raw(1));
	edge_close(&e); /* without any queue */
}

TEST(edge, no_memory_for_the_last_queue_is_said)
{
	struct edge e = {.free_item = item_free};
	struct edge_opts opts = {.queues = 100, .capacity = 1 << 16};

	if (!limit_memory(32 << 20))
		cr_skip_test("sanitizers need the memory");
	cr_assert_eq(edge_open(&e, &opts), -ENOMEM);
	cr_assert_lt(e.n, 100);
	edge_close(&e);
	opts.queues = UINT32_MAX;
	e = (struct edge){.free_item = item_free};
	cr_assert_eq(edge_open(&e, &opts), -ENOMEM);
	edge_close(&e);
	unlimit_memory();
}
