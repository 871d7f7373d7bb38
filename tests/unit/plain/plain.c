/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs the tests of a program, one after the other; or those whose names
 * contain the argument. */
#include "tests/unit/plain/criterion/criterion.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_S 60
#define FAILED	1
#define SKIPPED 77

static struct plain_test *first;

void plain_add(struct plain_test *test)
{
	struct plain_test **at = &first;

	while (*at != NULL)
		at = &(*at)->next;
	*at = test;
}

void plain_fail(const char *file, int line, const char *condition,
	const char *format, ...)
{
	va_list args;

	printf("%s:%d: %s", file, line, condition);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(FAILED);
}

void plain_skip(const char *why)
{
	printf("skipped: %s\n", why);
	exit(SKIPPED);
}

/* The limit grows where everything is slow, as for tests/run. */
static unsigned limit(void)
{
	const char *slow = getenv("LEAT_SLOW");

	return LIMIT_S * (slow == NULL ? 1 : (unsigned)strtoul(slow, NULL, 10));
}

static int run(const struct plain_test *test)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		alarm(limit());
		test->run();
		exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("fork");
		return FAILED;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("signal %d\n", WTERMSIG(status));
	return FAILED;
}

int main(int argc, char **argv)
{
	int passed = 0, failed = 0;

	for (const struct plain_test *t = first; t != NULL; t = t->next) {
		int rc;

		if (argc > 1 && strstr(t->name, argv[1]) == NULL)
			continue;
		rc = run(t);
		passed += rc == 0;
		failed += rc != 0 && rc != SKIPPED;
		if (rc != 0)
			printf("%s::%s: %d\n", t->suite, t->name, rc);
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : FAILED;
}
