/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The binary interface: sizes and offsets of public structs stay as they are,
 * structs of older (shorter) and newer (longer) headers are understood, and a
 * newer one that uses what the library lacks is refused with -E2BIG.
 *
 * A pin that fails after a field was added at the end of a struct is moved
 * along; any other that fails means that old programs would break.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <leat.h>

#define PIN(type, field, at, size)                                 \
	_Static_assert(offsetof(type, field) == at &&              \
			       sizeof(((type *)0)->field) == size, \
		#type "." #field " has moved or changed")
#define SIZE(type, size) \
	_Static_assert(sizeof(type) == size, #type " has another size")

#if __SIZEOF_POINTER__ == 8

PIN(leat_queue_opts, capacity, 0, 8);
PIN(leat_queue_opts, producers, 8, 4);
PIN(leat_queue_opts, consumers, 12, 4);
PIN(leat_queue_opts, free_item, 16, 8);
SIZE(leat_queue_opts, 24);

PIN(leat_queue_counts, pushed, 0, 8);
PIN(leat_queue_counts, popped, 8, 8);
PIN(leat_queue_counts, depth, 16, 8);
PIN(leat_queue_counts, high_water, 24, 8);
PIN(leat_queue_counts, capacity, 32, 8);
SIZE(leat_queue_counts, 40);

PIN(leat_stage, name, 0, 8);
PIN(leat_stage, fn, 8, 8);
PIN(leat_stage, source, 16, 8);
PIN(leat_stage, arg, 24, 8);
PIN(leat_stage, free_out, 32, 8);
PIN(leat_stage, open, 40, 8);
PIN(leat_stage, flush, 48, 8);
PIN(leat_stage, close, 56, 8);
PIN(leat_stage, key, 64, 8);
PIN(leat_stage, workers, 72, 4);
PIN(leat_stage, queue, 76, 4);
PIN(leat_stage, flags, 80, 4);
PIN(leat_stage, on_error, 84, 4);
PIN(leat_stage, retries, 88, 4);
PIN(leat_stage, backoff_ns, 96, 8);
SIZE(leat_stage, 104);

PIN(leat_opts, free_in, 0, 8);
PIN(leat_opts, results, 8, 8);
PIN(leat_opts, failed, 16, 8);
PIN(leat_opts, failed_arg, 24, 8);
PIN(leat_opts, report, 32, 8);
PIN(leat_opts, stack, 40, 8);
SIZE(leat_opts, 48);

/* No call carries the size of a report: it never grows. */
PIN(leat_report, code, 0, 4);
PIN(leat_report, row, 4, 4);
PIN(leat_report, stage, 8, 32);
PIN(leat_report, seq, 40, 8);
PIN(leat_report, attempt, 48, 4);
PIN(leat_report, more, 56, 8);
PIN(leat_report, text, 64, 184);
SIZE(leat_report, 248);

PIN(leat_counts, stage, 0, 32);
PIN(leat_counts, workers, 32, 4);
PIN(leat_counts, taken, 40, 8);
PIN(leat_counts, done, 48, 8);
PIN(leat_counts, dropped, 56, 8);
PIN(leat_counts, failed, 64, 8);
PIN(leat_counts, cancelled, 72, 8);
PIN(leat_counts, retried, 80, 8);
PIN(leat_counts, gave, 88, 8);
PIN(leat_counts, freed, 96, 8);
PIN(leat_counts, depth, 104, 8);
PIN(leat_counts, high_water, 112, 8);
PIN(leat_counts, capacity, 120, 8);
PIN(leat_counts, busy_ns, 128, 8);
PIN(leat_counts, blocked_in_ns, 136, 8);
PIN(leat_counts, blocked_out_ns, 144, 8);
SIZE(leat_counts, 152);

/* Read in place by programs: neither does this one grow, nor change. */
PIN(struct leat_worker_view, seq, 0, 8);
PIN(struct leat_worker_view, arg, 8, 8);
PIN(struct leat_worker_view, state, 16, 8);
PIN(struct leat_worker_view, index, 24, 4);
PIN(struct leat_worker_view, attempt, 28, 4);
SIZE(struct leat_worker_view, 32);

#endif

/* Values that programs have compiled in. */
_Static_assert(LEAT_DROP == 1 && LEAT_TOOK == 2 && LEAT_END == 4, "returns");
_Static_assert(LEAT_ORDERED == 1, "flags");
_Static_assert(LEAT_STOP == 0 && LEAT_SKIP == 1, "policies");
_Static_assert(LEAT_EROWS == -20001 && LEAT_ENAME == -20002 &&
		       LEAT_ETWICE == -20003 && LEAT_EFN == -20004 &&
		       LEAT_ESOURCE == -20005 && LEAT_EFLAGS == -20006 &&
		       LEAT_ESIZE == -20007 && LEAT_ERETURN == -20008 &&
		       LEAT_ETHREAD == -20009,
	"codes");

#define NEWER 64 /* bytes that a newer header may have added */

static int passed, failed;

static void check(int ok, const char *what, int line)
{
	if (ok) {
		passed++;
		return;
	}
	failed++;
	printf("line %d: %s\n", line, what);
}
#define CHECK(condition) check(condition, #condition, __LINE__)

/* A struct as an older or a newer program lays it out. */
static void *laid_out(const void *from, size_t known, size_t size)
{
	unsigned char *to = calloc(1, size);

	if (to == NULL)
		exit(2);
	memcpy(to, from, size < known ? size : known);
	return to;
}

static int count_to_ten(void *in, void **out, leat_worker *w)
{
	(void)in;
	if (leat_seq(w) == 10)
		return LEAT_END;
	*out = leat_arg(w);
	return 0;
}

static int add(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	*(int *)leat_arg(w) += 1;
	return LEAT_DROP;
}

/* run_rows runs a chain whose rows are `size` bytes apart. A byte at `mark`
 * past the start of the second row is set, unless mark is 0. */
static int run_rows(size_t size, size_t mark, int *sum)
{
	leat_stage rows[2] = {
		{.name = "count", .source = count_to_ten, .arg = sum},
		{.name = "add", .fn = add, .arg = sum, .workers = 1},
	};
	unsigned char *table = malloc(2 * size);
	void *first = laid_out(&rows[0], sizeof(rows[0]), size);
	void *second = laid_out(&rows[1], sizeof(rows[1]), size);
	int rc;

	if (table == NULL)
		exit(2);
	memcpy(table, first, size);
	memcpy(table + size, second, size);
	if (mark != 0)
		table[size + mark] = 1;
	rc = leat_run_sized((leat_stage *)(void *)table, 2, size, NULL, 0);
	free(first);
	free(second);
	free(table);
	return rc;
}

static void old_rows_mean_zero_for_what_they_lack(void)
{
	static const size_t sizes[] = {
		offsetof(leat_stage, backoff_ns),
		offsetof(leat_stage, on_error) + 4,
		offsetof(leat_stage, workers) + 8,
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int sum = 0;

		CHECK(run_rows(sizes[i], 0, &sum) == 0);
		CHECK(sum == 10);
	}
}

static void new_rows_pass_while_their_tail_is_zero(void)
{
	int sum = 0;

	CHECK(run_rows(sizeof(leat_stage) + NEWER, 0, &sum) == 0);
	CHECK(sum == 10);
}

static void new_rows_that_use_more_are_refused(void)
{
	size_t size = sizeof(leat_stage) + NEWER;
	int sum = 0;

	CHECK(run_rows(size, sizeof(leat_stage), &sum) == -E2BIG);
	CHECK(run_rows(size, size - 1, &sum) == -E2BIG);
	CHECK(sum == 0);
}

/* open_opts opens and closes a chain with options of `size` bytes, of which
 * the one at `mark` is set, unless mark is 0. */
static int open_opts(size_t size, size_t mark, leat_report *report)
{
	int sum = 0;
	leat_stage row = {.name = "add", .fn = add, .arg = &sum, .workers = 1};
	leat_opts known = {.report = report, .results = 1};
	unsigned char *opts = laid_out(&known, sizeof(known), size);
	leat_chain *c = (leat_chain *)(void *)&sum;
	int rc;

	if (mark != 0)
		opts[mark] = 1;
	rc = leat_open_sized(
		&c, &row, 1, sizeof(row), (leat_opts *)(void *)opts, size);
	free(opts);
	CHECK((rc == 0) == (c != NULL));
	if (rc == 0)
		CHECK(leat_trypull(c, &(void *){NULL}) ==
			(size >= 16 ? -EAGAIN : -EINVAL));
	leat_close(rc == 0 ? c : NULL);
	return rc;
}

/* The library's own, as programs have them that know only the names. */
static uint64_t (*volatile seq)(const leat_worker *w) = leat_seq;
static void *(*volatile arg)(const leat_worker *w) = leat_arg;
static void *(*volatile state)(const leat_worker *w) = leat_state;
static uint32_t (*volatile number)(const leat_worker *w) = leat_index;
static uint32_t (*volatile attempt)(const leat_worker *w) = leat_attempt;

static int open_as_its_own(void **to, leat_worker *w)
{
	*to = w;
	return 0;
}

static int look_both_ways(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	if (leat_attempt(w) == 0 && leat_seq(w) % 2 == 1)
		return -EAGAIN;
	CHECK(seq(w) == leat_seq(w) && leat_seq(w) < 10);
	CHECK(arg(w) == leat_arg(w) && *(int *)leat_arg(w) == 7);
	CHECK(state(w) == leat_state(w) && leat_state(w) == w);
	CHECK(number(w) == leat_index(w) && leat_index(w) == 0);
	CHECK(attempt(w) == leat_attempt(w) &&
		leat_attempt(w) == leat_seq(w) % 2);
	return 0;
}

static void a_worker_shows_the_same_in_place_and_called(void)
{
	int seven = 7;
	leat_stage rows[2] = {
		{.name = "count", .source = count_to_ten, .arg = &seven},
		{.name = "look",
			.fn = look_both_ways,
			.arg = &seven,
			.open = open_as_its_own,
			.retries = 1,
			.workers = 1},
	};
	int before = passed;

	CHECK(leat_run(rows, 2, NULL) == 0);
	CHECK(passed == before + 51);
}

static void options_of_any_age(void)
{
	size_t newer = sizeof(leat_opts) + NEWER;
	leat_report report;

	CHECK(open_opts(offsetof(leat_opts, results), 0, &report) == 0);
	CHECK(open_opts(offsetof(leat_opts, failed), 0, &report) == 0);
	CHECK(open_opts(offsetof(leat_opts, stack), 0, &report) == 0);
	CHECK(open_opts(newer, 0, &report) == 0);
	CHECK(open_opts(newer, sizeof(leat_opts), &report) == -E2BIG);
	CHECK(open_opts(newer, newer - 1, &report) == -E2BIG);
	CHECK(report.code == -E2BIG && report.text[0] != '\0');
}

static int open_queue(size_t size, size_t mark)
{
	leat_queue_opts known = {.capacity = 3};
	unsigned char *opts = laid_out(&known, sizeof(known), size);
	leat_queue *q = NULL;
	int rc;

	if (mark != 0)
		opts[mark] = 1;
	rc = leat_queue_open_sized(&q, (leat_queue_opts *)(void *)opts, size);
	free(opts);
	CHECK((rc == 0) == (q != NULL));
	leat_queue_close(q);
	return rc;
}

static void queue_options_of_any_age(void)
{
	size_t newer = sizeof(leat_queue_opts) + NEWER;

	CHECK(open_queue(sizeof(uint64_t), 0) == 0);
	CHECK(open_queue(offsetof(leat_queue_opts, consumers), 0) == 0);
	CHECK(open_queue(newer, 0) == 0);
	CHECK(open_queue(newer, sizeof(leat_queue_opts)) == -E2BIG);
	CHECK(open_queue(newer, newer - 1) == -E2BIG);
}

/* all_are says that n bytes have the value. */
static int all_are(const unsigned char *bytes, size_t n, unsigned char value)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != value)
			return 0;
	return 1;
}

static void queue_counts_of_any_age(void)
{
	unsigned char room[sizeof(leat_queue_counts) + NEWER];
	leat_queue_counts *counts = (leat_queue_counts *)(void *)room;
	leat_queue_opts opts = {.capacity = 3};
	leat_queue *q;

	if (leat_queue_open(&q, &opts) < 0)
		exit(2);
	CHECK(leat_queue_push(q, NULL) == 0);
	memset(room, 0xaa, sizeof(room));
	leat_queue_stats_sized(q, counts, 16);
	CHECK(counts->pushed == 1);
	CHECK(all_are(room + 16, sizeof(room) - 16, 0xaa));
	leat_queue_stats_sized(q, counts, sizeof(room));
	CHECK(counts->capacity == 3);
	CHECK(all_are(room + sizeof(*counts), NEWER, 0));
	leat_queue_close(q);
}

/* counts_of_any_age asks for the counts of two rows, `size` bytes apart. */
static void counts_of_size(leat_chain *c, size_t size)
{
	size_t known = sizeof(leat_counts);
	unsigned char *room = malloc(3 * size);

	if (room == NULL)
		exit(2);
	memset(room, 0xaa, 3 * size);
	CHECK(leat_stats_sized(c, (leat_counts *)(void *)room, 3, size) == 2);
	CHECK(strcmp((char *)room, "one") == 0);
	CHECK(strcmp((char *)room + size, "two") == 0);
	if (size > known)
		CHECK(all_are(room + size + known, size - known, 0));
	CHECK(all_are(room + 2 * size, size, 0xaa));
	free(room);
}

static void counts_of_any_age(void)
{
	int sum = 0;
	leat_stage rows[2] = {
		{.name = "one", .fn = add, .arg = &sum, .workers = 1},
		{.name = "two", .fn = add, .arg = &sum, .workers = 1},
	};
	leat_chain *c;

	if (leat_open(&c, rows, 2, NULL) < 0)
		exit(2);
	counts_of_size(c, 48);
	counts_of_size(c, sizeof(leat_counts));
	counts_of_size(c, sizeof(leat_counts) + NEWER);
	CHECK(leat_close(c) == 0);
}

int main(void)
{
	old_rows_mean_zero_for_what_they_lack();
	new_rows_pass_while_their_tail_is_zero();
	new_rows_that_use_more_are_refused();
	a_worker_shows_the_same_in_place_and_called();
	options_of_any_age();
	queue_options_of_any_age();
	queue_counts_of_any_age();
	counts_of_any_age();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
