/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Codes: every function of leat that can fail returns 0 or a negative code; or
 * LEAT_END, which is positive and no failure, where pops, pulls, leat_next and
 * leat_each have come to the end of what they give.
 *
 * A code is a negative errno value or one of the library's own, below. Own
 * codes lie far below any errno, so the two never meet, and an application
 * may use any other negative value for its own stage functions.
 */
#ifndef LEAT_ERROR_H
#define LEAT_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* LEAT_API marks what the shared library exports. */
#ifndef LEAT_API
#define LEAT_API __attribute__((visibility("default")))
#endif

/* LEAT_INLINE marks what it exports and compilers may put in place too. */
#define LEAT_INLINE LEAT_API extern inline __attribute__((gnu_inline))

/* LEAT_ERRORS lists the library's own codes: X(name, value, text). */
#define LEAT_ERRORS(X)                                                     \
	X(LEAT_EROWS, -20001, "the table has no rows, or too many")        \
	X(LEAT_ENAME, -20002, "a row has no name")                         \
	X(LEAT_ETWICE, -20003, "two rows have the same name")              \
	X(LEAT_EFN, -20004, "a row has no function, or one too many")      \
	X(LEAT_ESOURCE, -20005,                                            \
		"a source where none may be, or none where "               \
		"one must be")                                             \
	X(LEAT_EFLAGS, -20006,                                             \
		"a row has an unknown flag or policy, or "                 \
		"two that exclude each other")                             \
	X(LEAT_ESIZE, -20007, "a size or count is zero or absurdly large") \
	X(LEAT_ERETURN, -20008,                                            \
		"a stage function returned a value that "                  \
		"means nothing there")                                     \
	X(LEAT_ETHREAD, -20009,                                            \
		"a function ended its thread: let it return "              \
		"instead")

enum leat_error_code {
#define LEAT_ERROR_ENUM(name, value, text) name = value,
	LEAT_ERRORS(LEAT_ERROR_ENUM)
#undef LEAT_ERROR_ENUM
		LEAT_ERROR_NONE = 0
};

/*
 * leat_strerror returns a text for a code of the library or a negative errno;
 * "unknown error" for any other, and for LEAT_END. The text is constant and
 * needs no freeing. Any thread may call it at any time. opts.report says more
 * about why a chain failed: which row, which field or item.
 */
LEAT_API const char *leat_strerror(int code);

/* leat_version returns the library's version, "major.minor.patch". */
LEAT_API const char *leat_version(void);

/*
 * leat_now returns the time of CLOCK_MONOTONIC in nanoseconds. All deadlines
 * of the library are absolute times of this clock; steps of the wall clock do
 * not move them.
 */
LEAT_API uint64_t leat_now(void);

/*
 * leat_after returns the deadline that lies `ns` nanoseconds from now. It
 * saturates: leat_after(UINT64_MAX) is LEAT_NEVER, and a wait until
 * LEAT_NEVER has no deadline.
 */
LEAT_API uint64_t leat_after(uint64_t ns);

#define LEAT_NEVER UINT64_MAX
#define LEAT_US	   UINT64_C(1000)
#define LEAT_MS	   UINT64_C(1000000)
#define LEAT_S	   UINT64_C(1000000000)

#ifdef __cplusplus
}
#endif

#endif
