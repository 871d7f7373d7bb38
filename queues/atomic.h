/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every word that threads share goes through these few functions: ck_pr in
 * production, compiler atomics under ThreadSanitizer, which knows no inline
 * assembly.
 *
 * Orders are in the names. No happens-before rests on fence_full: it serves
 * only the pair "announce, then look" against "publish, then look for the
 * announced" (see park.h), since ThreadSanitizer does not model fences.
 */
#ifndef LEAT_ATOMIC_H
#define LEAT_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define LEAT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LEAT_TSAN 1
#endif
#endif

#define LINE 64 /* bytes of a cache line */

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* For what is called at each item, from few places. */
#define FORCE_INLINE inline __attribute__((always_inline))

/* For what is called seldom, so that who calls it keeps what it has where it
 * is. */
#define NO_INLINE __attribute__((noinline))

/* What a perturbation build does at each hand-over point; else nothing. */
#ifdef LEAT_PERTURB
void leat_perturb(void);
#define perturb() leat_perturb()
#else
#define perturb() ((void)0)
#endif

#ifdef LEAT_TSAN

static inline uint64_t load_relaxed(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint64_t load_acquire(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void store_relaxed(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static inline void store_release(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline bool cas(uint64_t *p, uint64_t *expected, uint64_t v)
{
	return __atomic_compare_exchange_n(
		p, expected, v, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline uint64_t fetch_add(uint64_t *p, uint64_t v)
{
	return __atomic_fetch_add(p, v, __ATOMIC_ACQ_REL);
}

static inline void fetch_or(uint64_t *p, uint64_t v)
{
	__atomic_fetch_or(p, v, __ATOMIC_ACQ_REL);
}

static inline void store_release_8(uint8_t *p, uint8_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline size_t equal_acquire_8(const uint8_t *p, uint8_t v, size_t n)
{
	size_t k = 0;

	while (k < n && __atomic_load_n(p + k, __ATOMIC_ACQUIRE) == v)
		k++;
	return k;
}

static inline void fill_release_8(uint8_t *p, uint8_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		store_release_8(p + i, v);
}

static inline void cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

#else

#include <ck_pr.h>

static inline uint64_t load_relaxed(const uint64_t *p)
{
	return ck_pr_load_64(p);
}

static inline uint64_t load_acquire(const uint64_t *p)
{
	uint64_t v = ck_pr_load_64(p);

	ck_pr_fence_acquire();
	return v;
}

static inline void store_relaxed(uint64_t *p, uint64_t v)
{
	ck_pr_store_64(p, v);
}

static inline void store_release(uint64_t *p, uint64_t v)
{
	ck_pr_fence_release();
	ck_pr_store_64(p, v);
}

/* cas compares and swaps, acquire and release; a failure updates *expected. */
static inline bool cas(uint64_t *p, uint64_t *expected, uint64_t v)
{
	bool done;

	ck_pr_fence_release();
	done = ck_pr_cas_64_value(p, *expected, v, expected);
	ck_pr_fence_acquire();
	return done;
}

static inline uint64_t fetch_add(uint64_t *p, uint64_t v)
{
	uint64_t old;

	ck_pr_fence_release();
	old = ck_pr_faa_64(p, v);
	ck_pr_fence_acquire();
	return old;
}

static inline void fetch_or(uint64_t *p, uint64_t v)
{
	ck_pr_fence_release();
	ck_pr_or_64(p, v);
	ck_pr_fence_acquire();
}

static inline void store_release_8(uint8_t *p, uint8_t v)
{
	ck_pr_fence_release();
	ck_pr_store_8(p, v);
}

/* Bytes that are atomic one by one, but go by eight where they can: an aligned
 * word is loaded and stored at once, and its bytes with it. */
#define BYTES	  8
#define REPEAT(v) ((v)*UINT64_C(0x0101010101010101))

static inline bool word_at(const uint8_t *p, size_t n)
{
	return n >= BYTES && (uintptr_t)p % BYTES == 0;
}

/* equal_acquire_8 counts how many of n bytes, from the first on, are v. */
static inline size_t equal_acquire_8(const uint8_t *p, uint8_t v, size_t n)
{
	size_t k = 0;

	while (k < n) {
		if (word_at(p + k, n - k) &&
			ck_pr_load_64(
				(const uint64_t *)(const void *)(p + k)) ==
				REPEAT(v))
			k += BYTES;
		else if (ck_pr_load_8(p + k) == v)
			k++;
		else
			break;
	}
	ck_pr_fence_acquire();
	return k;
}

/* fill_release_8 makes n bytes v. */
static inline void fill_release_8(uint8_t *p, uint8_t v, size_t n)
{
	ck_pr_fence_release();
	while (n > 0) {
		size_t k = word_at(p, n) ? BYTES : 1;

		if (k == BYTES)
			ck_pr_store_64((uint64_t *)(void *)p, REPEAT(v));
		else
			ck_pr_store_8(p, v);
		p += k;
		n -= k;
	}
}

static inline void cpu_pause(void)
{
	ck_pr_stall();
}

#endif

/*
 * fence_full orders everything before it before everything after it. The
 * compiler's is a locked instruction on x86, a quarter of the cost of the
 * mfence that ck_pr_fence_memory is.
 */
static inline void fence_full(void)
{
#if defined(LEAT_TSAN) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#if defined(LEAT_TSAN) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

/*
 * fetch_to_write asks for the line of *p before it is written, so that it is
 * there then. On x86 the compiler's prefetch asks for a copy to read, which
 * would have to be asked for once more, unless it may assume a processor newer
 * than all of them; those that lack the instruction ignore it.
 */
static inline void fetch_to_write(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

static inline void fetch_to_read(const void *p)
{
	__builtin_prefetch(p);
}

/*
 * add_owned adds to a counter that one thread writes and any may read: no
 * locked instruction is needed.
 */
static inline void add_owned(uint64_t *p, uint64_t v)
{
	store_relaxed(p, load_relaxed(p) + v);
}

#endif
