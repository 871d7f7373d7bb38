/* SPDX-License-Identifier: BSD-2-Clause */
/* The queue's waiting: who sleeps, what wakes, when it is over. */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "queues/queue.h"
#include "tests/unit/unit.h"

static leat_queue *open_queue(uint64_t capacity)
{
	leat_queue_opts opts = {.capacity = capacity, .free_item = item_free};
	leat_queue *q;

	cr_assert_eq(leat_queue_open(&q, &opts), 0);
	return q;
}

/* What threads that wait do, and what they found. */
struct waiters {
	leat_queue *q;
	struct threads threads;
	int rc[THREADS_MAX];
	uint64_t deadline;
	uint64_t back; /* how many are back */
	bool again;    /* go on after a success */
	uint64_t tid[THREADS_MAX];
};

static void wait_to_pop(void *arg, size_t i)
{
	struct waiters *w = arg;
	void *item = NULL;

	__atomic_store_n(
		&w->tid[i], (uint64_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	do
		w->rc[i] = w->deadline ? leat_queue_pop_until(
						 w->q, &item, w->deadline)
				       : leat_queue_pop(w->q, &item);
	while (w->rc[i] == 0 && w->again);
	if (w->rc[i] == 0 && item != NULL)
		item_free(item);
	count_up(&w->back);
}

static void wait_to_push(void *arg, size_t i)
{
	struct waiters *w = arg;
	void *item = item_make(i);

	w->rc[i] = w->deadline ? leat_queue_push_until(w->q, item, w->deadline)
			       : leat_queue_push(w->q, item);
	if (w->rc[i] != 0)
		item_free(item);
	count_up(&w->back);
}

/* Consumers park on an empty queue, producers on a full one. */
static void park_consumers(struct waiters *w, size_t n)
{
	threads_start(&w->threads, n, wait_to_pop, w);
	await_parked(&w->q->not_empty, n);
}

static void park_producers(struct waiters *w, size_t n)
{
	while (leat_queue_trypush(w->q, NULL) == 0)
		;
	threads_start(&w->threads, n, wait_to_push, w);
	await_parked(&w->q->not_full, n);
}

static void all_return(struct waiters *w, int rc)
{
	size_t n = w->threads.n;

	threads_join(&w->threads);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(w->rc[i], rc, "thread %zu: %d, not %d", i,
			w->rc[i], rc);
	leat_queue_close(w->q);
}

/* End and cancel wake all, on both sides. */

TEST(queue_waits, end_wakes_every_parked_consumer)
{
	struct waiters w = {.q = open_queue(4)};

	park_consumers(&w, 8);
	leat_queue_end(w.q);
	all_return(&w, LEAT_END);
}

TEST(queue_waits, end_wakes_every_parked_producer)
{
	struct waiters w = {.q = open_queue(4)};

	park_producers(&w, 8);
	leat_queue_end(w.q);
	all_return(&w, -EPIPE);
}

TEST(queue_waits, cancel_wakes_every_parked_consumer)
{
	struct waiters w = {.q = open_queue(4)};

	park_consumers(&w, 8);
	leat_queue_cancel(w.q);
	all_return(&w, -ECANCELED);
}

TEST(queue_waits, cancel_wakes_every_parked_producer)
{
	struct waiters w = {.q = open_queue(4)};

	park_producers(&w, 8);
	leat_queue_cancel(w.q);
	all_return(&w, -ECANCELED);
}

TEST(queue_waits, consumers_parked_at_the_end_get_what_is_left_then_the_end)
{
	struct waiters w = {.q = open_queue(16), .again = true};

	park_consumers(&w, 8);
	for (uint64_t i = 0; i < 16; i++)
		cr_assert_eq(leat_queue_push(w.q, NULL), 0);
	leat_queue_end(w.q);
	all_return(&w, LEAT_END);
}

/* A place is a place: nobody need take a quarter of the queue. */
TEST(queue_waits, a_parked_producer_gets_the_only_place)
{
	for (size_t n = 1; n < 4; n++) {
		struct waiters w = {.q = open_queue(100)};
		void *item;

		park_producers(&w, n);
		for (size_t i = 1; i <= n; i++) {
			cr_assert_eq(leat_queue_pop(w.q, &item), 0);
			await_at_least(&w.back, i);
		}
		all_return(&w, 0);
	}
}

/* Wakes: one for one item, none lost. */

/* status_of scans what the kernel says of a thread; false if it does not. */
static bool status_of(uint64_t tid, const char *format, void *value)
{
	bool found = false;
	char line[128];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/self/task/%lu/status", tid);
	f = fopen(line, "r");
	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, format, value) == 1;
	if (f != NULL)
		fclose(f);
	return found;
}

static uint64_t switches_of(uint64_t tid)
{
	unsigned long n = UINT64_MAX;

	status_of(tid, "voluntary_ctxt_switches: %lu", &n);
	return n;
}

/* How often the threads have gone to sleep, each. */
static void switches(struct waiters *w, uint64_t *n)
{
	for (size_t i = 0; i < w->threads.n; i++)
		n[i] = switches_of(look(&w->tid[i]));
}

/* deep_asleep waits until nobody goes to sleep any more. */
static void deep_asleep(struct waiters *w, uint64_t *n)
{
	uint64_t again[THREADS_MAX] = {0};

	for (int calm = 0; calm < 3;) {
		rest(10 * LEAT_MS);
		switches(w, n);
		calm = memcmp(n, again, sizeof(*n) * w->threads.n) ? 0
								   : calm + 1;
		memcpy(again, n, sizeof(again));
	}
}

/* await_asleep is for those that have announced: they sleep by now, and look
 * no more. */
static void await_asleep(struct waiters *w)
{
	for (size_t i = 0; i < w->threads.n; i++) {
		char state = 0;

		while (status_of(look(&w->tid[i]), "State: %c", &state) &&
			state != 'S')
			sched_yield();
		cr_assert_eq(state, 'S');
	}
}

TEST(queue_waits, one_item_wakes_at_most_one_worker)
{
	struct waiters w = {.q = open_queue(4), .again = true};
	uint64_t before[THREADS_MAX] = {0}, after[THREADS_MAX] = {0};
	int woken = 0;

	park_consumers(&w, 8);
	deep_asleep(&w, before);
	cr_assert_eq(leat_queue_push(w.q, NULL), 0);
	deep_asleep(&w, after);
	for (int i = 0; i < 8; i++)
		woken += before[i] != after[i];
	cr_assert_eq(woken, 1);
	leat_queue_end(w.q);
	all_return(&w, LEAT_END);
}

TEST(queue_waits, parked_threads_use_no_processor_and_do_not_wake)
{
	struct waiters w = {.q = open_queue(4)};
	uint64_t before[THREADS_MAX] = {0}, after[THREADS_MAX] = {0};
	struct rusage a, b;

	park_consumers(&w, 8);
	deep_asleep(&w, before);
	getrusage(RUSAGE_SELF, &a);
	rest(300 * LEAT_MS);
	getrusage(RUSAGE_SELF, &b);
	switches(&w, after);
	cr_assert_arr_eq(before, after, sizeof(before));
	cr_assert_leq((b.ru_utime.tv_sec - a.ru_utime.tv_sec) * 1000000 +
			      b.ru_utime.tv_usec - a.ru_utime.tv_usec,
		30000);
	leat_queue_end(w.q);
	all_return(&w, LEAT_END);
}

/* Each item wakes somebody, who then wakes the next. */
TEST(queue_waits, items_pushed_at_once_get_all_parked_consumers_going)
{
	void *items[8] = {0};

	for (int round = 0; round < FEWER(200); round++) {
		struct waiters w = {.q = open_queue(8)};

		park_consumers(&w, 8);
		cr_assert_eq(leat_queue_pushn(w.q, items, 8, NULL), 0);
		all_return(&w, 0);
	}
}

TEST(queue_waits, room_made_at_once_gets_all_parked_producers_going)
{
	for (int round = 0; round < FEWER(200); round++) {
		struct waiters w = {.q = open_queue(8)};
		void *items[8];
		size_t n;

		park_producers(&w, 8);
		cr_assert_eq(leat_queue_popn(w.q, items, 8, &n), 0);
		cr_assert_eq(n, 8);
		all_return(&w, 0);
	}
}

/*
 * A producer has claimed a place and not yet filled it when the input ends:
 * consumers find neither an item nor the end, and sleep. It fills the place,
 * but somebody who did not sleep takes the item before it wakes anybody. The
 * one whom it then wakes finds the end; who took the item has to tell the rest.
 */
TEST(queue_waits, who_takes_the_last_item_tells_all_who_sleep)
{
	for (int round = 0; round < 20; round++) {
		struct waiters w = {.q = open_queue(4)};
		struct ring *r = &w.q->ring;
		void *item;

		store_release(&r->tail, 1);
		leat_queue_end(w.q);
		park_consumers(&w, 4);
		await_asleep(&w);
		r->item[0] = NULL;
		store_release_8(&r->turn[0], 1);
		cr_assert_eq(leat_queue_trypop(w.q, &item), 0);
		park_signal(&w.q->not_empty);
		all_return(&w, LEAT_END);
	}
}

/* Producers are woken once a quarter is free, for any capacity. */
TEST(queue_waits, a_parked_producer_is_woken_at_three_quarters)
{
	static const uint64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 64, 100};

	EACH(i, sizes)
	{
		struct waiters w = {.q = open_queue(sizes[i])};
		uint64_t quarter = sizes[i] < 4 ? 1 : sizes[i] / 4;
		void *item;

		park_producers(&w, 1);
		for (uint64_t k = 0; k < quarter; k++) {
			cr_assert_eq(look(&w.back), 0);
			cr_assert_eq(leat_queue_pop(w.q, &item), 0);
		}
		all_return(&w, 0);
	}
}

/* A producer stopped between its claim and its publication, while a later item
 * is there and consumers are parked. */
TEST(queue_waits, an_item_published_late_reaches_parked_consumers)
{
	struct waiters w = {.q = open_queue(4)};

	park_consumers(&w, 2);
	store_release(&w.q->ring.tail, 1);
	cr_assert_eq(leat_queue_push(w.q, NULL), 0);
	await_parked(&w.q->not_empty, 2);
	cr_assert_eq(look(&w.back), 0);
	store_release_8(&w.q->ring.turn[0], 1);
	park_signal(&w.q->not_empty);
	all_return(&w, 0);
}

/* A consumer stopped between its claim and its release, at the wrap, while
 * producers are parked. */
TEST(queue_waits, a_place_released_late_reaches_parked_producers)
{
	struct waiters w = {.q = open_queue(2)};
	void *item;

	park_producers(&w, 2);
	store_release(&w.q->ring.head, 1);
	cr_assert_eq(leat_queue_pop(w.q, &item), 0);
	rest(5 * LEAT_MS);
	cr_assert_eq(look(&w.back), 0);
	store_release_8(&w.q->ring.turn[0], 2);
	park_signal(&w.q->not_full);
	all_return(&w, 0);
}

/* Deadlines */

static uint64_t past_times[] = {0, 1, 12345};

TEST(queue_waits, a_deadline_in_the_past_tries_once)
{
	EACH(i, past_times)
	{
		leat_queue *q = open_queue(1);
		void *item = item_make(3), *got = NULL;
		uint64_t t = past_times[i];

		cr_assert_eq(leat_queue_pop_until(q, &got, t), -ETIMEDOUT);
		cr_assert_eq(leat_queue_push_until(q, item, t), 0);
		cr_assert_eq(leat_queue_push_until(q, item, t), -ETIMEDOUT);
		cr_assert_eq(leat_queue_pop_until(q, &got, t), 0);
		cr_assert_eq(got, item);
		item_free(item);
		leat_queue_close(q);
	}
}

/* Late by at most this: other processes may have the processor. */
#define SLACK (250 * LEAT_MS)

static void on_time(uint64_t deadline)
{
	uint64_t now = leat_now();

	cr_assert_geq(now, deadline, "%lu ns early", deadline - now);
	cr_assert_leq(now, deadline + SLACK, "%lu ns late", now - deadline);
}

TEST(queue_waits, deadlines_are_kept_on_both_sides)
{
	static const uint64_t waits[] = {
		1, 50 * LEAT_US, LEAT_MS, 20 * LEAT_MS, 200 * LEAT_MS};

	EACH(i, waits)
	{
		leat_queue *q = open_queue(1);
		uint64_t t = leat_after(waits[i]);
		void *item = NULL;

		cr_assert_eq(leat_queue_pop_until(q, &item, t), -ETIMEDOUT);
		on_time(t);
		cr_assert_eq(leat_queue_push(q, NULL), 0);
		t = leat_after(waits[i]);
		cr_assert_eq(leat_queue_push_until(q, NULL, t), -ETIMEDOUT);
		on_time(t);
		cr_assert(is_deserted(&q->not_empty));
		cr_assert(is_deserted(&q->not_full));
		leat_queue_close(q);
	}
}

TEST(queue_waits, many_deadlines_of_a_second_and_a_half_are_kept)
{
	struct waiters w = {
		.q = open_queue(1), .deadline = leat_after(1500 * LEAT_MS)};

	threads_start(&w.threads, 8, wait_to_pop, &w);
	await_at_least(&w.back, 8);
	on_time(w.deadline);
	all_return(&w, -ETIMEDOUT);
}

TEST(queue_waits, a_deadline_that_never_comes_is_none)
{
	cr_assert_eq(leat_after(UINT64_MAX), LEAT_NEVER);
	cr_assert_eq(leat_after(LEAT_NEVER - 1), LEAT_NEVER);
	for (int i = 0; i < 2; i++) {
		struct waiters w = {
			.q = open_queue(1), .deadline = LEAT_NEVER - i};

		park_consumers(&w, 1);
		cr_assert_eq(leat_queue_push(w.q, NULL), 0);
		all_return(&w, 0);
	}
}

struct meeting {
	leat_queue *q;
	uint64_t at;
	uint64_t got, pushed;
};

static void meet(void *arg, size_t i)
{
	struct meeting *m = arg;
	void *item = NULL;
	int rc;

	if (i == 0) {
		rc = leat_queue_pop_until(m->q, &item, m->at);
		check(rc == 0 || rc == -ETIMEDOUT);
		m->got = rc == 0;
		if (rc == 0)
			item_free(item);
		return;
	}
	while (leat_now() < m->at)
		;
	m->pushed = leat_queue_push(m->q, item_make(1)) == 0;
}

/* An item pushed at the deadline is delivered or stays, never both. */
TEST(queue_waits, a_deadline_races_with_a_push)
{
	for (int round = 0; round < 500; round++) {
		struct meeting m = {
			.q = open_queue(1), .at = leat_after(100 * LEAT_US)};
		leat_queue_counts c;

		with_threads(2, meet, &m);
		leat_queue_stats(m.q, &c);
		cr_assert_eq(m.pushed, 1);
		cr_assert_eq(c.depth + m.got, 1);
		cr_assert(is_deserted(&m.q->not_empty));
		leat_queue_close(m.q);
		cr_assert_eq(items_alive(), 0);
	}
}

/* Signals */

static uint64_t caught;

static void catch_signal(int number)
{
	(void)number;
	count_up(&caught);
}

/* Without SA_RESTART every sleep in the kernel ends with EINTR. */
static void interrupt_on(int number, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	cr_assert_eq(sigaction(number, &action, NULL), 0);
}

static void storm(struct waiters *w, int n)
{
	for (int i = 0; i < n; i++)
		for (size_t k = 0; k < w->threads.n; k++)
			pthread_kill(w->threads.thread[k], SIGUSR1);
}

TEST(queue_waits, signals_do_not_wake_parked_consumers)
{
	struct waiters w = {.q = open_queue(4)};

	interrupt_on(SIGUSR1, catch_signal);
	park_consumers(&w, 4);
	storm(&w, 1000);
	await_at_least(&caught, 4);
	cr_assert_eq(look(&w.back), 0);
	leat_queue_end(w.q);
	all_return(&w, LEAT_END);
}

TEST(queue_waits, signals_do_not_wake_parked_producers)
{
	struct waiters w = {.q = open_queue(4)};
	void *item;

	interrupt_on(SIGUSR1, catch_signal);
	park_producers(&w, 1);
	storm(&w, 1000);
	cr_assert_eq(look(&w.back), 0);
	cr_assert_eq(leat_queue_pop(w.q, &item), 0);
	all_return(&w, 0);
}

TEST(queue_waits, signals_do_not_move_a_deadline)
{
	struct waiters w = {
		.q = open_queue(4), .deadline = leat_after(300 * LEAT_MS)};

	interrupt_on(SIGUSR1, catch_signal);
	park_consumers(&w, 4);
	while (look(&w.back) == 0)
		storm(&w, 1);
	on_time(w.deadline);
	all_return(&w, -ETIMEDOUT);
}

TEST(queue_waits, errno_is_left_alone)
{
	leat_queue *q = open_queue(1);
	void *item;

	errno = 4711;
	cr_assert_eq(leat_queue_pop_until(q, &item, leat_after(LEAT_MS)),
		-ETIMEDOUT);
	cr_assert_eq(errno, 4711);
	leat_queue_close(q);
}
