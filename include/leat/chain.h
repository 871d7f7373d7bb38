/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chain: a table of stages, each on its own workers, joined by bounded
 * queues.
 *
 *	push -> [queue] -> "decode" x2 -> [queue] -> "resize" x2 -> pull
 *
 * Items come from leat_push or from a source, the first row's `source`. They
 * leave through the last row, which is the sink, or through leat_pull when
 * opts.results is set.
 *
 * Who owns an item
 *
 *	leat_push returned 0	the chain; on failure still the caller
 *	inside fn		the chain; the function borrows `in`
 *	fn returned >= 0	the chain frees `in` with the destructor of
 *				the row that made it, unless it was passed on
 *				(*out == in, or emitted) or LEAT_TOOK
 *	fn returned < 0		the chain has `in` intact: to retry it, to show
 *				it to opts.failed, then to free it; a set *out
 *				is freed too
 *	leat_emit		the chain, always
 *	leat_pull returned 0	the caller
 *	cancel, failure		the chain frees every item exactly once
 *
 * Destructors: row.free_out frees what the row makes. NULL: the destructor of
 * the row before, for the first row opts.free_in; if that is NULL too, nothing
 * is freed. So a row that makes another kind of item than it takes must set its
 * own one; leat_keep says that its items need no freeing. Destructors are never
 * called with NULL. They run on worker threads and on the thread that closes
 * the chain, several at a time.
 *
 * Order: a row with several workers hands on in any order, unless it says
 * LEAT_ORDERED: then in the order in which it took. A chain is in order from
 * end to end when every row with several workers says so. A row with retries
 * that is not ordered hands on other items while one waits to be retried.
 *
 * Feeding and draining from one thread: leat_push waits while the chain is
 * full, and the chain stays full while its results are not pulled. A thread
 * that does both therefore pushes with leat_trypush and pulls when that says
 * -EAGAIN:
 *
 *	while ((item = next()) != NULL) {
 *		while ((rc = leat_trypush(c, item)) == -EAGAIN)
 *			if (leat_pull_until(c, &result,
 *				    leat_after(LEAT_MS)) == 0)
 *				use(result);
 *		...
 *	}
 *	leat_end(c);
 *	while (leat_pull(c, &result) == 0)
 *		use(result);
 *	rc = leat_close(c);
 *
 * The pull in the loop has a deadline, as maybe nothing comes of any item that
 * is in the chain: rows may drop items, join them, or keep them until flush.
 * Without it the thread would wait for ever for what it is yet to push. After
 * leat_end a pull may wait, since LEAT_END comes in the end.
 *
 * Threads: every worker has a thread, named after its row. Where waking it
 * would cost more than the work, a function may run on the thread of another
 * row instead: its worker, state and order are the same, and no two threads
 * run one worker at a time, but thread-local variables are not the worker's.
 *
 * Processes: after fork, only the parent may use a chain. Chains share nothing,
 * and there is nothing to set up before the first one or to free after the
 * last: for the process as a whole the library only notes how many processors
 * it may use, how long yields take, and whether membarrier(2) works, and
 *numbers the threads that pull. It has no exit handlers and no signals; its
 *workers block all signals.
 *
 * Unloading: a program that loads the library with dlopen closes every chain,
 * fan and queue before dlclose; leat_close leaves no thread behind. If one is
 * open still, its threads go on in code that is gone, and anything may happen.
 * The same goes for a module that holds the functions of a chain.
 *
 * Exceptions: C++ functions may be stages, but an exception that leaves one, or
 * another function of the table on a worker's thread, ends the process
 * (std::terminate), whoever would catch it. One that leaves a row's key on the
 * thread that pushes comes out of the push, as if that item had been refused.
 * Destructors must not throw.
 *
 * Ending a thread: a function of the table that ends its thread (pthread_exit)
 * instead of returning fails the chain with LEAT_ETHREAD, whatever the row's
 * policy, and the report names the row that it belongs to. An item under way
 * counts as failed, as if fn had returned that code at its last attempt; what
 * it has set *out to is freed. All other items are freed as after any failure;
 * close still gets every state, and nobody waits for ever. An open that does so
 * fails leat_open; after a close, leat_close returns the code, and no item is
 * lost. A key or a destructor must not do it: the items that it was called for
 * may then be lost, though never freed twice. The thread itself lives on until
 * the chain has no more use for it. Objects of C++ are destroyed on the way
 * out, but a function that is noexcept, or that catches everything and does not
 * throw it on, ends the process.
 *
 * Threads of a chain cannot be cancelled: pthread_cancel is left pending. A
 * function may enable it (pthread_setcancelstate) around a call of its own that
 * blocks, and has then ended its thread; it disables it again before it
 * returns.
 */
#ifndef LEAT_CHAIN_H
#define LEAT_CHAIN_H

#include <stddef.h>
#include <stdint.h>
#include <leat/error.h>
#include <leat/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_chain leat_chain;
typedef struct leat_worker leat_worker;

/*
 * leat_fn is a stage function. It gets an item and puts what it makes of it
 * in *out, which is NULL on entry; it may emit more through w. It returns
 *
 *	0		done; *out goes on, also when it is NULL
 *	LEAT_DROP	done; nothing (more) goes on for this item
 *	LEAT_TOOK	may be or-ed to these: `in` now belongs to the
 *			function, it is inside *out or kept
 *	LEAT_END	from a source: no more items
 *	negative	failed, with a negative errno or a code of the
 *			caller's own
 *
 * and anything else is the failure LEAT_ERETURN. *out == in passes the item
 * itself on. What the last row makes is freed at once, unless the chain has
 * results. A function must not wait for what becomes of a later item: one
 * worker may have taken both, and runs them in turn.
 */
typedef int (*leat_fn)(void *in, void **out, leat_worker *w);

enum leat_return {
	LEAT_DROP = 1,
	LEAT_TOOK = 2
	/* LEAT_END = 4, in <leat/queue.h> */
};

/* Flags of a row. */
enum leat_flag {
	/* Hand on in the order taken. The row's functions run at the same
	 * time and out of turn all the same: only what they hand on is put in
	 * order. Of a sink, which hands on nothing, only the flushes are in
	 * order: one that must see the items in order has one worker, and no
	 * retries. What is finished out of turn waits: as many positions as
	 * the queue has, 64 or four for each worker, whichever is most,
	 * rounded up to a power of two. */
	LEAT_ORDERED = 1
};

/* What a failed item does to the chain, after its retries. Either way it is
 * shown to opts.failed. */
enum leat_policy {
	LEAT_STOP = 0, /* the chain fails: it frees everything and ends */
	LEAT_SKIP = 1  /* the chain goes on */
};

/*
 * A row of the table. Zero is the default everywhere; name and a function are
 * required. The library copies the table, names included; arg stays the
 * caller's and must outlive the chain.
 */
typedef struct leat_stage {
	const char *name; /* required; names threads, errors, statistics */
	leat_fn fn;	  /* required, but for a row that is a source */
	leat_fn source;	  /* first row only, instead of fn: called with
			   * in == NULL until it returns LEAT_END, by each
			   * worker of the row. With LEAT_SKIP also after it
			   * has failed: to give up it returns LEAT_END */
	void *arg;	  /* what leat_arg returns */
	void (*free_out)(void *item); /* frees what this row makes */
	/*
	 * open runs once per worker, in the worker's thread, before any item
	 * of the chain moves; *state is what leat_state returns. A negative
	 * return fails leat_open with that code. close gets every state whose
	 * open returned 0 or more, whatever happened since.
	 */
	int (*open)(void **state, leat_worker *w);
	/*
	 * flush runs once per worker after its last item, unless the chain
	 * failed or was cancelled; it may emit. In an ordered row the workers
	 * flush one after the other, by index, behind all items.
	 */
	int (*flush)(leat_worker *w);
	void (*close)(void *state);
	/*
	 * key partitions the row: items with equal keys go to the same
	 * worker, for the whole run, and are handled in order. It gets an
	 * item and row.arg, runs on the thread that hands the item to this
	 * row, with retries once more on the row's own worker, and must not
	 * change the item. Each worker then has a queue of its own, of `queue`
	 * / `workers` places, rounded up. Not for sources, nor together with
	 * LEAT_ORDERED.
	 */
	uint64_t (*key)(const void *item, void *arg);
	uint32_t workers;    /* 0: one per processor that this process may use
			      * (affinity and cgroup); for a source 1 */
	uint32_t queue;	     /* items that may wait for this row, at most
			      * LEAT_QUEUE_MAX; 0: 1024. A source has no
			      * queue */
	uint32_t flags;	     /* LEAT_ORDERED */
	uint32_t on_error;   /* LEAT_STOP or LEAT_SKIP */
	uint32_t retries;    /* further attempts after a failure */
	uint64_t backoff_ns; /* before the first retry; doubles each time */
} leat_stage;

/* The most rows of a chain, and the most workers of a row. */
#define LEAT_ROWS_MAX	 4096
#define LEAT_WORKERS_MAX 4096

/* A failure: which row, which item, why. It holds no pointers. Its size is
 * fixed for good. */
typedef struct leat_report {
	int code;	  /* 0: nothing failed */
	uint32_t row;	  /* index in the table */
	char stage[32];	  /* the row's name, shortened if need be */
	uint64_t seq;	  /* the item's place in the row's input: leat_seq */
	uint32_t attempt; /* 0 for the first */
	uint32_t reserved;
	uint64_t more;	/* how many other failures there were */
	char text[184]; /* a sentence, from leat_error or the library */
} leat_report;

/* Options of a chain. Zero is the default everywhere. */
typedef struct leat_opts {
	void (*free_in)(void *item); /* frees pushed items */
	/*
	 * results > 0: what the last row makes waits for leat_pull, this many
	 * at most, and no more than LEAT_QUEUE_MAX. 0: the last row is the
	 * sink.
	 */
	uint64_t results;
	/*
	 * failed is shown every item that failed for good (the dead letters),
	 * with LEAT_SKIP and with LEAT_STOP, on the worker's thread, several
	 * at a time. item is NULL when a source failed, and when the item had
	 * been passed on before. It returns LEAT_TOOK to keep the item, else
	 * 0, and the chain frees it.
	 */
	int (*failed)(void *item, const leat_report *report, void *arg);
	void *failed_arg;
	leat_report *report; /* gets the failure from leat_open, leat_run and
			      * leat_close; cleared by leat_open. It must stay
			      * valid until leat_close has returned */
	uint64_t stack;	     /* bytes of a worker's stack; 0: the system's */
} leat_opts;

/*
 * leat_open makes a chain of the n rows and starts its workers. It returns
 * when every row's open has run in every worker, or undoes everything. opts
 * may be NULL. Returns 0; a code of <leat/error.h> for a bad table, with a
 * text in opts.report that names the row and the field; what a row's open
 * returned; -E2BIG when the table or opts come from a newer header and use
 * what this library lacks; -ENOMEM; -EAGAIN when a thread cannot be made;
 * -EINVAL when opts.stack is too small for one, or c is NULL. On failure *c is
 * NULL.
 */
LEAT_API int leat_open_sized(leat_chain **c, const leat_stage *rows, size_t n,
	size_t row_size, const leat_opts *opts, size_t opts_size);

static inline int leat_open(
	leat_chain **c, const leat_stage *rows, size_t n, const leat_opts *opts)
{
	return leat_open_sized(c, rows, n, sizeof(*rows), opts, sizeof(*opts));
}

/*
 * leat_run opens a chain that has a source, waits until it is through, and
 * closes it. Returns as leat_open and leat_close do. Before it opens anything
 * it refuses a chain without a source, LEAT_ESOURCE, and opts.results, which
 * nobody could pull, -EINVAL.
 */
LEAT_API int leat_run_sized(const leat_stage *rows, size_t n, size_t row_size,
	const leat_opts *opts, size_t opts_size);

static inline int leat_run(
	const leat_stage *rows, size_t n, const leat_opts *opts)
{
	return leat_run_sized(rows, n, sizeof(*rows), opts, sizeof(*opts));
}

/*
 * leat_push gives the chain an item, and waits while the first queue is full.
 * Any thread may call it. Returns 0; -EPIPE after leat_end or leat_stop;
 * -ECANCELED once the chain was cancelled or has failed (leat_failure says
 * why); -EDEADLK from a worker of the same chain, and when the chain is full
 * of results that nobody but the caller pulls (if nobody at all has pulled
 * so far, after five seconds of that); LEAT_ESOURCE for a chain with a
 * source. On failure the item stays the caller's.
 */
LEAT_API int leat_push(leat_chain *c, void *item);

/* leat_trypush is push without waiting: -EAGAIN when the queue is full. A
 * worker of the same chain may call it. */
LEAT_API int leat_trypush(leat_chain *c, void *item);

/* leat_push_until is push with a deadline (see leat_now): -ETIMEDOUT. */
LEAT_API int leat_push_until(leat_chain *c, void *item, uint64_t deadline);

/*
 * leat_pushn pushes n items in order. Sets *pushed (unless NULL) to how many
 * went in; the others stay the caller's. Returns as push does.
 */
LEAT_API int leat_pushn(
	leat_chain *c, void *const *items, size_t n, size_t *pushed);

/*
 * leat_end says that no more items are pushed. The chain finishes what it
 * has. It does not block; repeating it is harmless; any thread may call it.
 * With a source it does nothing: leat_stop ends that one early.
 */
LEAT_API void leat_end(leat_chain *c);

/*
 * leat_pull takes a result, and waits while there is none. Any thread may
 * call it. Returns 0, and the item is the caller's; LEAT_END after the last;
 * -ECANCELED once the chain was cancelled or has failed; -EDEADLK from a
 * worker of the same chain; -EINVAL when opts.results is 0.
 */
LEAT_API int leat_pull(leat_chain *c, void **item);

/* leat_trypull is pull without waiting: -EAGAIN when there is no result. */
LEAT_API int leat_trypull(leat_chain *c, void **item);

/* leat_pull_until is pull with a deadline: -ETIMEDOUT when it passes. */
LEAT_API int leat_pull_until(leat_chain *c, void **item, uint64_t deadline);

/*
 * leat_pulln takes at least one and at most max results, and waits only while
 * there is none. Sets *n to how many. Returns as pull does.
 */
LEAT_API int leat_pulln(leat_chain *c, void **items, size_t max, size_t *n);

/*
 * leat_wait waits until all that was pushed before the call has left the
 * chain: through the sink, or into the results. A chain with a source has
 * then come to its end. Rows with a flush keep what they hold until the end of
 * input. Returns 0; the code of the failure that has ended the chain;
 * -ECANCELED when it was cancelled; -EDEADLK as leat_push does. What was
 * skipped is no failure here, but for leat_close. The chain remains usable.
 */
LEAT_API int leat_wait(leat_chain *c);

/* leat_wait_until is wait with a deadline: -ETIMEDOUT when it passes. */
LEAT_API int leat_wait_until(leat_chain *c, uint64_t deadline);

/*
 * leat_stop ends the chain early and in good order: sources are not called
 * again, pushes are refused, everything in flight is finished. That goes for a
 * source that has failed, too: it is tried again as often as it may be, but
 * does not wait before. leat_stop returns at once, may be called from any
 * thread and from a stage, and repeated.
 */
LEAT_API void leat_stop(leat_chain *c);

/*
 * leat_cancel ends the chain at once: everything in flight is freed, but what
 * a function is working on now; every blocked thread is woken. It returns at
 * once, may be called from any thread and from a stage, and repeated.
 */
LEAT_API void leat_cancel(leat_chain *c);

/*
 * leat_close ends the input, waits until everything is finished, joins the
 * workers and frees the chain; results not pulled are freed. With a source it
 * waits until that has ended: to end it early call leat_stop first. Returns the
 * code of the failure that leat_failure shows; -ECANCELED after leat_cancel;
 * else 0. From a worker of the chain it does nothing but return -EDEADLK: call
 * leat_cancel or leat_stop there. No other thread may be in a call on the
 * chain, or make one. NULL is fine.
 */
LEAT_API int leat_close(leat_chain *c);

/*
 * leat_failure copies a failure to *report and returns its code: the one that
 * has ended the chain (LEAT_STOP), else the first one that was skipped. 0, with
 * a report of zeroes, when nothing has failed. Any thread may call it.
 */
LEAT_API int leat_failure(leat_chain *c, leat_report *report);

/*
 * What a row has done. taken = done + dropped + failed + cancelled once the
 * chain is at rest; what a row gave equals what the next one took plus what
 * was freed on the way.
 */
typedef struct leat_counts {
	char stage[32];
	uint32_t workers;
	uint32_t reserved;
	uint64_t taken;	     /* items begun; for a source, calls that did not
			      * end it */
	uint64_t done;	     /* returned 0 */
	uint64_t dropped;    /* returned LEAT_DROP */
	uint64_t failed;     /* failed for good */
	uint64_t cancelled;  /* taken, but freed before their turn */
	uint64_t retried;    /* further attempts made */
	uint64_t gave;	     /* items handed on */
	uint64_t freed;	     /* items made but freed instead of handed on: the
			      * sink's, or since the chain was stopping */
	uint64_t depth;	     /* items waiting for this row now */
	uint64_t high_water; /* most seen waiting; see leat_queue_counts */
	uint64_t capacity;   /* items that may wait */
	uint64_t busy_ns;    /* time in the functions, all workers */
	/* Time that workers waited, awake or asleep: */
	uint64_t blocked_in_ns;	 /* for items, or to try one again */
	uint64_t blocked_out_ns; /* for room */
} leat_counts;

/*
 * leat_stats fills in counts for the first n rows; figures of a chain at work
 * are a recent view. Returns the number of rows of the chain.
 */
LEAT_API size_t leat_stats_sized(
	leat_chain *c, leat_counts *counts, size_t n, size_t size);

static inline size_t leat_stats(leat_chain *c, leat_counts *counts, size_t n)
{
	return leat_stats_sized(c, counts, n, sizeof(*counts));
}

/* leat_keep is the destructor that does nothing: these items need none. */
LEAT_API void leat_keep(void *item);

/*
 * For stage functions only, with the w they were given and on their thread:
 *
 * leat_emit hands on an item, before what *out will hold. It always takes the
 * item, also while the chain is stopping, and may wait while the next queue
 * is full. With retries, what an attempt emitted is handed on only when it
 * succeeds.
 */
LEAT_API void leat_emit(leat_worker *w, void *item);

/*
 * What a worker begins with, as long as the library has its name. Read it
 * through the functions below: they cost a load where the compiler puts them in
 * place, and a call elsewhere.
 */
struct leat_worker_view {
	uint64_t seq;
	void *arg, *state;
	uint32_t index, attempt;
};

#define LEAT_VIEW(w) ((const struct leat_worker_view *)(const void *)(w))

LEAT_INLINE void *leat_arg(const leat_worker *w) /* row.arg */
{
	return LEAT_VIEW(w)->arg;
}

LEAT_INLINE void *leat_state(const leat_worker *w) /* what row.open made */
{
	return LEAT_VIEW(w)->state;
}

LEAT_INLINE uint32_t leat_index(const leat_worker *w) /* 0 to workers - 1 */
{
	return LEAT_VIEW(w)->index;
}

/* leat_seq: the item's place in the row's input, from 0; in a keyed row, in
 * its worker's input; for a source, how many earlier calls by its worker did
 * not end it, failed ones too; all attempts at one item are one call. */
LEAT_INLINE uint64_t leat_seq(const leat_worker *w)
{
	return LEAT_VIEW(w)->seq;
}

LEAT_INLINE uint32_t leat_attempt(const leat_worker *w) /* 0 for the first */
{
	return LEAT_VIEW(w)->attempt;
}

/* leat_stopping: 1 once stop, cancel or a failure has ended the chain; a long
 * or waiting function looks at it now and then. */
LEAT_API int leat_stopping(const leat_worker *w);
/*
 * leat_error records a text (as printf) for the failure that the function is
 * about to return, and returns `code`:
 *
 *	return leat_error(w, -EINVAL, "%s: no such size", name);
 */
LEAT_API int leat_error(leat_worker *w, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#endif
