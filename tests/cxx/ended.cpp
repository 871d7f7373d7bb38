/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * C++ functions that end their thread: what is in their way out is destroyed
 * and the chain fails; but a function that cannot be left in that way ends the
 * process. Prints "N passed, N failed".
 */
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <leat.h>

#define IN_TIME 60 /* seconds; what hangs ends by SIGALRM */

static int passed, failed;
static std::uint64_t destroyed;

static void is(const char *what, bool ok)
{
	if (!ok)
		std::printf("FAIL: %s\n", what);
	ok ? passed++ : failed++;
}

struct witness {
	std::string text;

	witness() : text(100, 'x')
	{
	}
	~witness()
	{
		__atomic_fetch_add(&destroyed, 1, __ATOMIC_RELAXED);
	}
};

/* Ways out */

static void end_thread()
{
	witness inner;

	pthread_exit(nullptr);
}

static void plainly()
{
	witness outer;

	end_thread();
}

static void thrown_on()
{
	try {
		plainly();
	} catch (...) {
		throw;
	}
}

static void caught()
{
	try {
		plainly();
	} catch (...) {
	}
}

static void barred() noexcept
{
	plainly();
}

typedef void way();

/* The way is the item, or the argument. */
static int go(void *in, void **, leat_worker *)
{
	(*static_cast<way **>(in))();
	return LEAT_DROP;
}

static int call(void *in, void *, leat_worker *)
{
	(*static_cast<way **>(in))();
	return 0;
}

static int run_chain(way *w)
{
	leat_stage row = leat_stage();
	leat_chain *c;

	row.name = "ends";
	row.fn = go;
	row.workers = 2;
	if (leat_open(&c, &row, 1, nullptr) != 0)
		std::abort();
	leat_push(c, &w);
	is("leat_wait", leat_wait(c) == LEAT_ETHREAD);
	return leat_close(c);
}

static int run_fan(way *w)
{
	leat_fan_opts opts = leat_fan_opts();
	leat_fan *fan;

	opts.fn = call;
	opts.workers = 2;
	if (leat_fan_open(&fan, &opts) != 0)
		std::abort();
	leat_call(fan, leat_u64(1), &w, 0);
	is("leat_fan_wait", leat_fan_wait(fan) == LEAT_ETHREAD);
	return leat_fan_close(fan);
}

static void returns_the_code(const char *what, way *w)
{
	destroyed = 0;
	is(what, run_chain(w) == LEAT_ETHREAD);
	is("all is destroyed", destroyed == 2);
	run_fan(w);
	is("in a fan too", destroyed == 4);
}

static void ends_the_process(const char *what, way *w, int (*run)(way *))
{
	struct rlimit none = {0, 0};
	int status = 0;
	pid_t child;

	std::fflush(stdout);
	child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &none);
		alarm(IN_TIME);
		close(STDERR_FILENO);
		run(w);
		_exit(0);
	}
	is("a child", child > 0 && waitpid(child, &status, 0) == child);
	is(what, WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main()
{
	alarm(IN_TIME);
	returns_the_code("plainly", plainly);
	returns_the_code("caught and thrown on", thrown_on);
	ends_the_process("caught", caught, run_chain);
	ends_the_process("caught in a fan", caught, run_fan);
	ends_the_process("noexcept", barred, run_chain);
	ends_the_process("noexcept in a fan", barred, run_fan);
	std::printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
