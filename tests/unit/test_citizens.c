/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bad citizens and hard places: functions that call everything on their own
 * chain, chains by the thousand, little memory, few threads, one processor.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "queues/wait.h"
#include "stages/chain.h"
#include "tests/unit/unit.h"

/* Everything on one's own chain: refused, or harmless; nothing waits. */

struct own {
	leat_chain *c;
	uint64_t pushed, calls;
};

static void call_what_would_wait(leat_chain *c)
{
	void *item = item_make(7);
	void *got[2];
	size_t n = 9;

	check(leat_push(c, item) == -EDEADLK);
	check(leat_push_until(c, item, 0) == -EDEADLK);
	check(leat_push_until(c, item, LEAT_NEVER) == -EDEADLK);
	check(leat_pushn(c, &item, 1, &n) == -EDEADLK && n == 0);
	check(leat_pull(c, got) == -EDEADLK);
	check(leat_pull_until(c, got, 0) == -EDEADLK);
	check(leat_pulln(c, got, 2, &n) == -EDEADLK && n == 0);
	check(leat_wait(c) == -EDEADLK);
	check(leat_wait_until(c, 0) == -EDEADLK);
	check(leat_close(c) == -EDEADLK);
	item_free(item);
}

static void call_what_does_not_wait(struct own *o, leat_worker *w)
{
	void *item = item_make(8), *got;
	leat_counts counts[2];
	leat_report r;
	int rc = leat_trypush(o->c, item);

	check(rc == 0 || rc == -EAGAIN);
	if (rc == 0)
		count_up(&o->pushed);
	else
		item_free(item);
	rc = leat_trypull(o->c, &got);
	check(rc == 0 || rc == -EAGAIN);
	if (rc == 0)
		item_free(got);
	check(leat_failure(o->c, &r) == 0);
	check(leat_stats(o->c, counts, 2) == 1);
	check(leat_stopping(w) == 0);
	check(leat_arg(w) == o);
}

static int call_everything(void *in, void **out, leat_worker *w)
{
	struct own *o = leat_arg(w);

	call_what_would_wait(o->c);
	if (item_n(in) < 8)
		call_what_does_not_wait(o, w);
	leat_emit(w, item_make(1));
	*out = in;
	count_up(&o->calls);
	return 0;
}

TEST(citizens, a_stage_may_call_everything_on_its_own_chain)
{
	struct own o = {.pushed = 0};
	leat_stage row = {
		.name = "a", .fn = call_everything, .arg = &o, .workers = 2};
	leat_opts opts = {.free_in = item_free, .results = 1000};

	o.c = open_chain(&row, 1, &opts);
	push_items(o.c, 0, 20);
	cr_assert_eq(leat_wait(o.c), 0);
	cr_assert_eq(leat_close(o.c), 0);
	cr_assert_eq(o.calls, 20 + o.pushed);
}

static int end_everything(void *in, void **out, leat_worker *w)
{
	struct own *o = leat_arg(w);

	leat_end(o->c);
	leat_stop(o->c);
	check(leat_stopping(w) == 1);
	leat_cancel(o->c);
	leat_stop(o->c);
	leat_end(o->c);
	check(leat_failure(o->c, NULL) == 0);
	call_what_would_wait(o->c);
	check(leat_trypush(o->c, in) == -ECANCELED);
	*out = in;
	return 0;
}

TEST(citizens, a_stage_may_end_stop_and_cancel_its_own_chain)
{
	for (int round = 0; round < 50; round++) {
		struct own o = {.pushed = 0};
		leat_stage row = {.name = "a",
			.fn = end_everything,
			.arg = &o,
			.workers = 3};
		leat_opts opts = {.free_in = item_free, .results = 3};
		struct gate gate = {0, 0};
		leat_stage rows[2] = {
			{.name = "wait",
				.fn = hold,
				.arg = &gate,
				.workers = 1},
			row,
		};

		o.c = open_chain(rows, 2, &opts);
		push_items(o.c, 0, 2);
		gate_open(&gate);
		cr_assert_eq(leat_wait(o.c), -ECANCELED);
		cr_assert_eq(chain_close(o.c), -ECANCELED);
		cr_assert_eq(items_alive(), 0);
	}
}

/* A chain in a stage of another one is another matter. */
static int run_another(void *in, void **out, leat_worker *w)
{
	uint64_t sum = 0;
	leat_stage row = {.name = "a", .fn = add, .arg = &sum, .workers = 2};
	leat_opts opts = {.free_in = item_free};
	leat_chain *c;

	(void)w;
	*out = in;
	check(leat_open(&c, &row, 1, &opts) == 0);
	for (uint64_t i = 0; i < 10; i++)
		check(leat_push(c, item_make(i)) == 0);
	check(leat_wait(c) == 0);
	check(sum == 45);
	check(leat_close(c) == 0);
	return 0;
}

TEST(citizens, a_stage_may_use_a_chain_of_its_own)
{
	leat_chain *c = single(
		(leat_stage){.name = "a", .fn = run_another, .workers = 4}, 0);

	push_items(c, 0, 50);
	cr_assert_eq(chain_close(c), 0);
}

/* Many */

static uint64_t entries_of(const char *path)
{
	DIR *d = opendir(path);
	uint64_t n = 0;

	cr_assert_not_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static leat_chain *small_chain(void)
{
	static const leat_stage rows[2] = {
		{.name = "a", .fn = pass, .workers = 1, .queue = 2},
		{.name = "b", .fn = pass, .workers = 2, .queue = 2},
	};
	leat_opts opts = {.free_in = item_free, .results = 2};

	return open_chain(rows, 2, &opts);
}

TEST(citizens, a_thousand_chains_one_after_another_leave_nothing)
{
	uint64_t files = entries_of("/proc/self/fd");

	for (uint64_t i = 0; i < FEWER(1000); i++) {
		leat_chain *c = small_chain();
		void *item;

		push_items(c, i, 2);
		cr_assert_eq(leat_pull(c, &item), 0);
		item_free(item);
		cr_assert_eq(chain_close(c), 0);
	}
	cr_assert_eq(items_alive(), 0);
	cr_assert_eq(entries_of("/proc/self/fd"), files);
}

TEST(citizens, two_hundred_chains_alive_at_once_do_not_mix)
{
	leat_chain *c[200];
	void *item;

	EACH(i, c)
	{
		c[i] = small_chain();
	}
	EACH(i, c)
	{
		push_items(c[i], 10 * i, 2);
	}
	EACH(i, c)
	{
		for (uint64_t k = 0; k < 2; k++) {
			cr_assert_eq(leat_pull(c[i], &item), 0);
			cr_assert_eq(item_n(item) / 10, i);
			item_free(item);
		}
		cr_assert_eq(leat_close(c[i]), 0);
	}
}

/* Threads: their stack, name, signals, and number */

static int tell_stack(void *in, void **out, leat_worker *w)
{
	pthread_attr_t attr;
	size_t size = 0;

	(void)in;
	(void)out;
	check(pthread_getattr_np(pthread_self(), &attr) == 0);
	check(pthread_attr_getstacksize(&attr, &size) == 0);
	pthread_attr_destroy(&attr);
	__atomic_store_n((uint64_t *)leat_arg(w), size, __ATOMIC_SEQ_CST);
	return 0;
}

TEST(citizens, workers_get_the_stack_asked_for)
{
	uint64_t size = 0;
	leat_stage row = {
		.name = "a", .fn = tell_stack, .arg = &size, .workers = 1};
	leat_opts opts = {.stack = 512 << 10};
	leat_chain *c;

	if (THREAD_SANITIZER)
		cr_skip_test("ThreadSanitizer makes stacks larger");
	c = open_chain(&row, 1, &opts);
	cr_assert_eq(leat_push(c, NULL), 0);
	cr_assert_eq(chain_close(c), 0);
	cr_assert_eq(size, 512 << 10);
}

TEST(citizens, a_stack_that_is_too_small_is_refused)
{
	leat_stage row = {.name = "a", .fn = pass, .workers = 3};
	leat_opts opts = {.stack = 1, .report = &unit_report};
	leat_chain *c = (leat_chain *)&row;

	cr_assert_eq(leat_open(&c, &row, 1, &opts), -EINVAL);
	cr_assert_null(c);
	cr_assert(strstr(unit_report.text, "opts.stack") != NULL);
	cr_assert_str_eq(unit_report.stage, "a");
}

struct named {
	char name[4][16];
	uint64_t n;
};

static int tell_name(void **state, leat_worker *w)
{
	struct named *n = leat_arg(w);

	(void)state;
	pthread_getname_np(pthread_self(), n->name[leat_index(w)], 16);
	return 0;
}

TEST(citizens, workers_are_named_after_their_stage)
{
	static const struct {
		const char *name;
		uint32_t workers;
		const char *last;
	} cases[] = {
		{"short", 1, "short"},
		{"short", 4, "short/3"},
		{"a name that is too long", 1, "a name that is "},
		{"a name that is too long", 4, "a name that i/3"},
	};

	EACH(i, cases)
	{
		struct named n = {.n = 0};
		leat_stage row = {.name = cases[i].name,
			.fn = pass,
			.open = tell_name,
			.arg = &n,
			.workers = cases[i].workers};
		leat_chain *c = open_chain(&row, 1, NULL);

		cr_assert_eq(chain_close(c), 0);
		cr_assert_str_eq(n.name[cases[i].workers - 1], cases[i].last);
	}
}

static int blocks_all(void *in, void **out, leat_worker *w)
{
	sigset_t set;

	(void)in;
	(void)out;
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	for (int i = 1; i < 32; i++)
		if (i != SIGKILL && i != SIGSTOP && sigismember(&set, i) != 1)
			count_up(leat_arg(w));
	return 0;
}

static pthread_t main_thread;
static uint64_t caught, elsewhere;

static void catch_signal(int number)
{
	(void)number;
	count_up(pthread_equal(pthread_self(), main_thread) ? &caught
							    : &elsewhere);
}

TEST(citizens, signals_never_land_in_workers)
{
	struct sigaction action = {.sa_handler = catch_signal};
	uint64_t open = 0;
	leat_chain *c = single((leat_stage){.name = "a",
				       .fn = blocks_all,
				       .arg = &open,
				       .workers = 4},
		0);

	main_thread = pthread_self();
	cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
	for (uint64_t i = 0; i < 500; i++) {
		push_items(c, i, 1);
		kill(getpid(), SIGUSR1);
	}
	cr_assert_eq(chain_close(c), 0);
	cr_assert_eq(open, 0);
	cr_assert_eq(elsewhere, 0);
	cr_assert_gt(caught, 0);
}

TEST(citizens, no_thread_is_there_but_the_workers_asked_for)
{
	uint64_t before = entries_of("/proc/self/task");
	leat_stage rows[3] = {
		{.name = "a", .fn = pass, .workers = 3},
		{.name = "b", .fn = pass, .workers = 4},
		{.name = "c", .fn = pass, .workers = 1},
	};
	leat_opts opts = {.free_in = item_free};
	leat_chain *c;

	if (THREAD_SANITIZER)
		cr_skip_test("ThreadSanitizer has a thread of its own");
	c = open_chain(rows, 3, &opts);
	cr_assert_eq(entries_of("/proc/self/task"), before + 8);
	push_items(c, 0, 1000);
	cr_assert_eq(entries_of("/proc/self/task"), before + 8);
	cr_assert_eq(leat_wait(c), 0);
	cr_assert_eq(chain_close(c), 0);
}

/* One processor */

static void stay_on_one_processor(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
}

TEST(citizens, one_processor_is_enough)
{
	uint64_t sum = 0;
	leat_stage rows[3] = {
		{.name = "a", .fn = pass, .queue = 1},
		{.name = "b",
			.fn = pass,
			.workers = 7,
			.queue = 1,
			.flags = LEAT_ORDERED},
		{.name = "c", .fn = add, .arg = &sum},
	};
	leat_opts opts = {.free_in = item_free};
	leat_counts s;
	leat_chain *c;

	stay_on_one_processor();
	c = open_chain(rows, 3, &opts);
	leat_stats(c, &s, 1);
	cr_assert_eq(s.workers, 1);
	push_items(c, 0, 2000);
	cr_assert_eq(chain_close(c), 0);
	cr_assert_eq(sum, 2000 * 1999 / 2);
}

static pid_t start_hog(void)
{
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child == 0)
		for (prctl(PR_SET_PDEATHSIG, SIGKILL);;)
			;
	return child;
}

#define OFTEN 100000

static void push_until_shunned(void *arg, size_t i)
{
	uint64_t n = 0;

	(void)i;
	while (!wait_shuns(leat_now()) || n % OFTEN != 0)
		check(leat_queue_push(arg, item_raw(++n)) == 0);
	leat_queue_end(arg);
}

/* Who shares a processor with others passes items on as if it were alone, and
 * finds out that it had better sleep than yield. */
TEST(citizens, others_want_the_processor)
{
	leat_queue_opts opts = {.capacity = 64, .producers = 1, .consumers = 1};
	struct threads t;
	uint64_t n = 0;
	pid_t hog[3];
	leat_queue *q;
	void *item;

	stay_on_one_processor();
	EACH(i, hog)
	hog[i] = start_hog();
	cr_assert_eq(leat_queue_open(&q, &opts), 0);
	threads_start(&t, 1, push_until_shunned, q);
	while (leat_queue_pop(q, &item) == 0)
		check(item == item_raw(++n));
	threads_join(&t);
	cr_assert(n > 0 && n % OFTEN == 0);
	leat_queue_close(q);
	EACH(i, hog)
	{
		kill(hog[i], SIGKILL);
		cr_assert_eq(waitpid(hog[i], NULL, 0), hog[i]);
	}
}

/* Little memory, few threads: an error at open, nothing left, no hang. */

static int open_many(uint32_t workers, uint64_t stack)
{
	leat_stage rows[2] = {
		{.name = "a", .fn = pass, .workers = workers},
		{.name = "b", .fn = pass, .workers = workers},
	};
	leat_opts opts = {.stack = stack, .report = &unit_report};
	leat_chain *c = (leat_chain *)rows;
	int rc = leat_open(&c, rows, 2, &opts);

	cr_assert((rc == 0) == (c != NULL));
	if (rc == 0)
		leat_close(c);
	return rc;
}

/* Threads leave /proc a little after they were joined. */
static void await_tasks(uint64_t n)
{
	uint64_t until = leat_after(10 * LEAT_S);

	while (entries_of("/proc/self/task") > n && leat_now() < until)
		rest(LEAT_MS);
	cr_assert_eq(entries_of("/proc/self/task"), n);
}

TEST(citizens, little_memory_is_an_error_at_open)
{
	uint64_t tasks = entries_of("/proc/self/task");

	if (!limit_memory(64 << 20))
		cr_skip_test("sanitizers need the memory");
	for (int i = 0; i < 20; i++) {
		int rc = open_many(100, 4 << 20);

		cr_assert(rc == -EAGAIN || rc == -ENOMEM, "%d", rc);
		cr_assert_str_neq(unit_report.text, "");
	}
	await_tasks(tasks);
	cr_assert_eq(open_many(2, 64 << 10), 0);
	unlimit_memory();
	cr_assert_eq(open_many(100, 0), 0);
}

/* In a child, which then is nobody: root may have any number of threads. */
static int open_with_few_threads(void)
{
	struct rlimit few = {5, 5};

	if (getuid() == 0 && (setgid(54321) != 0 || setuid(54321) != 0))
		return 77;
	if (setrlimit(RLIMIT_NPROC, &few) != 0)
		return 77;
	if (open_many(20, 0) != -EAGAIN)
		return 1;
	return open_many(1, 0) == 0 ? 0 : 2;
}

TEST(citizens, few_threads_are_an_error_at_open)
{
	pid_t child = getuid() == 0 ? fork() : 0;
	int status = 0;

	if (getuid() != 0)
		cr_skip_test("others' threads count too");
	cr_assert_geq(child, 0);
	if (child == 0)
		_exit(open_with_few_threads());
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 0);
}

/* fork: the child leaves the parent's chains alone. */
TEST(citizens, a_child_may_leave_while_chains_are_at_work)
{
	uint64_t sum = 0;
	leat_chain *c = single(
		(leat_stage){.name = "a", .fn = add, .arg = &sum, .workers = 4},
		0);

	for (uint64_t i = 0; i < 20; i++) {
		pid_t child;
		int status = 1;

		push_items(c, 100 * i, 100);
		child = fork();
		cr_assert_geq(child, 0);
		if (child == 0)
			_exit(0);
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert_eq(status, 0);
	}
	cr_assert_eq(chain_close(c), 0);
	cr_assert_eq(sum, 2000 * 1999 / 2);
}

/* In a child that never used a chain of the parent's, the library works. */
static int use_in_child(void)
{
	leat_stage row = {.name = "a", .fn = swallow, .workers = 2};
	leat_chain *c;

	if (leat_open(&c, &row, 1, NULL) != 0)
		return 1;
	for (int i = 0; i < 100; i++)
		if (leat_push(c, NULL) != 0)
			return 2;
	return leat_close(c) == 0 ? 0 : 3;
}

TEST(citizens, a_child_may_open_chains_of_its_own)
{
	leat_chain *c = small_chain();
	pid_t child;
	int status = 1;

	if (THREAD_SANITIZER)
		cr_skip_test("ThreadSanitizer allows no threads there");
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0)
		_exit(use_in_child());
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	cr_assert_eq(chain_close(c), 0);
}
