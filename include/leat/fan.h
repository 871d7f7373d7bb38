/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fan: a function, called with a key, that runs on its own workers. It turns
 * a serial loop of calls into a parallel one, with the serial loop's result:
 *
 *	for (n = 0; n < 1000; n++)		leat_fan_open(&fan, &opts);
 *		result[n] = f(n);		for (n = 0; n < 1000; n++)
 *						     leat_call(fan,
 *							leat_u64(n), NULL, 0);
 *						leat_fan_wait(fan);
 *
 * The barrier, leat_fan_wait, waits until every call made so far is finished
 * and makes its effects visible, in call order, on the thread that waits:
 *
 *	results		in the fan's own table: leat_result, leat_each
 *	slots		the caller's variable that a call was given: it has
 *			its old value until the barrier, which writes it
 *	leat_put	what running calls wrote elsewhere
 *
 * So the last writer of anything is the one that the serial loop would have
 * had. The fan remains usable: wave after wave of calls and barriers. Nothing
 * is lost without one: leat_fan_close is a barrier too.
 *
 * Call order is the order in which calls are made; of calls made by several
 * threads, the order in which they got hold of the fan.
 *
 * Who owns what: the fan copies the key, and the argument when its size is
 * given. An argument passed as a pointer (size 0) is freed by opts.free_in
 * once its call has finished, or stays the caller's if that is NULL. A call
 * that is refused (a negative return) leaves everything with the caller. An
 * output belongs to the fan, which hands its content to opts.free_out when it
 * forgets the result; the content of a slot belongs to the slot's owner.
 *
 * Threads: any function may be called from any thread at any time (but see
 * opts.callers), except leat_fan_close. From inside a call of the same fan
 * everything that would wait returns -EDEADLK instead; leat_call works there
 * as long as the queue has room. A call may open and use other fans and
 * chains. A worker may take several calls at a time, and runs them one by one:
 * so a call must not wait until another one has run, unless that was made after
 * it had started.
 *
 * The function must return. A call that ends its thread (pthread_exit), or
 * whose done or free_in does, fails with LEAT_ETHREAD and stops the fan for
 * good: calls that have not started fail with -ECANCELED, and new ones are
 * refused with LEAT_ETHREAD. Every barrier and leat_next still returns what it
 * would, and nobody waits for ever. A done, or a free_in, that has done so is
 * not called any more. What <leat/chain.h> says of C++ and of pthread_cancel
 * holds here too. An exception that leaves the function, or open, close or
 * done, ends the process (std::terminate), whoever would catch it. What runs at
 * the barrier, free_out and leat_apply's function, must neither throw nor end
 * its thread.
 */
#ifndef LEAT_FAN_H
#define LEAT_FAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <leat/chain.h>
#include <leat/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_fan leat_fan;
typedef struct leat_handle leat_handle;

/*
 * leat_call_fn is the function of a fan. `in` is the argument, or the key if
 * the call has none; `out` has opts.out_size zero bytes, aligned for any type,
 * and becomes the result. It returns 0, or fails with a negative code; any
 * other value is the failure LEAT_ERETURN. It must not wait for what a later
 * call does: one worker may have taken both, and runs them in turn.
 *
 * With w, all that stage functions may do works here too, but leat_emit:
 * leat_arg (opts.arg), leat_state (what opts.open made), leat_index,
 * leat_attempt, leat_error; and leat_put, leat_apply and leat_call_key. So does
 * leat_stopping, which returns 1 once leat_fan_cancel, or a failure with
 * LEAT_FAN_STOP, has come since this call started: nobody wants more of it, and
 * it had better return soon. With -ECANCELED it does not hide what has failed.
 */
typedef int (*leat_call_fn)(void *in, void *out, leat_worker *w);

/* A key: any bytes. Keys are equal when their bytes are. */
typedef struct leat_key {
	const void *bytes; /* NULL: the bytes are those of word */
	size_t size;
	uint64_t word[2];
} leat_key;

/* leat_u64 is an integer as a key: its 8 bytes. */
static inline leat_key leat_u64(uint64_t n)
{
	leat_key key = {NULL, 8, {n, 0}};

	return key;
}

/* leat_pair is a pair of integers as a key: their 16 bytes. */
static inline leat_key leat_pair(uint64_t a, uint64_t b)
{
	leat_key key = {NULL, 16, {a, b}};

	return key;
}

/* leat_bytes makes a key of `size` bytes, which the call copies. */
static inline leat_key leat_bytes(const void *bytes, size_t size)
{
	leat_key key = {bytes, size, {0, 0}};

	return key;
}

/* leat_str makes a key of a string, with its final zero. */
static inline leat_key leat_str(const char *s)
{
	return leat_bytes(s, strlen(s) + 1);
}

/* A call that has finished, as leat_next, leat_each and others show it. */
typedef struct leat_done {
	const void *key;
	size_t key_size;
	void *out; /* the result; NULL when the call failed, and for a
		    * fan whose out_size is 0 */
	int code;  /* 0, or why it failed; -ECANCELED if it never ran */
	uint32_t reserved;
	uint64_t seq;	  /* the call's number, from 0, in call order */
	const char *text; /* a sentence on the failure; "" without one */
	void *call;	  /* the library's; NULL before the first use */
} leat_done;

/* leat_done_u64 is the key of a call made with leat_u64. */
static inline uint64_t leat_done_u64(const leat_done *done)
{
	uint64_t n = 0;

	memcpy(&n, done->key, done->key_size < 8 ? done->key_size : 8);
	return n;
}

/* Flags of a fan. */
enum leat_fan_flag {
	/*
	 * A second call with the same key before the barrier replaces the
	 * first one's result (both run, the last call wins). Without it the
	 * second is refused: -EEXIST.
	 */
	LEAT_FAN_REPLACE = 1,
	/*
	 * The first failure stops the fan until leat_fan_wait has waited for
	 * that call (leat_next does not end the stop): calls that have not
	 * started fail with -ECANCELED, and new ones are refused with it.
	 */
	LEAT_FAN_STOP = 2,
	/*
	 * Finished calls are given, each once, by leat_next. `queue` then
	 * bounds the calls that it has not given yet, and so memory. Without
	 * this flag nothing bounds it: a call stays in memory at least until
	 * the barrier, and a result until the barrier after the next call with
	 * its key, leat_fan_clear or leat_fan_close.
	 */
	LEAT_FAN_NEXT = 4
};

/* Options of a fan. Zero is the default; only fn is required. */
typedef struct leat_fan_opts {
	leat_call_fn fn;
	void *arg;	     /* what leat_arg returns */
	size_t out_size;     /* bytes of an output */
	size_t in_size;	     /* bytes of the usual argument. Larger ones work,
			      * but cost an allocation each */
	size_t key_size;     /* bytes of the usual key, likewise; 0: 16. At
			      * most 65535; a key itself may be of any size */
	uint32_t workers;    /* calls that run at a time, at most; 0: one for
			      * each processor that this process may use */
	uint32_t queue;	     /* calls that may wait to be started; 0: 4096 */
	uint32_t flags;	     /* LEAT_FAN_... */
	uint32_t callers;    /* 1 makes calls faster, and is a promise: one
			      * thread at a time uses the fan, and its calls,
			      * which run beside that one, do not use it. They
			      * may use what takes a leat_worker */
	uint32_t retries;    /* further attempts after a failure */
	uint32_t reserved;   /* 0 */
	uint64_t backoff_ns; /* before the first; doubles each time */
	void (*free_in)(void *in);   /* frees arguments passed as pointers; on
				      * the workers' threads */
	void (*free_out)(void *out); /* frees what an output contains, not the
				      * output itself; runs on any thread. It
				      * must not use the fan */
	int (*open)(void **state, leat_worker *w); /* once per worker, in it; */
	void (*close)(void *state);		   /* as in a row */
	/* done is shown each call as it finishes, on the worker's thread,
	 * several at a time, before any barrier lets go. */
	void (*done)(const leat_done *done, void *arg);
	void *done_arg;
	const char *name;    /* names the threads; NULL: "fan" */
	uint64_t stack;	     /* bytes of a worker's stack; 0: the system's */
	leat_report *report; /* why leat_fan_open failed, in words */
} leat_fan_opts;

/*
 * leat_fan_open makes a fan and starts its workers. Returns as leat_open does;
 * LEAT_EFN without a function; LEAT_EFLAGS for unknown flags; LEAT_ESIZE for a
 * size of a gigabyte and more, and for a key_size of more than 65535. On
 * failure *fan is NULL.
 */
LEAT_API int leat_fan_open_sized(
	leat_fan **fan, const leat_fan_opts *opts, size_t size);

static inline int leat_fan_open(leat_fan **fan, const leat_fan_opts *opts)
{
	return leat_fan_open_sized(fan, opts, sizeof(*opts));
}

/*
 * leat_call_by is what leat_call and leat_trycall become, with the key's
 * address. It waits until the deadline, or, if that is 0, not at all: it
 * returns -ETIMEDOUT, or -EAGAIN, if the queue is still full.
 *
 * The address, since compilers copy a struct that is passed by value in words
 * that are longer than those it was just written in; processors cannot forward
 * such a load, which waits until all stores before it have their lines.
 */
LEAT_API int leat_call_by(leat_fan *fan, const leat_key *key, const void *in,
	size_t size, uint64_t deadline);

/*
 * leat_call calls the fan's function, and waits only while the queue is full.
 * `in` is copied when `size` says how long it is. With size 0 the function
 * gets the very pointer (see free_in above), or, when it is NULL, the key.
 * Returns 0; -EEXIST when a call with this key is in flight, that is, made
 * since the last barrier, unless LEAT_FAN_REPLACE; -ECANCELED after a failure
 * with LEAT_FAN_STOP; LEAT_ETHREAD once a call has ended its thread; -EDEADLK
 * when the queue is full and the caller itself is in the way: from inside a
 * call of this fan, and with LEAT_FAN_NEXT from a function that the barrier
 * calls (see leat_apply), or when nobody else calls leat_next (if nobody at all
 * has, after five seconds); -ENOMEM; -EINVAL without a key.
 */
LEAT_INLINE int leat_call(
	leat_fan *fan, leat_key key, const void *in, size_t size)
{
	return leat_call_by(fan, &key, in, size, LEAT_NEVER);
}

/* leat_trycall is call without waiting: -EAGAIN when the queue is full. */
LEAT_INLINE int leat_trycall(
	leat_fan *fan, leat_key key, const void *in, size_t size)
{
	return leat_call_by(fan, &key, in, size, 0);
}

/*
 * leat_call_into is call with a slot: the barrier writes the output, of
 * opts.out_size bytes, there, and nowhere else. A failed call leaves the slot
 * alone. The slot's address is the key.
 */
LEAT_API int leat_call_into(
	leat_fan *fan, void *slot, const void *in, size_t size);

/* Options of a call. Zero is the default everywhere. */
typedef struct leat_call_opts {
	void *slot;	      /* see leat_call_into; the key is the caller's */
	leat_handle **handle; /* gets the call's handle */
	uint64_t deadline;    /* wait no longer: -ETIMEDOUT. 0: no deadline */
} leat_call_opts;

/* leat_call_with is call with options. */
LEAT_API int leat_call_sized(leat_fan *fan, const leat_key *key, const void *in,
	size_t size, const leat_call_opts *opts, size_t opts_size);

static inline int leat_call_with(leat_fan *fan, leat_key key, const void *in,
	size_t size, const leat_call_opts *opts)
{
	return leat_call_sized(fan, &key, in, size, opts, sizeof(*opts));
}

/*
 * leat_fan_wait is the barrier: it waits until every call made before it is
 * finished, those that such calls made included, and applies their effects in
 * call order. Returns 0; the code of the first call, in call order, that failed
 * since the last barrier, but -ECANCELED only if none failed otherwise
 * (leat_fan_failure tells more, and leat_each lists all; the other calls'
 * effects are there); -EDEADLK from inside a call of the fan, and from a
 * function that the barrier calls (see leat_apply).
 */
LEAT_API int leat_fan_wait(leat_fan *fan);

/* leat_fan_wait_until is wait with a deadline (see leat_now): -ETIMEDOUT,
 * and nothing is applied, when it passes. */
LEAT_API int leat_fan_wait_until(leat_fan *fan, uint64_t deadline);

/* leat_result_by is what leat_result becomes, with the key's address. */
LEAT_API int leat_result_by(leat_fan *fan, const leat_key *key, void **out);

/*
 * leat_result finds the result of the last call with this key, as of the last
 * barrier; earlier waves' results stay until their key is called again.
 * Returns 0; the call's code when it failed; -EAGAIN when the key's only call
 * is still in flight; -ENOENT when there is none, or its result went to a
 * slot. *out is then NULL. It points into the fan's table until the next
 * barrier after another call with this key, leat_fan_clear or leat_fan_close.
 */
LEAT_INLINE int leat_result(leat_fan *fan, leat_key key, void **out)
{
	return leat_result_by(fan, &key, out);
}

/*
 * leat_each goes through the results, and the failures, in call order:
 *
 *	leat_done done = {0};
 *	while (leat_each(fan, &done) == 0)
 *		use(&done);
 *
 * LEAT_END after the last. Calls may be made meanwhile, but no barrier.
 */
LEAT_API int leat_each_sized(leat_fan *fan, leat_done *done, size_t size);

static inline int leat_each(leat_fan *fan, leat_done *done)
{
	return leat_each_sized(fan, done, sizeof(*done));
}

/*
 * leat_fan_failure shows the failure whose code the last barrier returned, and
 * returns its code; 0, and *done zeroed, when there was none.
 */
LEAT_API int leat_fan_failure_sized(
	leat_fan *fan, leat_done *done, size_t size);

static inline int leat_fan_failure(leat_fan *fan, leat_done *done)
{
	return leat_fan_failure_sized(fan, done, sizeof(*done));
}

/*
 * leat_fan_clear forgets all results that a barrier has made visible, and the
 * failure that it has met. It waits for no barrier: while one is under way, as
 * in a function that it calls, those are the results of earlier barriers only.
 * With LEAT_FAN_NEXT it does nothing: there leat_next forgets.
 */
LEAT_API void leat_fan_clear(leat_fan *fan);

/*
 * leat_next takes the next finished call, in the order of completion, and
 * waits while none is; failed and cancelled ones come too. For fans with
 * LEAT_FAN_NEXT. It is that call's barrier: its slot and its leat_puts are
 * written now, unless a barrier has done so, and its key is free again. What
 * *done points to stays until *done is given to leat_next again, or the fan is
 * closed; done.call must be NULL at first. A thread that both calls and takes:
 *
 *	leat_done done = {0};
 *	while (next_input(&x)) {
 *		while (leat_trycall(fan, leat_u64(x), NULL, 0) == -EAGAIN)
 *			if (leat_next(fan, &done) == 0)
 *				use(&done);
 *	}
 *	while (leat_next(fan, &done) == 0)
 *		use(&done);
 *
 * Returns 0; LEAT_END when every call made so far has been given; -EDEADLK
 * from inside a call of the fan, and from a function that the barrier calls;
 * -EINVAL without LEAT_FAN_NEXT.
 */
LEAT_API int leat_next_sized(
	leat_fan *fan, leat_done *done, size_t size, uint64_t deadline);

static inline int leat_next(leat_fan *fan, leat_done *done)
{
	return leat_next_sized(fan, done, sizeof(*done), LEAT_NEVER);
}

/* leat_next_until is next with a deadline: -ETIMEDOUT when it passes. */
static inline int leat_next_until(
	leat_fan *fan, leat_done *done, uint64_t deadline)
{
	return leat_next_sized(fan, done, sizeof(*done), deadline);
}

/*
 * leat_fan_cancel makes every call that has not started fail with -ECANCELED.
 * Those that run are finished, and new ones can be made. It returns at once;
 * any thread may call it, and a call of the fan.
 */
LEAT_API void leat_fan_cancel(leat_fan *fan);

/*
 * leat_fan_close is a barrier, and one more for what that calls, until no new
 * calls are made; then it joins the workers and frees the fan, its results and
 * its handles. (leat_fan_cancel is for the calls made before it, so it does not
 * end a chain of calls each of which has the barrier make the next.) Returns
 * what the first of these barriers returned that did not return 0, or
 * LEAT_ETHREAD if opts.close has ended its thread; from inside a call of the
 * fan it does nothing but return -EDEADLK: call leat_fan_cancel there. No other
 * thread may be in a call on the fan, or make one. NULL is fine.
 */
LEAT_API int leat_fan_close(leat_fan *fan);

/*
 * A handle stands for one call. It is valid until leat_handle_free, or until
 * the fan is closed.
 */

/* leat_handle_done returns 1 if the call has finished or was cancelled. */
LEAT_API int leat_handle_done(const leat_handle *h);

/*
 * leat_handle_cancel cancels the call if it has not started: it will never
 * run, and finishes with -ECANCELED. Returns 0; -EBUSY when it is running;
 * -EALREADY when it has finished, or was cancelled.
 */
LEAT_API int leat_handle_cancel(leat_handle *h);

/*
 * leat_handle_wait waits until the call has finished and shows it in *done
 * (unless NULL): its result or its failure. Slots and leat_puts still wait for
 * the barrier. Returns 0; -ETIMEDOUT when the deadline passes; -EDEADLK from
 * inside a call of the same fan when it is not finished yet.
 */
LEAT_API int leat_handle_wait_sized(
	leat_handle *h, leat_done *done, size_t size, uint64_t deadline);

static inline int leat_handle_wait(
	leat_handle *h, leat_done *done, uint64_t deadline)
{
	return leat_handle_wait_sized(h, done, sizeof(*done), deadline);
}

/* leat_handle_free gives the handle back; the call goes on. NULL is fine. */
LEAT_API void leat_handle_free(leat_handle *h);

/*
 * For a fan's function only, with the w it was given and on its thread:
 *
 * leat_put writes `size` bytes to `to`, at the barrier, in call order (those
 * of one call in the order of its leat_puts, then its slot). The value is
 * copied now. If the call fails nothing of it is written. Returns 0, or
 * -ENOMEM, which fails the call also when its function does not look.
 */
LEAT_API int leat_put(leat_worker *w, void *to, const void *value, size_t size);

/*
 * leat_apply is put for tables that are no arrays: at the barrier, in the same
 * order, apply(table, value, size) is called on the thread that waits. It may
 * make calls on the fan, for the next wave.
 */
LEAT_API int leat_apply(leat_worker *w,
	void (*apply)(void *table, const void *value, size_t size), void *table,
	const void *value, size_t size);

/* leat_call_key returns the key of the running call, and its size. */
LEAT_API const void *leat_call_key(const leat_worker *w, size_t *size);

/*
 * LEAT_SYNCHRONIZED(fan) { ... } is a block that ends with the barrier, also
 * when it is left by break, return or goto, or in C++ by an exception. (A
 * `break` leaves only this block, not a loop around it. What `return` returns
 * is worked out before the barrier.) leat_fan_failure tells what has failed.
 * longjmp skips it.
 */
#define LEAT_SCOPE_JOIN(a, b) a##b
#define LEAT_SCOPE_NAME(line) LEAT_SCOPE_JOIN(leat_scope_, line)

#ifdef __cplusplus
} /* extern "C" */

struct leat_scope {
	leat_fan *fan;
	int once;

	explicit leat_scope(leat_fan *f) : fan(f), once(1)
	{
	}
	leat_scope(const leat_scope &) = delete;
	leat_scope &operator=(const leat_scope &) = delete;
	~leat_scope()
	{
		leat_fan_wait(fan);
	}
};

#define LEAT_SYNCHRONIZED(fan)                          \
	for (leat_scope LEAT_SCOPE_NAME(__LINE__)(fan); \
		LEAT_SCOPE_NAME(__LINE__).once;         \
		LEAT_SCOPE_NAME(__LINE__).once = 0)
#else
typedef struct leat_scope {
	leat_fan *fan;
	int once;
} leat_scope;

static inline void leat_scope_leave(leat_scope *s)
{
	leat_fan_wait(s->fan);
}

#define LEAT_SYNCHRONIZED(fan)                                    \
	for (leat_scope LEAT_SCOPE_NAME(__LINE__) __attribute__(( \
		     cleanup(leat_scope_leave))) = {(fan), 1};    \
		LEAT_SCOPE_NAME(__LINE__).once;                   \
		LEAT_SCOPE_NAME(__LINE__).once = 0)
#endif

#endif
