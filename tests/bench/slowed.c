/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A clock for a program that valgrind slows down: its time goes by slower, too,
 * so that the library finds its items as short as they are and takes as many at
 * a time. Linked with --wrap, in front of clock_gettime and of syscall, of
 * whose uses here only a futex has a deadline.
 */
#include <stdarg.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#define SLOWER 64
#define SECOND UINT64_C(1000000000)

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static struct timespec split(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / SECOND),
		.tv_nsec = (long)(ns % SECOND)};
}

static uint64_t joined(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * SECOND + (uint64_t)ts->tv_nsec;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = __real_clock_gettime(id, ts);

	*ts = split(joined(ts) / SLOWER);
	return rc;
}

long __wrap_syscall(long number, ...)
{
	struct timespec *until, real;
	uint32_t *word, *word2, last;
	int op, value;
	va_list args;

	va_start(args, number);
	word = va_arg(args, uint32_t *);
	op = va_arg(args, int);
	value = va_arg(args, int);
	if (number != SYS_futex) {
		va_end(args);
		return __real_syscall(number, word, op, value);
	}
	until = va_arg(args, struct timespec *);
	word2 = va_arg(args, uint32_t *);
	last = va_arg(args, uint32_t);
	va_end(args);
	if (until != NULL) {
		real = split(joined(until) * SLOWER);
		until = &real;
	}
	return __real_syscall(number, word, op, value, until, word2, last);
}
