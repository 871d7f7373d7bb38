/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the unit tests use of Criterion's interface, for where Criterion does
 * not run: under ThreadSanitizer it crashes. Each test is a process of its own,
 * with a time limit. An assertion ends the process, so it may be made in any
 * thread.
 */
#ifndef PLAIN_CRITERION_H
#define PLAIN_CRITERION_H

#include <string.h>

struct plain_test {
	const char *suite, *name;
	void (*run)(void);
	struct plain_test *next;
};

void plain_add(struct plain_test *test);
_Noreturn void plain_fail(const char *file, int line, const char *condition,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
_Noreturn void plain_skip(const char *why);

/* The limits are in plain.c, the same for all. */
#define TestSuite(suite, ...) struct plain_suite_##suite

#define Test(suite, test, ...)                                               \
	static void plain_##suite##_##test(void);                            \
	__attribute__((constructor)) static void plain_add_##suite##_##test( \
		void)                                                        \
	{                                                                    \
		static struct plain_test t = {                               \
			#suite, #test, plain_##suite##_##test, 0};           \
		plain_add(&t);                                               \
	}                                                                    \
	static void plain_##suite##_##test(void)

#define PLAIN_ASSERT(condition, text, ...) \
	((condition) ? (void)0             \
		     : plain_fail(__FILE__, __LINE__, text, " " __VA_ARGS__))

#define cr_assert(a, ...)     PLAIN_ASSERT(a, #a, __VA_ARGS__)
#define cr_assert_not(a, ...) PLAIN_ASSERT(!(a), "not " #a, __VA_ARGS__)
#define cr_assert_null(a, ...) \
	PLAIN_ASSERT((a) == NULL, #a " == NULL", __VA_ARGS__)
#define cr_assert_not_null(a, ...) \
	PLAIN_ASSERT((a) != NULL, #a " != NULL", __VA_ARGS__)
#define cr_assert_eq(a, b, ...) \
	PLAIN_ASSERT((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) \
	PLAIN_ASSERT((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) \
	PLAIN_ASSERT((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) \
	PLAIN_ASSERT((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) \
	PLAIN_ASSERT((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) \
	PLAIN_ASSERT((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) \
	PLAIN_ASSERT(strcmp(a, b) == 0, #a " is " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) \
	PLAIN_ASSERT(strcmp(a, b) != 0, #a " is not " #b, __VA_ARGS__)
#define cr_assert_str_not_empty(a, ...) \
	PLAIN_ASSERT((a)[0] != '\0', #a " has characters", __VA_ARGS__)
#define cr_assert_arr_eq(a, b, size, ...) \
	PLAIN_ASSERT(memcmp(a, b, size) == 0, #a " is " #b, __VA_ARGS__)
#define cr_skip_test(why) plain_skip(why)

#endif
