/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fan inside: a chain of one row, whose items are records of calls.
 *
 *	leat_call -> [queue] -> run, on the row's workers
 *
 * A call's record is found through the table, by its key, and through a list,
 * in call order. The barrier goes through the part of the list that is new;
 * and only if a call there has something to be done: a result that stays in
 * its record needs nothing, since what was in flight is what came after
 * `applied`.
 *
 * Handing over. A call is written into its place in the queue at once, under
 * the fan's lock, and workers see it when the queue's tail is behind it. Every
 * move of the tail takes its line from workers that wait for it, and back. So
 * calls that take little time are left until there is company, 32 of them, if
 * somebody is going to look for them. A worker that waits awake for a while, or
 * is about to sleep, moves the tail behind all calls made, and so it does once
 * more when it has taken something after that: hence a call is also left where
 * only earlier ones are handed over, and yet to be taken: for them somebody is
 * awake, or woken. Whoever waits for calls, or for workers to make room, moves
 * it too.
 *
 * Nor do such calls wake anybody, as long as all workers are awake, or some are
 * and one of the others watches: for that one looks at every tick, should those
 * awake be busy for longer than usual. There is no fence then, either. It would
 * wait until the call's record is out of the store buffer, whose lines are
 * another processor's. So a call may escape a worker that goes to sleep just
 * then, but not its late look, a tick after; and who leaves the watch while
 * others sleep makes all threads pass a fence before it looks.
 *
 *	caller				worker
 *	  made + 1			  no longer counts as awake, or watches
 *	  fence, unless attended	  fence
 *	  neither attended nor left:	  made > tail: moves the tail
 *	    moves the tail, wakes one	  sleeps; the same after a tick
 */
#ifndef LEAT_FAN_INTERNAL_H
#define LEAT_FAN_INTERNAL_H

#include <pthread.h>
#include <leat/fan.h>
#include "queues/park.h"
#include "queues/queue.h"
#include "stages/chain.h"
#include "stages/store.h"
#include "stages/table.h"

/* `cancelled`: LEAT_FAN_STOP has met a failure; a call has ended its thread. */
#define STOPPED	     (UINT64_MAX - 1)
#define STOPPED_EVER UINT64_MAX

#define COMPANY 32 /* light calls that are handed over together */
#define FETCH	32 /* results that leat_next takes from the queue at a time */

/* What a caller knows about a call; never changes while it is in flight. */
enum call_flag {
	CALL_SLOT = 1,	   /* the result goes to a slot */
	CALL_MORE = 2,	   /* the record has a handle */
	CALL_WATCHED = 4,  /* and the user has it too */
	CALL_KEY_FAR = 8,  /* the key's place points to a struct far_key */
	CALL_IN_FAR = 16,  /* the argument's place points to it; if there is
			    * none, the handle does */
	CALL_IN_COPY = 32, /* which points to a copy of ours */
	CALL_IN_KEY = 64,  /* the argument is the key */
	CALL_IN_NEAR = 128 /* the argument, or the pointer to it, is in what
			    * the key has left of its place */
};

/* What has become of it; the worker writes, and others once it finished. */
enum call_fate {
	FATE_MORE = 1,	/* the worker has added a handle */
	FATE_PUTS = 2,	/* with leat_puts to apply */
	FATE_NEVER = 4, /* it never ran */
	FATE_MOVED = 8, /* the output's content is the slot's */
	FATE_LOST = 16, /* a leat_put found no memory */
	FATE_OVER = 32, /* it is being finished, and has its code */
	FATE_TOLD = 64, /* opts.done has been called */
};

/*
 * A call's record. Then come the key, the argument and the output, at
 * distances that the fan knows. Written by the caller before the call is
 * handed over, except: next, prev, old by whoever holds the lock; code and
 * fate by the worker.
 */
struct call {
	uint32_t id;	     /* the store's */
	uint32_t next, prev; /* ids, in call order; 0 at the ends */
	uint32_t old;	     /* the key's call before this one, or 0 */
	uint64_t seq;	     /* its number, in call order */
	int32_t code;
	uint8_t flags; /* enum call_flag */
	uint8_t fate;  /* enum call_fate */
	uint16_t key_size;
	union {
		void *slot;
		struct leat_handle *more; /* with either of the MORE flags */
	};
};

/* Where a call with a handle stands. */
enum state { STATE_WAITS, STATE_RUNS, STATE_DONE, STATE_CANCELLED };

/* What is unusual about a call; the user's handle, if it is watched. */
struct leat_handle {
	leat_fan *fan;
	struct call *call;
	uint64_t state; /* enum state, if watched */
	bool freed;	/* the user has given it back; under the lock */
	bool orphan;	/* the fan has forgotten the call; under the lock */
	void *slot;
	void *in;
	char *text;		 /* of a failure, or NULL */
	char *puts;		 /* struct put, value, struct put, ... */
	size_t n_puts, cap_puts; /* bytes */
};

/* A key that is too long for the record. */
struct far_key {
	size_t size;
	unsigned char bytes[];
};

struct put {
	void (*apply)(void *table, const void *value, size_t size);
	void *to;
	size_t size; /* of the value that follows, padded to 16 */
	size_t pad;
};

struct leat_fan {
	/* Read-only once open. */
	leat_fan_opts opts;
	leat_chain *chain;
	struct stage *stage;
	leat_queue *queue;
	uint64_t room;		      /* calls that may wait */
	size_t key_room, in_room;     /* bytes in a record */
	size_t key_at, in_at, out_at; /* distances in a record */
	bool alone;		      /* a single caller: no locks */
	bool ends;		      /* every call has more to do at its end */
	/* Callers, under the lock. */
	pthread_mutex_t lock;
	struct store store;
	struct table table;
	struct call list;	 /* its next is the first call; its id is 0 */
	struct call *last;	 /* in call order; or `list` */
	uint32_t fresh;		 /* the first that is not applied, or 0 */
	uint32_t failed;	 /* the first failure at the last barrier */
	uint32_t buried;	 /* the same, if its key has a later result */
	uint64_t applied;	 /* all calls below are applied */
	uint64_t past;		 /* the same, but for a barrier under way */
	uint64_t chores;	 /* calls with something to apply, so far */
	uint64_t given;		 /* calls given by leat_next */
	uint64_t promised;	 /* given, or about to be */
	bool owns;		 /* some records own memory elsewhere */
	uint64_t odd_past;	 /* of `odd`: calls that have no record now */
	uint64_t orphans;	 /* records that are only a handle's */
	pthread_mutex_t barrier; /* one at a time */
	uint64_t barrier_owner;	 /* its thread, or 0 */
	/* For leat_next: promised already, and in the queue no more. */
	void *fetched[FETCH];
	size_t fetched_at, fetched_n;
	/* Written by callers, and read by workers that look. */
	_Alignas(LINE) uint64_t made; /* calls so far */
	uint64_t free_to; /* the first one that has no place in the queue yet */
	void **place;	  /* in the queue, for the next one */
	/* Seldom written. */
	_Alignas(LINE) uint64_t cancelled; /* calls below do not start */
	uint64_t unwanted;		   /* the same, but for a stop */
	uint64_t odd;	   /* calls that failed, or had an attempt that put
			    * something, so far */
	uint64_t settled;  /* chores + odd at the last barrier */
	uint64_t nested;   /* calls made by calls */
	uint64_t taker;	   /* who calls leat_next; see PULLERS_MANY */
	uint64_t no_free;  /* 1: opts.free_in has ended a thread */
	uint64_t no_done;  /* 1: opts.done has */
	uint64_t stopper;  /* all calls that have stopped the fan are below */
	struct bell ended; /* threads in leat_handle_wait */
	struct park space; /* threads that wait for leat_next to make room */
};

/* The lock keeps callers apart; one that is alone needs none. */
static inline void fan_lock(leat_fan *f)
{
	if (!f->alone)
		pthread_mutex_lock(&f->lock);
}

static inline void fan_unlock(leat_fan *f)
{
	if (!f->alone)
		pthread_mutex_unlock(&f->lock);
}

/* fan_owns_nothing: no record has anything to release, as in most fans. */
static inline bool fan_owns_nothing(const leat_fan *f)
{
	return f->opts.free_out == NULL && !f->owns &&
	       load_relaxed(&f->odd) == f->odd_past;
}

static inline struct call *call_at(const leat_fan *f, uint32_t id)
{
	return store_at(&f->store, id);
}

/* fan_made is how many calls there have been: the place in call order, and in
 * the queue, of the next one. */
static inline uint64_t fan_made(const leat_fan *f)
{
	return load_acquire(&f->made);
}

/* call_is_new: no barrier has applied it yet. */
static inline bool call_is_new(const leat_fan *f, const struct call *c)
{
	return c->seq >= f->applied;
}

static inline struct leat_handle *call_more(const struct call *c)
{
	return (c->flags & CALL_MORE || c->fate & FATE_MORE) ? c->more : NULL;
}

static inline void *call_place(const struct call *c, size_t at)
{
	return (char *)(uintptr_t)c + at;
}

static inline void *call_out(const leat_fan *f, const struct call *c)
{
	return f->opts.out_size == 0 ? NULL : call_place(c, f->out_at);
}

/* fan_inside: the caller is a worker of the fan. */
bool fan_inside(const leat_fan *f);

/* fan_of is the fan of a worker. */
leat_fan *fan_of(const leat_worker *w);

/* record.c */

/* What a call is made of. */
struct wish {
	const leat_key *key;
	const void *in;
	size_t size;
	void *slot;
	leat_handle **handle;
	uint64_t deadline; /* 0: do not wait */
};

/* call_fill puts what a call is made of into its new record; without memory it
 * takes the record back and returns NULL. */
struct call *call_fill(leat_fan *f, struct call *c, struct wish w);

const void *call_key(const leat_fan *f, const struct call *c, size_t *size);

/* call_in_other is call_in unless the argument is a key in the record. */
void *call_in_other(const leat_fan *f, const struct call *c);

/* call_in is what the function gets. */
static inline void *call_in(const leat_fan *f, const struct call *c)
{
	if (likely((c->flags & (CALL_IN_KEY | CALL_KEY_FAR)) == CALL_IN_KEY))
		return call_place(c, f->key_at);
	return call_in_other(f, c);
}

/* call_attach gives the record a handle, if it has none; NULL without memory.
 * Only for the worker that runs the call. */
struct leat_handle *call_attach(leat_fan *f, struct call *c);

/* call_recycle frees what a detached call owns, and the record, unless the
 * user still has its handle; under the lock. */
void call_recycle(leat_fan *f, struct call *c);

/* call_release frees what a record owns. */
void call_release(leat_fan *f, struct call *c);

/* call_show fills in what the user sees of a finished call. */
void call_show(
	const leat_fan *f, const struct call *c, leat_done *done, size_t size);

static inline const void *key_bytes(const leat_key *key)
{
	return key->bytes != NULL ? key->bytes : key->word;
}

/* hand.c */

/* hand_is_light: calls take little time. */
static inline bool hand_is_light(const leat_fan *f)
{
	return load_relaxed(&f->stage->light) != 0;
}

/* hand_all_awake: no worker sleeps. */
static inline bool hand_all_awake(const leat_fan *f)
{
	return load_relaxed(&f->chain->crew.awake) == f->stage->workers;
}

/* hand_put puts a call, as the next one, into its place in the queue, which it
 * has; under the lock. It returns how many calls there are with this one. */
/* model: hand.pml put */
static inline uint64_t hand_put(leat_fan *f, struct call *c)
{
	uint64_t made = fan_made(f) + 1;

	*f->place++ = c;
	store_release(&f->made, made);
	if (unlikely(made % COMPANY == 0 || !hand_is_light(f)))
		store_release(&f->queue->ring.tail, made);
	return made;
}

/* hand_over hands over all calls that have been put, and wakes nobody. */
void hand_over(leat_fan *f);

/* hand_over_now also wakes a worker, if one sleeps. */
void hand_over_now(leat_fan *f);

/* hand_new_now is hand_new where the call may not just be left. */
void hand_new_now(leat_fan *f, uint64_t made);

/* hand_new is for who has put a call, and without the lock: so `made` is what
 * hand_put has returned, as there may be others' calls by now. */
/* model: hand.pml hand_new */
static inline void hand_new(leat_fan *f, uint64_t made)
{
	perturb();
	if (unlikely(!hand_is_light(f) || !hand_all_awake(f)))
		hand_new_now(f, made);
}

/* hand_look is for a worker that waits, or is about to sleep. */
void hand_look(void *fan);

/* hand_wait lets the callers get ahead, for a worker that is on their heels:
 * there, it takes from them each line that they write, and costs them more than
 * the calls do. It waits for a few microseconds, as long as there are calls,
 * and returns for how many nanoseconds. */
uint64_t hand_wait(void *fan);

/* run.c */

/* calls_fetch asks for the records of calls that are about to be read. */
void calls_fetch(void *const *calls, size_t n);

/* call_run is the row's function. */
int call_run(void *in, void **out, leat_worker *w);

/*
 * call_ended is what call_run does when the call, or a function called at its
 * end, has ended its thread: the call fails, and the fan is stopped for good.
 * The thread still finishes the calls that it gets, without running them.
 */
int call_ended(void *in, void **out, leat_worker *w);

/* call_unwanted: since the worker's call has started, it was cancelled, or the
 * fan was stopped. */
bool call_unwanted(const leat_worker *w);

/* raise_to makes a mark, such as `cancelled`, at least as high. */
void raise_to(uint64_t *mark, uint64_t least);

/* barrier.c */

/* barrier_enter keeps other barriers and leat_next out, and takes the lock. */
void barrier_enter(leat_fan *f);
void barrier_leave(leat_fan *f);

/* barrier_is_mine: a function that the barrier calls has called. */
bool barrier_is_mine(const leat_fan *f);

/* call_apply applies a call's effects inside the barrier; it lets go of the
 * lock meanwhile if the user's functions are to be called. */
void call_apply(leat_fan *f, struct call *c);

#endif
