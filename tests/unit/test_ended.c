/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of the table that end their thread instead of returning. */
#include <ucontext.h>
#include "stages/chain.h"
#include "tests/unit/unit.h"

#define N 500

/* How a function ends its thread, and what it has done by then. */
enum manner { PLAINLY, WITH_OUT, AFTER_EMIT, AFTER_EMIT_IN, CANCELLED, STUCK };

/* What a test's functions know. */
struct plan {
	uint64_t at; /* the item at which it happens */
	enum manner manner;
	uint64_t ends; /* how often it has */
	uint64_t shown, delivered, opened, closed;
	uint64_t stages; /* reports to `failed` that were right */
	const char *row;
	pthread_t thread[8];
};

static void nothing_after(void)
{
	check(!"the thread has gone on");
	abort();
}

static _Noreturn void end_thread(struct plan *p)
{
	count_up(&p->ends);
	if (p->manner == CANCELLED) {
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
		pthread_cancel(pthread_self());
		pthread_testcancel();
		nothing_after();
	}
	pthread_exit(NULL);
}

static int ends_at(void *in, void **out, leat_worker *w)
{
	struct plan *p = leat_arg(w);

	if (item_n(in) == p->at) {
		if (p->manner == WITH_OUT)
			*out = item_make(1);
		if (p->manner == AFTER_EMIT)
			for (uint64_t i = 0; i < 1000; i++)
				leat_emit(w, item_make(i));
		if (p->manner == AFTER_EMIT_IN)
			leat_emit(w, in);
		end_thread(p);
	}
	*out = in;
	return 0;
}

static int deliver(void *in, void **out, leat_worker *w)
{
	struct plan *p = leat_arg(w);

	(void)out;
	item_n(in);
	count_up(&p->delivered);
	return 0;
}

static int show(void *item, const leat_report *r, void *arg)
{
	struct plan *p = arg;

	(void)item;
	count_up(&p->shown);
	if (r->code == LEAT_ETHREAD && strcmp(r->stage, p->row) == 0)
		count_up(&p->stages);
	return 0;
}

/* another_works: the rest of the process is as it was. */
static void another_works(void)
{
	uint64_t sum = 0, left = 100;
	leat_stage rows[] = {
		{.name = "down",
			.source = count_down,
			.arg = &left,
			.free_out = item_free},
		{.name = "add", .fn = add, .arg = &sum, .workers = 3},
	};

	cr_assert_eq(leat_run(rows, 2, NULL), 0);
	cr_assert_eq(sum, 5050);
}

/* has_failed closes a chain of which that row has failed. */
static void has_failed(leat_chain *c, struct plan *p)
{
	cr_assert_eq(chain_close(c), LEAT_ETHREAD);
	cr_assert_eq(unit_report.code, LEAT_ETHREAD);
	cr_assert_str_eq(unit_report.stage, p->row);
	cr_assert_not_null(strstr(unit_report.text, "ended its thread"));
	cr_assert_geq(p->ends, 1);
	another_works();
}

/* push_all pushes as many as go in; the last push may wait for ever. */
static uint64_t push_all(leat_chain *c)
{
	for (uint64_t i = 0; i < N; i++) {
		void *item = item_make(i);
		int rc = leat_push(c, item);

		if (rc == 0)
			continue;
		cr_assert_eq(rc, -ECANCELED);
		item_free(item);
		return i;
	}
	return N;
}

static uint64_t key_of_item(const void *item, void *arg)
{
	(void)arg;
	return item_n(item) % 5;
}

/* The row under test is the first, the second or the last of three. */
static leat_chain *three_rows(struct plan *p, size_t where, leat_stage row)
{
	leat_stage rows[3] = {
		{.name = "first", .fn = pass, .queue = 8},
		{.name = "middle", .fn = pass, .queue = 8, .workers = 2},
		{.name = "last", .fn = deliver, .arg = p, .queue = 8},
	};
	leat_opts opts = {
		.free_in = item_free, .failed = show, .failed_arg = p};

	p->row = row.name;
	row.queue = 8;
	rows[where] = row;
	return open_chain(rows, 3, &opts);
}

static void one_item_ends(struct plan p, size_t where, leat_stage row)
{
	leat_chain *c;

	row.fn = ends_at;
	row.arg = &p;
	row.name = "ending";
	c = three_rows(&p, where, row);
	push_all(c);
	cr_assert_eq(leat_wait(c), LEAT_ETHREAD);
	has_failed(c, &p);
	cr_assert_eq(p.shown, 1);
	cr_assert_eq(p.stages, 1);
	cr_assert_eq(p.ends, 1);
}

TEST(ended, a_function_in_any_row_fails_the_chain_and_nobody_hangs)
{
	static const leat_stage kinds[] = {
		{.workers = 1},
		{.workers = 3},
		{.workers = 1, .on_error = LEAT_SKIP},
		{.workers = 3, .flags = LEAT_ORDERED},
		{.workers = 3, .key = key_of_item},
		{.workers = 1, .retries = 2, .backoff_ns = LEAT_MS},
		{.workers = 3, .retries = 2},
		{.workers = 3, .retries = 2, .flags = LEAT_ORDERED},
		{.workers = 2, .retries = 2, .key = key_of_item},
	};
	static const uint64_t when[] = {0, N / 2, N - 1};

	EACH(k, kinds)
	EACH(i, when)
	for (size_t where = 0; where < 3; where++)
		one_item_ends((struct plan){.at = when[i]}, where, kinds[k]);
}

/* Every other item is dropped, until one ends the thread. */
static int drops_until(void *in, void **out, leat_worker *w)
{
	struct plan *p = leat_arg(w);
	uint64_t n = item_n(in);

	if (n == p->at)
		end_thread(p);
	if (n % 2 == 1)
		return LEAT_DROP;
	*out = p->manner == WITH_OUT ? in : NULL;
	return 0;
}

/* What has been dropped of a batch by then is counted as such, in a sink, which
 * keeps nothing, and elsewhere. */
TEST(ended, what_was_dropped_is_counted)
{
	for (size_t rows = 1; rows <= 2; rows++) {
		struct plan p = {.at = 100,
			.manner = rows == 2 ? WITH_OUT : PLAINLY,
			.row = "first"};
		leat_stage row[2] = {
			{.name = "first",
				.fn = drops_until,
				.arg = &p,
				.workers = 1,
				.queue = N},
			{.name = "last", .fn = pass},
		};
		leat_opts opts = {.free_in = item_free};
		leat_chain *c = open_chain(row, rows, &opts);
		leat_counts s[2];

		push_all(c);
		cr_assert_eq(leat_wait(c), LEAT_ETHREAD);
		chain_rest(c);
		cr_assert_eq(leat_stats(c, s, rows), rows);
		cr_assert_eq(s[0].done, 50);
		cr_assert_eq(s[0].dropped, 50);
		cr_assert_eq(s[0].failed, 1);
		chain_balance(c);
		has_failed(c, &p);
	}
}

TEST(ended, whatever_it_has_made_and_emitted_by_then)
{
	static const leat_stage kinds[] = {
		{.workers = 1},
		{.workers = 2, .flags = LEAT_ORDERED},
		{.workers = 2, .retries = 3},
		{.workers = 2, .key = key_of_item},
	};

	EACH(k, kinds)
	for (int m = PLAINLY; m <= CANCELLED; m++)
		for (size_t where = 0; where < 3; where++)
			one_item_ends((struct plan){.at = N / 3,
					      .manner = (enum manner)m},
				where, kinds[k]);
}

/* Items are held to be tried again; then one of them ends the thread. */
static int fails_then_ends(void *in, void **out, leat_worker *w)
{
	struct plan *p = leat_arg(w);

	if (item_n(in) == p->at && leat_attempt(w) == 2)
		end_thread(p);
	if (item_n(in) >= p->at && leat_attempt(w) < 3)
		return -EAGAIN;
	*out = in;
	return 0;
}

TEST(ended, an_item_that_was_held_for_a_retry_and_others_that_are)
{
	static const leat_stage kinds[] = {
		{.workers = 1},
		{.workers = 2},
		{.workers = 2, .flags = LEAT_ORDERED},
		{.workers = 2, .key = key_of_item},
	};

	EACH(k, kinds)
	{
		struct plan p = {.at = 100};
		leat_stage row = kinds[k];
		leat_chain *c;

		row.name = "retries";
		row.fn = fails_then_ends;
		row.arg = &p;
		row.retries = 5;
		row.backoff_ns = 100 * LEAT_US;
		c = three_rows(&p, 1, row);
		push_all(c);
		cr_assert_eq(leat_wait(c), LEAT_ETHREAD);
		has_failed(c, &p);
		cr_assert_eq(p.shown, 1);
		cr_assert_eq(unit_report.attempt, 2);
	}
}

/* Coroutines have stacks that the C library cannot unwind to the thread's. */
static ucontext_t back, other;
static char other_stack[64 * 1024];

static void exit_there(void)
{
	pthread_exit(NULL);
}

static int ends_on_another_stack(void *in, void **out, leat_worker *w)
{
	struct plan *p = leat_arg(w);

	(void)in;
	(void)out;
	count_up(&p->ends);
	getcontext(&other);
	other.uc_stack.ss_sp = other_stack;
	other.uc_stack.ss_size = sizeof(other_stack);
	other.uc_link = &back;
	makecontext(&other, exit_there, 0);
	swapcontext(&back, &other);
	nothing_after();
	return 0;
}

TEST(ended, on_a_stack_that_cannot_be_unwound)
{
#if SANITIZER
	(void)ends_on_another_stack;
#else
	struct plan p = {.row = "coroutine"};
	leat_stage row = {.name = "coroutine",
		.fn = ends_on_another_stack,
		.arg = &p,
		.workers = 1};
	leat_chain *c = single(row, 0);

	cr_assert_eq(leat_push(c, item_make(1)), 0);
	cr_assert_eq(leat_wait(c), LEAT_ETHREAD);
	has_failed(c, &p);
#endif
}

TEST(ended, who_waits_for_results_is_told)
{
	struct plan p = {.at = 20, .row = "ending"};
	leat_stage row = {
		.name = "ending", .fn = ends_at, .arg = &p, .workers = 1};
	leat_chain *c = single(row, 4);
	void *item;
	int rc;

	for (uint64_t i = 0; i <= 20; i++) {
		void *in = item_make(i);

		while ((rc = leat_trypush(c, in)) == -EAGAIN)
			if (leat_pull(c, &item) == 0)
				item_free(item);
		cr_assert_eq(rc, 0);
	}
	while ((rc = leat_pull(c, &item)) == 0)
		item_free(item);
	cr_assert_eq(rc, -ECANCELED);
	has_failed(c, &p);
}

/* Sources */

static int source_ends(void *in, void **out, leat_worker *w)
{
	struct plan *p = leat_arg(w);
	uint64_t i = count_up(&p->opened);

	(void)in;
	if (i >= p->at) {
		if (p->manner == AFTER_EMIT)
			leat_emit(w, item_make(i));
		if (p->manner == WITH_OUT)
			*out = item_make(i);
		end_thread(p);
	}
	*out = item_make(i);
	return 0;
}

static void the_source_ends(struct plan p, uint32_t workers, uint32_t retries)
{
	leat_stage rows[2] = {
		{.name = "make",
			.source = source_ends,
			.arg = &p,
			.workers = workers,
			.retries = retries,
			.free_out = item_free},
		{.name = "last", .fn = deliver, .arg = &p},
	};

	p.row = "make";
	has_failed(open_chain(rows, 2, NULL), &p);
	cr_assert_leq(p.ends, workers);
}

TEST(ended, a_source)
{
	static const uint64_t when[] = {0, 1, 5000};

	EACH(i, when)
	for (int m = PLAINLY; m <= AFTER_EMIT; m++)
		for (uint32_t workers = 1; workers <= 3; workers += 2)
			for (uint32_t retries = 0; retries < 2; retries++)
				the_source_ends(
					(struct plan){.at = when[i],
						.manner = (enum manner)m},
					workers, retries);
}

TEST(ended, leat_run_returns_the_code)
{
	struct plan p = {.at = 10};
	leat_report r;
	leat_opts opts = {.report = &r};
	leat_stage rows[2] = {
		{.name = "make",
			.source = source_ends,
			.arg = &p,
			.free_out = item_free},
		{.name = "last", .fn = deliver, .arg = &p},
	};

	cr_assert_eq(leat_run(rows, 2, &opts), LEAT_ETHREAD);
	cr_assert_str_eq(r.stage, "make");
}

/* Open, flush, close */

static int note_thread(void **state, leat_worker *w)
{
	struct plan *p = leat_arg(w);

	p->thread[leat_index(w)] = pthread_self();
	*state = p;
	count_up(&p->opened);
	return 0;
}

static int open_ends(void **state, leat_worker *w)
{
	struct plan *p = leat_arg(w);

	if (leat_index(w) == p->at)
		end_thread(p);
	return note_thread(state, w);
}

static void count_close(void *state)
{
	count_up(&((struct plan *)state)->closed);
}

TEST(ended, an_open_fails_leat_open)
{
	for (uint32_t workers = 1; workers <= 3; workers += 2) {
		struct plan p = {.at = workers - 1};
		leat_report r;
		leat_opts opts = {.report = &r};
		leat_stage rows[2] = {
			{.name = "first", .fn = pass},
			{.name = "opens",
				.fn = pass,
				.arg = &p,
				.open = open_ends,
				.close = count_close,
				.workers = workers},
		};
		leat_chain *c;

		cr_assert_eq(leat_open(&c, rows, 2, &opts), LEAT_ETHREAD);
		cr_assert_null(c);
		cr_assert_str_eq(r.stage, "opens");
		cr_assert_not_null(strstr(r.text, "open ended its thread"));
		cr_assert_eq(p.opened, workers - 1);
		cr_assert_eq(p.closed, p.opened);
		another_works();
	}
}

static int flush_ends(leat_worker *w)
{
	struct plan *p = leat_arg(w);

	if (leat_index(w) == p->at) {
		for (uint64_t i = 0; i < 1000; i++)
			leat_emit(w, item_make(i));
		end_thread(p);
	}
	return 0;
}

TEST(ended, a_flush)
{
	for (int kind = 0; kind < 6; kind++) {
		uint32_t workers = kind % 3 + 1;
		struct plan p = {.at = workers - 1};
		leat_stage row = {.name = "flushes",
			.fn = pass,
			.arg = &p,
			.open = note_thread,
			.flush = flush_ends,
			.close = count_close,
			.flags = kind < 3 ? 0 : LEAT_ORDERED,
			.workers = workers};
		leat_chain *c = three_rows(&p, 1, row);

		cr_assert_eq(push_all(c), N);
		has_failed(c, &p);
		cr_assert_eq(p.closed, workers);
	}
}

static void close_ends(void *state)
{
	count_close(state);
	end_thread(state);
}

/* Nothing of the items is lost by then, and the other rows go on. */
TEST(ended, a_close_is_told_by_leat_close_alone)
{
	for (uint32_t workers = 1; workers <= 3; workers += 2)
		for (size_t where = 0; where < 3; where++) {
			struct plan p = {.at = 0};
			leat_stage row = {.name = "closes",
				.fn = where == 2 ? deliver : pass,
				.arg = &p,
				.open = note_thread,
				.close = close_ends,
				.workers = workers};
			leat_chain *c = three_rows(&p, where, row);

			cr_assert_eq(push_all(c), N);
			cr_assert_eq(leat_wait(c), 0);
			has_failed(c, &p);
			cr_assert_eq(p.closed, workers);
			cr_assert_eq(p.delivered, N);
		}
}

/* The others */

static int show_and_end(void *item, const leat_report *r, void *arg)
{
	(void)item;
	(void)r;
	end_thread(arg);
}

static int every_tenth_fails(void *in, void **out, leat_worker *w)
{
	(void)w;
	if (item_n(in) % 10 == 9)
		return -EIO;
	*out = in;
	return 0;
}

TEST(ended, the_function_that_is_shown_failed_items)
{
	for (uint32_t retries = 0; retries < 2; retries++) {
		struct plan p = {.row = "fails"};
		leat_opts opts = {.free_in = item_free,
			.failed = show_and_end,
			.failed_arg = &p};
		leat_stage rows[2] = {
			{.name = "fails",
				.fn = every_tenth_fails,
				.workers = 2,
				.retries = retries,
				.on_error = LEAT_SKIP},
			{.name = "last", .fn = deliver, .arg = &p},
		};
		leat_chain *c = open_chain(rows, 2, &opts);

		push_all(c);
		cr_assert_eq(leat_wait(c), LEAT_ETHREAD);
		cr_assert_eq(chain_close(c), LEAT_ETHREAD);
		cr_assert_geq(p.ends, 1);
		another_works();
	}
}

static struct plan *freeing;

static void free_and_end(void *item)
{
	item_free(item);
	if (count_up(&freeing->closed) >= freeing->at && stage_self() != NULL)
		end_thread(freeing);
}

/* Destructors that end the thread again and again. */
TEST(ended, a_destructor)
{
	static const leat_fn fns[] = {twice, drop, swallow};
	static const uint64_t when[] = {0, 1, 200};

	EACH(f, fns) EACH(i, when) for (int kind = 0; kind < 4; kind++)
	{
		struct plan p = {.at = when[i], .row = "frees"};
		leat_opts opts = {.free_in = free_and_end};
		leat_stage rows[2] = {
			{.name = "frees",
				.fn = fns[f],
				.workers = 2,
				.retries = kind % 2,
				.flags = kind < 2 ? 0 : LEAT_ORDERED,
				.free_out = item_free},
			{.name = "last", .fn = pass},
		};
		leat_chain *c = open_chain(rows, 2, &opts);

		freeing = &p;
		push_all(c);
		cr_assert_eq(leat_wait(c), LEAT_ETHREAD);
		has_failed(c, &p);
	}
}

static uint64_t key_ends(const void *item, void *arg)
{
	struct plan *p = arg;

	if (stage_self() != NULL && (uintptr_t)item >= p->at)
		end_thread(p);
	return (uintptr_t)item;
}

static int some_fail_once(void *in, void **out, leat_worker *w)
{
	if ((uintptr_t)in % 3 == 1 && leat_attempt(w) == 0)
		return -EAGAIN;
	*out = in;
	return 0;
}

/*
 * What the key was called for is lost, so these items are numbers. The row is
 * the one that hands on, all of whose items were done then, unless it hands on
 * what came before an item that it has just tried; or it is the key's own,
 * which asks for keys once more if it has retries.
 */
TEST(ended, a_key)
{
	static const uint64_t when[] = {0, 300};

	EACH(i, when) for (uint32_t kind = 0; kind < 8; kind++)
	{
		struct plan p = {.at = when[i], .row = "keyed"};
		leat_opts opts = {.failed = show, .failed_arg = &p};
		leat_stage rows[2] = {
			{.name = "gives",
				.fn = kind & 4 ? some_fail_once : pass,
				.workers = 2,
				.retries = kind / 4,
				.flags = kind & 2 ? LEAT_ORDERED : 0},
			{.name = "keyed",
				.fn = pass,
				.arg = &p,
				.key = key_ends,
				.retries = kind % 2,
				.workers = 2},
		};
		leat_chain *c = open_chain(rows, 2, &opts);
		int rc = 0;

		for (uint64_t n = 0; n < N && rc == 0; n++)
			rc = leat_push(c, item_raw(n));
		cr_assert_eq(leat_wait(c), LEAT_ETHREAD);
		cr_assert_eq(leat_close(c), LEAT_ETHREAD);
		cr_assert_geq(p.ends, 1);
		if (kind % 2 == 0 && kind != 6)
			cr_assert_eq(p.shown, 0);
		another_works();
	}
}

/* Visits: the thread is at home in another row than the one that it ends in. */

static int make_light(void *in, void **out, leat_worker *w)
{
	struct plan *p = leat_arg(w);

	(void)in;
	*out = item_raw(count_up(&p->opened));
	return 0;
}

static int ends_on_a_visit(void *in, void **out, leat_worker *w)
{
	struct plan *p = leat_arg(w);

	*out = in;
	if ((uintptr_t)in >= p->at && load_relaxed(&w->thread->away) != 0) {
		while (p->manner == STUCK && !leat_stopping(w) &&
			look(&p->opened) < (uintptr_t)in + 2000)
			rest(20 * LEAT_US);
		end_thread(p);
	}
	if ((uintptr_t)in == 200000)
		leat_stop(w->stage->chain);
	return 0;
}

/*
 * visit_ends returns whether there was a visit, which it cannot make sure. A
 * visitor that is stuck waits for what its own home is yet to make, so another
 * thread has that by the time it ends.
 */
static bool visit_ends(uint32_t workers, size_t where, enum manner manner)
{
	struct plan p = {.at = 50, .row = "visited", .manner = manner};
	leat_stage rows[4] = {
		{.name = "make",
			.source = make_light,
			.arg = &p,
			.free_out = leat_keep},
		{.name = "first", .fn = pass, .workers = workers},
		{.name = "second", .fn = pass, .workers = workers},
		{.name = "third", .fn = pass, .workers = workers},
	};
	leat_chain *c;

	rows[where] = (leat_stage){.name = "visited",
		.fn = ends_on_a_visit,
		.arg = &p,
		.open = note_thread,
		.queue = 8192,
		.workers = workers};
	c = open_chain(rows, 4, NULL);
	chain_rest(c);
	if (p.ends == 0) {
		cr_assert_eq(chain_close(c), 0);
		return false;
	}
	cr_assert_eq(leat_wait(c), LEAT_ETHREAD);
	has_failed(c, &p);
	return true;
}

/* Several workers of the row behind the source visit it, and not the other way
 * round. */
TEST(ended, a_visitor_and_the_row_is_the_one_visited)
{
	for (uint32_t workers = 1; workers <= 3; workers += 2)
		for (size_t where = workers == 1 ? 1 : 2; where < 4; where++) {
			enum manner m = where == 1 ? STUCK : PLAINLY;
			int round = 0;

			while (!visit_ends(workers, where, m) && round < 50)
				round++;
			cr_assert_lt(round, 50, "no visit to row %zu", where);
		}
}

/* Cancellation from elsewhere */

static void cancel_all(const struct plan *p, uint32_t workers)
{
	for (uint32_t i = 0; i < workers; i++)
		cr_assert_eq(pthread_cancel(p->thread[i]), 0);
}

/* Before, between and after the items: it has no effect anywhere. */
TEST(ended, a_cancellation_is_left_pending)
{
	struct plan p = {.at = UINT64_MAX};
	leat_stage row = {.name = "calm",
		.fn = ends_at,
		.arg = &p,
		.open = note_thread,
		.close = count_close,
		.workers = 3};
	leat_chain *c = three_rows(&p, 1, row);
	const leat_queue *q = c->edge[1].queue[0];

	await_parked(&q->not_empty, 1);
	cancel_all(&p, 3);
	cr_assert_eq(push_all(c), N);
	cancel_all(&p, 3);
	cr_assert_eq(leat_wait(c), 0);
	cr_assert_eq(p.delivered, N);
	cr_assert_eq(chain_close(c), 0);
	cr_assert_eq(p.closed, 3);
}

static int sleeps_enabled(void *in, void **out, leat_worker *w)
{
	struct plan *p = leat_arg(w);

	(void)in;
	(void)out;
	count_up(&p->ends);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	rest(20 * LEAT_S);
	nothing_after();
	return 0;
}

TEST(ended, a_function_that_enables_it_ends_by_it)
{
	struct plan p = {.row = "sleeps"};
	leat_stage row = {.name = "sleeps",
		.fn = sleeps_enabled,
		.arg = &p,
		.open = note_thread,
		.workers = 1};
	leat_chain *c;

	if (SANITIZER)
		cr_skip_test("one misses a lock, one sees frames that "
			     "are gone");
	c = single(row, 0);
	push_items(c, 0, 3);
	await_at_least(&p.ends, 1);
	cancel_all(&p, 1);
	cr_assert_eq(leat_wait(c), LEAT_ETHREAD);
	has_failed(c, &p);
}

static int opens_enabled(void **state, leat_worker *w)
{
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	return note_thread(state, w);
}

static int cancels_first(void **state, leat_worker *w)
{
	pthread_cancel(pthread_self());
	return opens_enabled(state, w);
}

/* A cancellation that is pending at the end of open does not act in the
 * library, which waits there. */
TEST(ended, an_open_that_leaves_it_enabled)
{
	struct plan p = {.at = UINT64_MAX};
	leat_stage row = {.name = "opens",
		.fn = ends_at,
		.arg = &p,
		.open = cancels_first,
		.workers = 2};
	leat_chain *c = single(row, 0);

	push_items(c, 0, 100);
	cr_assert_eq(chain_close(c), 0);
}
