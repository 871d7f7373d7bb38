/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting: awake for about as long as a wake-up takes, then asleep in a park.
 * See "Waiting" in DESIGN.md.
 */
#ifndef LEAT_WAIT_H
#define LEAT_WAIT_H

#include "queues/park.h"

/* A crew: the threads of a chain. */
struct crew {
	uint64_t awake;	  /* how many do not sleep at a queue */
	uint64_t patient; /* how many yield there for a while */
	uint64_t cpus;	  /* processors that they may use */
	uint64_t others;  /* of which a fan's caller needs one */
};

/* A wait: until when, how long it has been, and whose. */
struct wait {
	uint64_t deadline; /* 0: do not wait */
	uint64_t spent;	   /* nanoseconds spun, yielded and slept; grows */
	struct crew *crew; /* NULL: not a chain's thread */
	bool crowded;	   /* sleep, to be woken elsewhere */
	bool spared;	   /* others may do what it waits for in its stead */
	bool single;	   /* one that waits awake is enough for what comes */
	/* Called, unless NULL, at times while a thread waits awake; before it
	 * sleeps, when it is no longer counted as awake; once more a tick
	 * later; and, after any of these, when it has taken something. What it
	 * puts into the queue is then found. */
	void (*look)(void *arg);
	void *look_arg;
	bool looked; /* since it took something */
};

/* wait_pause keeps the processor until then, and returns what time it is. */
uint64_t wait_pause(uint64_t until);

/* wait_yield waits until then at least, and lets others run unless yields are
 * shunned. */
void wait_yield(uint64_t until);

/*
 * wait_shuns: yields are shunned. Other processes want the processors, and who
 * yields to them is gone for a time slice; but who sleeps is put before them
 * when it is woken.
 */
bool wait_shuns(uint64_t now);

/* wait_open finds out how many processors there are. Once at least, before any
 * wait. */
void wait_open(void);

static inline void wait_look(struct wait *w)
{
	if (w->look == NULL)
		return;
	w->look(w->look_arg);
	w->looked = true;
}

/*
 * wait_awake waits for a while at most, and returns whether `ready` said so.
 * Few threads at a time wait for longer than two yields: they count themselves
 * in `patient`, which belongs to what they wait for, and in their crew.
 */
bool wait_awake(
	struct wait *w, uint64_t *patient, bool (*ready)(void *), void *ctx);

/* wait_asleep sleeps until `ready` says so, or a wake comes; then it returns 0.
 * -ETIMEDOUT at the deadline. */
int wait_asleep(
	struct wait *w, struct park *p, bool (*ready)(void *), void *ctx);

#endif
