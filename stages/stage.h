/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stage: a row at work, its workers, and their threads.
 *
 * A worker is a place: an index, a state, counters. A thread is at home in one
 * place, and runs it. When it has made light work for the next stage, and the
 * threads there sleep, it runs that stage's place itself: a visit, see
 * visit.h. Places, not threads, bound what runs at the same time.
 */
#ifndef LEAT_STAGE_H
#define LEAT_STAGE_H

#include <leat/chain.h>
#include "queues/order.h"
#include "queues/queue.h"
#include "stages/edge.h"

#define GRAIN_MAX 256	 /* items taken at a time, at most */
#define GRAIN_NS  16000	 /* and no more than what takes this long; */
#define SHARE_NS  128000 /* or its share of all, if that takes less */
#define OUT_MIN	  256	 /* places for outputs, at first */
#define HELD_MAX  64	 /* items that wait to be retried, by worker */
#define SHY	  64	 /* full queues, after a visit that was blocked */

/* What a worker has counted. It alone writes, but for the time blocked, which
 * others may add to; anybody may read. */
struct tally {
	uint64_t taken, done, dropped, failed, cancelled;
	uint64_t retried, gave, freed;
	uint64_t busy_ns, blocked_in_ns, blocked_out_ns;
};

struct stage {
	struct leat_chain *chain;
	leat_stage row; /* a copy, whose name is ours */
	size_t index;
	struct edge *in, *out;
	bool sink;	     /* nobody takes what it makes: it is freed */
	struct order *order; /* NULL unless outputs need putting in order */
	struct leat_worker *worker;
	uint32_t workers;
	bool visitable; /* threads of other stages may run its places */
	uint64_t apart; /* 1: but not for now, see light_split */
	/* 1: visitable, in no order, and its items take little time. */
	uint64_t light;
	/* How long an item took in the better one of a worker's last two
	 * batches, 0 while there were none; by and large, where there are
	 * several workers. */
	uint64_t least_ns;
	/* What changes when threads fall asleep and wake. */
	_Alignas(LINE) uint64_t live; /* workers that have not left */
	uint64_t idle;		      /* threads at home there that sleep */
	uint64_t watching; /* 1: a thread of it sleeps, and sees to visitors */
	uint64_t asked;	   /* 1: its threads are to make way for visitors */
	uint64_t stirs;	   /* grows when watchers shall go on watching */
};

/* How far a thread of a chain has got. */
enum step { STEP_OPEN, STEP_WORK, STEP_FLUSH, STEP_CLOSE, STEP_LEAVE };

/* A thread of a chain. */
struct thread {
	_Alignas(LINE) struct leat_worker *home;
	struct leat_worker *place; /* the one it runs, kept between batches */
	/*
	 * 0 at home. On a visit its number, which is odd, and another one in
	 * each place. Whoever takes the home of a visitor that is stuck puts
	 * the address of its own one there instead, which is even.
	 */
	uint64_t away;
	uint64_t left;	 /* the address of the home, for others to read */
	uint64_t visits; /* the last number given */
	bool quiet;	 /* what is given now may be given quietly */
	bool owes;	 /* it was: the next stage is to be visited */
	bool watches;	 /* it has made way, and watches meanwhile */
	bool slept;	 /* for items, since it took any */
	enum step step;
	bool opened;	/* row.open was through */
	bool ended;	/* a function has tried to end it */
	uint64_t clock; /* when it was last looked at */
	struct wait in, out;
	/* What it works with, in whatever place: so they stay in its caches,
	 * be there ever so many stages. Outputs are handed on before it leaves
	 * a place. */
	void **outputs;
	size_t cap_outputs;
	void *batch[GRAIN_MAX];
};

/* An item that waits to be tried again, or, in a keyed row, for an item of the
 * same key that does. */
struct held {
	void *item;
	uint64_t seq;
	uint64_t due;
	uint64_t key;
	uint32_t attempt; /* the next one */
};

/* What is unusual about the attempt under way; 0 on the fast path. None is a
 * bit of enum leat_return. */
enum odd {
	ODD_PASSED = 8,	   /* `in` was emitted */
	ODD_LOST = 16,	   /* an emitted item was freed for want of memory */
	ODD_SAID = 32,	   /* leat_error gave a text */
	ODD_UNWANTED = 64, /* `in` was emitted, but nobody gets it */
	ODD_EMITTED = 128, /* something was */
	ODD_SHOWN = 256,   /* `in` has failed, and opts.failed is shown it */
};

struct leat_worker {
	struct leat_worker_view view; /* first: so it is for leat/chain.h */
	struct stage *stage;

	/*
	 * The attempt under way. `in` is the worker itself, which no item is,
	 * when there is none whose item is the worker's to settle; that is
	 * kept so whenever a function of the table is called, see item.h.
	 */
	void *in;
	void *made; /* its *out */
	uint32_t odd;
	size_t mark; /* outputs before it; it may still be undone */
	int said;    /* the code that leat_error gave a text for */

	/* Outputs made but not handed on, in the thread's array; a sink has no
	 * places for any. */
	void **out;
	size_t n_out, cap_out;
	uint64_t run_pos; /* ordered: they are of the run from here on */
	bool turn;	  /* ordered: order_enter was passed for it */
	bool undoable;	  /* an attempt that may be undone is under way */

	/* The batch under way: its first position, how many items it has, 0 if
	 * there is none, and how many of them a row with retries has begun. */
	uint64_t pos;
	size_t n, begun;
	size_t drops; /* of it, counted when it is done */

	struct held *held; /* in the order in which they came */
	size_t n_held;
	size_t tried; /* the held item under way, from 1; or 0 */

	uint64_t grain;	       /* items of a batch; anybody may read it */
	uint64_t item_ns;      /* how long an item takes, by and large */
	uint64_t last_ns;      /* and took in the last batch */
	uint32_t thin;	       /* batches in a row that were little work */
	uint64_t rounds;       /* batches, of the chain's first place */
	struct thread *thread; /* that runs this place */

	/*
	 * No position below `low` is this worker's any more: what it made of
	 * them is handed on. Written before positions are claimed; UINT64_MAX
	 * when it has none.
	 */
	_Alignas(LINE) uint64_t low;
	/* The position that somebody in leat_wait waits to see passed, or
	 * UINT64_MAX. Any thread lowers it, and the worker resets it. */
	uint64_t awaited;
	uint64_t manned; /* the address of the thread that runs it, or 0 */
	uint64_t visits; /* by other threads */
	uint64_t dry;	 /* 1: a source that has ended; never reset */
	uint64_t shy;	 /* a source does not rest at so many full queues */
	/* The watcher's: who was on a visit here at the last tick, and the
	 * visit's number. */
	struct thread *seen;
	uint64_t seen_away;
	struct tally tally;
	char text[sizeof(((leat_report *)0)->text)];
};

/* stage_main is the body of a thread. */
void *stage_main(void *thread);

/* stage_account closes a batch of n items in a place, on its thread. */
void stage_account(leat_worker *w, size_t n);

/* stage_account_home: what the thread waited was for its home, which it does
 * not run now, and is to leave. */
void stage_account_home(struct thread *t);

/* stage_take fills the thread's batch and sets *n and *pos. Returns as
 * queue_take does; unless it is 0, stage_idle is due. */
int stage_take(leat_worker *w, size_t *n, uint64_t *pos);

/*
 * stage_claim says, before positions are claimed, which they are at least: the
 * head only grows, and a claim is a release.
 */
void stage_claim(leat_worker *w, leat_queue *q);

/*
 * stage_took says, once positions from pos on are claimed, which they are:
 * others may have claimed what lay between, and nobody in leat_wait is to wait
 * for what came later.
 */
void stage_took(leat_worker *w, uint64_t pos);

/* stage_idle: nothing is claimed in this place any more but what is held. */
void stage_idle(leat_worker *w);

/* stage_run is a batch's way through a place. */
void stage_run(leat_worker *w, size_t n, uint64_t pos);

/* stage_make is a batch of calls of a source; false once it has ended. */
bool stage_make(leat_worker *w, size_t *n);

/* stage_input is the queue that a worker takes from. */
leat_queue *stage_input(const leat_worker *w);

/* stage_name names the thread after its home. */
void stage_name(const struct thread *t);

/* stage_open makes the workers, without threads; 0 or -ENOMEM. */
int stage_open(struct stage *s, uint32_t workers);
void stage_close(struct stage *s);

/*
 * stage_passed: everything that was in the input queue i below `pos` has been
 * handed on. A source has passed when it has ended.
 */
bool stage_passed(struct stage *s, uint32_t i, uint64_t pos);

/*
 * stage_watch asks the workers that take from the input queue i to wake those
 * asleep in leat_wait once `pos` is passed.
 */
void stage_watch(struct stage *s, uint32_t i, uint64_t pos);

/* stage_self is the worker whose thread calls, or NULL. */
leat_worker *stage_self(void);

static inline bool stage_is_source(const struct stage *s)
{
	return s->row.source != NULL;
}

#endif
