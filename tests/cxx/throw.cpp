/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions that leave a function of the caller's: on a worker's thread they
 * end the process by std::terminate, whatever the program would catch; a key on
 * the thread that pushes is the pusher's own. Prints "N passed, N failed".
 */
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <leat.h>

#define IN_TIME 60 /* seconds; a child that hangs ends by SIGALRM */

static int passed, failed;

static void is(const char *what, bool ok)
{
	if (!ok)
		std::printf("FAIL: %s\n", what);
	ok ? passed++ : failed++;
}

/* Functions that throw */

static int fn_throws(void *, void **, leat_worker *)
{
	throw std::runtime_error("out of a function");
}

static int later_throws(void *, void **, leat_worker *w)
{
	if (leat_seq(w) == 777)
		throw std::runtime_error("out of a later call");
	return LEAT_DROP;
}

static int open_throws(void **, leat_worker *)
{
	throw std::runtime_error("out of open");
}

static int flush_throws(leat_worker *)
{
	throw std::runtime_error("out of flush");
}

static void close_throws(void *)
{
	throw std::runtime_error("out of close");
}

static std::uint64_t key_throws(const void *, void *)
{
	throw std::runtime_error("out of key");
}

static int hook_throws(void *, const leat_report *, void *)
{
	throw std::runtime_error("out of failed");
}

static int call_throws(void *, void *, leat_worker *)
{
	throw std::runtime_error("out of a call");
}

static void done_throws(const leat_done *, void *)
{
	throw std::runtime_error("out of done");
}

/* Functions that do not */

static int pass(void *in, void **out, leat_worker *)
{
	*out = in;
	return 0;
}

static int fail(void *, void **, leat_worker *)
{
	return -EIO;
}

static int give(void *, void **, leat_worker *w)
{
	return leat_seq(w) < 1000 ? 0 : LEAT_END;
}

static int call(void *, void *, leat_worker *)
{
	return 0;
}

/* What a child does */

static leat_stage row_of(leat_fn fn, const char *name = "row")
{
	leat_stage row = leat_stage();

	row.name = name;
	row.fn = fn;
	row.workers = 2;
	return row;
}

static void run(leat_stage row, leat_opts opts)
{
	leat_chain *c;
	leat_stage rows[2] = {row_of(pass, "first"), row};

	if (leat_open(&c, rows, 2, &opts) != 0)
		return;
	for (int i = 0; i < 1000; i++)
		leat_push(c, nullptr);
	leat_close(c);
}

static void run_source()
{
	leat_stage rows[2] = {row_of(nullptr, "first"), row_of(pass)};

	rows[0].source = fn_throws;
	rows[0].workers = 1;
	leat_run(rows, 2, nullptr);
}

/* Light rows, so that their functions run as visits too. */
static void run_visited()
{
	leat_stage rows[3] = {row_of(nullptr, "first"), row_of(pass, "second"),
		row_of(later_throws)};

	rows[0].source = give;
	for (leat_stage &row : rows)
		row.workers = 1;
	leat_run(rows, 3, nullptr);
}

static void run_fan(leat_fan_opts opts)
{
	leat_fan *fan;

	opts.workers = 2;
	if (leat_fan_open(&fan, &opts) != 0)
		return;
	for (std::uint64_t n = 0; n < 1000; n++)
		leat_call(fan, leat_u64(n), nullptr, 0);
	leat_fan_close(fan);
}

enum who {
	FN,
	RETRIED,
	OPEN,
	FLUSH,
	CLOSE,
	KEY,
	HOOK,
	SOURCE,
	VISITED,
	CALL,
	DONE,
	FAN_OPEN,
	WHOS
};

static const char *const texts[WHOS] = {"out of a function",
	"out of a function", "out of open", "out of flush", "out of close",
	"out of key", "out of failed", "out of a function",
	"out of a later call", "out of a call", "out of done", "out of open"};

static void run_row(who w)
{
	leat_opts opts = leat_opts();
	leat_stage row = row_of(w == FN || w == RETRIED ? fn_throws
				: w == HOOK		? fail
							: pass);

	row.retries = w == RETRIED ? 3 : 0;
	row.open = w == OPEN ? open_throws : nullptr;
	row.flush = w == FLUSH ? flush_throws : nullptr;
	row.close = w == CLOSE ? close_throws : nullptr;
	row.key = w == KEY ? key_throws : nullptr;
	opts.failed = w == HOOK ? hook_throws : nullptr;
	run(row, opts);
}

static void run_any_fan(who w)
{
	leat_fan_opts opts = leat_fan_opts();

	opts.fn = w == CALL ? call_throws : call;
	opts.done = w == DONE ? done_throws : nullptr;
	opts.open = w == FAN_OPEN ? open_throws : nullptr;
	run_fan(opts);
}

/* In the thread that found nobody to catch; others may come to it as well. */
static void say_and_abort()
{
	static std::atomic_flag said = ATOMIC_FLAG_INIT;
	char text[100] = "";

	while (said.test_and_set())
		pause();
	try {
		std::rethrow_exception(std::current_exception());
	} catch (const std::exception &e) {
		std::snprintf(text, sizeof(text), "terminate: %s", e.what());
	} catch (...) {
	}
	if (write(STDOUT_FILENO, text, std::strlen(text)) < 0)
		_exit(3);
	std::abort();
}

[[noreturn]] static void be_child(who w, int out)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	dup2(out, STDOUT_FILENO);
	alarm(IN_TIME);
	std::set_terminate(say_and_abort);
	try {
		if (w == SOURCE)
			run_source();
		else if (w == VISITED)
			run_visited();
		else if (w >= CALL)
			run_any_fan(w);
		else
			run_row(w);
	} catch (...) {
		_exit(1); /* it came to the wrong thread */
	}
	_exit(2);
}

static std::string all_of(int fd)
{
	std::string text;
	char buffer[100];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		text.append(buffer, static_cast<std::size_t>(n));
	return text;
}

static void terminates(who w)
{
	std::string said;
	int ends[2], status = 0;
	pid_t child;

	if (pipe(ends) != 0)
		std::abort();
	std::fflush(stdout);
	child = fork();
	if (child == 0)
		be_child(w, ends[1]);
	close(ends[1]);
	said = all_of(ends[0]);
	close(ends[0]);
	is("a child", child > 0 && waitpid(child, &status, 0) == child);
	is("ended by abort",
		WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	is(texts[w], said == std::string("terminate: ") + texts[w]);
}

/* A key on the thread that pushes */

static std::uint64_t key_throws_at(const void *item, void *at)
{
	if (item == at)
		throw std::out_of_range("not this one");
	return reinterpret_cast<std::uintptr_t>(item);
}

static int add_up(void *in, void **, leat_worker *w)
{
	__atomic_fetch_add(static_cast<std::uint64_t *>(leat_arg(w)),
		reinterpret_cast<std::uintptr_t>(in), __ATOMIC_RELAXED);
	return LEAT_DROP;
}

static void *number(std::uintptr_t n)
{
	return reinterpret_cast<void *>(n);
}

/* The key has the row's arg, too: a place to add up, which no item is. */
static std::uint64_t key_throws_at_five(const void *item, void *)
{
	return key_throws_at(item, number(5));
}

static bool throws(leat_chain *c, int how, std::size_t *pushed)
{
	void *items[] = {number(3), number(4), number(5), number(6)};

	try {
		if (how == 0)
			leat_push(c, items[2]);
		else if (how == 1)
			leat_trypush(c, items[2]);
		else if (how == 2)
			leat_push_until(c, items[2], LEAT_NEVER);
		else
			leat_pushn(c, items, 4, pushed);
	} catch (const std::out_of_range &) {
		return true;
	}
	return false;
}

static void pushers_own()
{
	leat_stage row = row_of(add_up);
	std::uint64_t sum = 0;
	std::size_t pushed = 0;
	leat_chain *c;

	row.key = key_throws_at_five;
	row.arg = &sum;
	is("open", leat_open(&c, &row, 1, nullptr) == 0);
	is("push", leat_push(c, number(1)) == 0);
	for (int how = 0; how < 4; how++)
		is("it comes out of the push", throws(c, how, &pushed));
	is("those before it are in", pushed == 2);
	is("and the chain goes on", leat_push(c, number(2)) == 0);
	is("close", leat_close(c) == 0);
	is("as if refused", sum == 1 + 3 + 4 + 2);
}

int main()
{
	for (int w = 0; w < WHOS; w++)
		terminates(static_cast<who>(w));
	pushers_own();
	std::printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
