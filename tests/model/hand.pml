/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the calls of a fan get to its workers: a call is in its place once it is
 * made, but workers see it when the tail is behind it; which the caller moves,
 * or a worker that waits or is about to sleep. And who moves it wakes somebody,
 * or nobody.
 *
 * Callers make their calls under a lock. Calls are numbered, and have their
 * number as their position in the queue, which is a head and a tail, and never
 * full. Workers take one item at a time. Memory and park as in queue.pml, ticks
 * as in visit.pml: one comes when nothing else can happen, and EARLY times for
 * each worker while no store waits in a buffer. Whether calls are light may be
 * answered otherwise at every look. Places, and the looks of who leaves one, are
 * left out: nobody visits a fan's, and there is one for each worker.
 *
 * What is checked: every call that is made is run, once, although its caller
 * never waits for it; no worker sleeps, or runs a call for ever, instead; and
 * the tail never goes back.
 *
 * Parameters: CALLERS, WORKERS, ITEMS (calls), COMPANY, EARLY, and
 *	LOOK		a worker may also look while it waits awake
 *	MEET		a call runs until the next one is done; not every second
 *	REST		callers may wait, before a call, until nothing else
 *			happens; and then one of them goes on, or all do
 */
#ifndef CALLERS
#define CALLERS 1
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#ifndef COMPANY
#define COMPANY (ITEMS + 1)
#endif
#ifndef EARLY
#define EARLY 0
#endif

#define THREADS (CALLERS + WORKERS)

/* Shared memory. */
byte made, tail, head;
byte waiters, tokens;
byte awake = WORKERS;
bit watching;
byte stirs;
#if CALLERS > 1
bit locked;
#endif
bit rest[CALLERS];

/* What only the property looks at. */
bit done[ITEMS + 1];
byte done_all;

/* Store buffers. */
#define A_MADE	0
#define A_TAIL	1
#define A_HEAD	2
#define A_WATCH 3
#define A_STIRS 4
#define A_LOCK	5
#if CALLERS == 1
#define BUFFER 3
#else
#define BUFFER 4
#endif

typedef buffer {
	byte n;
	byte addr[BUFFER];
	byte value[BUFFER]
};
buffer sb[THREADS];

#define DRAINED(t) (sb[t].n == 0)
#define BUFFERED(t, a) ((sb[t].n > 0 && sb[t].addr[0] == a) || \
	(sb[t].n > 1 && sb[t].addr[1] == a) || \
	(sb[t].n > 2 && sb[t].addr[2] == a) || \
	(sb[t].n > 3 && sb[t].addr[BUFFER - 1] == a))

inline store(t, a, v)
{
	d_step {
		sb[t].n < BUFFER;
		sb[t].addr[sb[t].n] = a;
		sb[t].value[sb[t].n] = v;
		sb[t].n++
	}
}

inline let_out(t)
{
	d_step {
		if
		:: sb[t].addr[0] == A_MADE -> made = sb[t].value[0]
		:: sb[t].addr[0] == A_TAIL ->
			assert(tail <= sb[t].value[0]);
			tail = sb[t].value[0]
		:: sb[t].addr[0] == A_HEAD -> head = sb[t].value[0]
		:: sb[t].addr[0] == A_WATCH -> watching = sb[t].value[0]
		:: sb[t].addr[0] == A_STIRS -> stirs = sb[t].value[0]
#if CALLERS > 1
		:: sb[t].addr[0] == A_LOCK -> locked = sb[t].value[0]
#endif
		fi;
		sb[t].n--;
		sb[t].addr[0] = sb[t].addr[1];
		sb[t].value[0] = sb[t].value[1];
		sb[t].addr[1] = sb[t].addr[2];
		sb[t].value[1] = sb[t].value[2];
#if CALLERS > 1
		sb[t].addr[2] = sb[t].addr[3];
		sb[t].value[2] = sb[t].value[3];
#endif
		sb[t].addr[BUFFER - 1] = 0;
		sb[t].value[BUFFER - 1] = 0
	}
}

proctype memory()
{
	byte t;
end:
	do
	:: atomic {
		if
		:: sb[0].n > 0 -> t = 0
		:: sb[1].n > 0 -> t = 1
#if THREADS > 2
		:: sb[2].n > 0 -> t = 2
#endif
#if THREADS > 3
		:: sb[3].n > 0 -> t = 3
#endif
		fi;
		let_out(t);
		t = 0
	}
	od
}

#define HAS_ITEM (head < tail)
#define WATCHED	 (watching && !BUFFERED(me, A_WATCH))

/* park.c; see queue.pml. */
inline park_post()
{
	atomic {
		if
		:: waiters > 0 && tokens == 0 && DRAINED(me) ->
			waiters--;
			tokens++
		:: (waiters == 0 || tokens > 0) && DRAINED(me)
		fi
	}
}

inline park_retract()
{
	atomic {
		DRAINED(me);
		if
		:: waiters > 0 -> waiters--
		:: else -> assert(tokens > 0); tokens--
		fi
	}
}

/* queue.c:queue_chain */
inline queue_chain()
{
	if
	:: waiters > 0 && DRAINED(me) ->
		if
		:: HAS_ITEM -> park_post()
		:: else
		fi
	:: waiters == 0 && DRAINED(me)
	fi
}

/* hand.c:attended. A thread sees its own store to `watching`, which is
 * always 0, also while it is in its buffer. */
inline attended()
{
	if
	:: awake == WORKERS -> yes = 1
	:: awake == 0 -> yes = 0
	:: awake > 0 && awake < WORKERS ->
#ifdef ATTENDED_BY_ANY /* fault: those who are awake may be busy */
		yes = 1
#else
		yes = WATCHED
#endif
	fi
}

/*
 * hand.c:hand_over. `to` is what was made, as far as the thread knows. Its own
 * store to the tail may wait in its buffer, and the swap until that is out.
 */
inline hand_over()
{
#ifdef NO_SWAP /* fault: a store, and another thread may have been faster */
	if
	:: atomic { tail >= to -> to = 0 }
	:: tail < to -> DRAINED(me); assert(tail <= to); atomic { tail = to; to = 0 }
	fi
#else
	if
	:: atomic { tail >= to -> to = 0 }
	:: atomic {
		tail < to && DRAINED(me) -> /* the store in it may be enough */
		if
		:: tail < to -> tail = to
		:: else
		fi;
		to = 0
	}
	fi
#endif
}

/* hand.c:hand_over_now */
inline hand_over_now()
{
	hand_over();
	queue_chain()
}

/* What a caller sees of `made`, in which its own calls are, too. */
#define MADE (made > calls -> made : calls)

/* fan.h:hand_put. The tail follows when there is company, or when calls are not
 * light. */
inline put()
{
	atomic { calls++; store(me, A_MADE, calls) }
	if
	:: store(me, A_TAIL, calls)
	:: calls % COMPANY != 0
	fi
}

/* fan.h:hand_new, hand.c:hand_new_now */
inline hand_new()
{
	if
	:: awake == WORKERS /* hand_all_awake */
	:: true -> /* hand_is_light */
#ifdef OTHERS_CALL /* fault: the last call may be another caller's */
		atomic { calls = MADE }
#endif
		store(me, A_STIRS, stirs + 1);
		attended();
		if
		:: atomic { yes -> yes = 0 }
		:: !yes && calls % COMPANY != 0 ->
#ifndef NO_CALL_FENCE /* fault */
			DRAINED(me);
#endif
			to = head;
#ifdef OWN_CALL /* fault: it may have been handed over, and nobody woken */
			if
			:: atomic { tail > to -> to = 0 }
			:: atomic { tail <= to -> to = MADE } hand_over_now()
			fi
#else
			if
			:: atomic { tail > to && tail < calls -> to = 0 }
			:: atomic { tail <= to || tail >= calls -> to = MADE }
				hand_over_now()
			fi
#endif
		:: atomic { calls % COMPANY == 0 -> yes = 0; to = MADE }
			hand_over_now()
		fi
	:: to = MADE; hand_over_now()
	fi
}

/* hand.c:hand_look */
inline hand_look()
{
	atomic { DRAINED(me); to = made }
	hand_over();
	looked = 1 /* wait.h:wait_look */
}

/* call.c:make; a caller that finds that all calls are made is done. */
inline make()
{
#if CALLERS > 1
	atomic {
		!locked && DRAINED(me) ->
		if
		:: made < ITEMS -> locked = 1; calls = made
		:: else -> break
		fi
	}
	put();
	store(me, A_LOCK, 0)
#else
	put()
#endif
}

/* call.c:call, again and again. */
proctype caller(byte me)
{
	byte calls, to;
	bit yes;

	do
	:: calls < ITEMS ->
#ifdef REST
		if
		:: rest[me] = 1
		:: true
		fi;
		if
		:: atomic { rest[me] && timeout -> rest[me] = 0 }
#if CALLERS > 1
		:: atomic { rest[me] && timeout -> rest[0] = 0; rest[1] = 0 }
#endif
		:: !rest[me]
		fi;
#endif
		make();
		hand_new()
	:: else -> break
	od
}

/* place.c:begin_watch */
inline begin_watch(yes_or_no)
{
	atomic {
		if
		:: watching == 0 && DRAINED(me) -> watching = 1; yes_or_no = 1
		:: watching == 1 && !BUFFERED(me, A_WATCH) -> yes_or_no = 0
		fi
	}
}

#if THREADS == 2
#define ALL_OUT (DRAINED(0) && DRAINED(1))
#elif THREADS == 3
#define ALL_OUT (DRAINED(0) && DRAINED(1) && DRAINED(2))
#else
#define ALL_OUT (DRAINED(0) && DRAINED(1) && DRAINED(2) && DRAINED(3))
#endif
#if CALLERS == 1
#define FENCE_CALLERS DRAINED(0)
#else
#define FENCE_CALLERS DRAINED(0); DRAINED(1)
#endif
#if WORKERS == 1
#define FENCE_ALL FENCE_CALLERS
#else
#define FENCE_ALL FENCE_CALLERS; DRAINED(2 * CALLERS + 1 - me)
#endif
#define TICK (timeout || (early < EARLY && ALL_OUT))

inline tick()
{
	if
	:: early < EARLY -> early++
	:: else
	fi
}

/* run.c:call_run, the user's function. */
inline run_fn()
{
	assert(!done[pos]);
#ifdef MEET
	if
	:: pos % 2 == 0 && pos + 1 < ITEMS -> done[pos + 1]
	:: else
	fi;
#endif
	atomic { done[pos] = 1; done_all++; pos = 0 }
}

/* place.c:ready_for_plenty, if `crowd`: what is there may be too little, while
 * somebody watches. */
inline look_for_items()
{
	if
	:: !crowd || !WATCHED -> yes = HAS_ITEM
	:: crowd -> yes = HAS_ITEM
#ifdef CROWD_UNWATCHED /* fault: those who are awake may be stuck */
	:: crowd -> yes = 0
#else
	:: crowd && WATCHED -> yes = 0
#endif
	fi
}

/* stage.c:work */
proctype worker(byte me)
{
	byte pos, visits, to, early;
	bit watch, ticks, late, looked, waited, yes, crowd;

take:	/* queue.c:queue_take: ring.c:ring_pop */
	if
	:: !HAS_ITEM -> goto await
#if WORKERS == 1
	:: atomic { HAS_ITEM -> pos = head; store(me, A_HEAD, pos + 1) }
#else
	:: atomic { HAS_ITEM && DRAINED(me) -> pos = head; head++ }
#endif
	fi;
	/* queue.c:popped_some */
	DRAINED(me);
	/* stage.c:take */
	if
#ifndef NO_LAST_LOOK /* fault */
	:: looked -> hand_look(); atomic { looked = 0; waited = 1 }
#endif
	:: !looked
#ifdef NO_LAST_LOOK
	:: atomic { looked -> looked = 0 }
#endif
	fi;
	if
	:: atomic { waited -> waited = 0 } queue_chain()
	:: else
	fi;
	run_fn();
	if
	:: true -> goto take
#if WORKERS > 1
	:: awake > 1 /* place.c:place_spare */
#endif
	fi;

await:	/* place.c:place_await */
	begin_watch(watch);
	atomic { ticks = watch; visits = stirs }
#if WORKERS > 1
	if
	:: awake > 1 -> crowd = 1
	:: true
	fi;
#endif
	do
	:: true ->
#ifdef LOOK
		/* wait.c:yield_patiently */
		if
		:: true -> hand_look()
		:: true
		fi;
#endif
		/* place.c:await_items, wait.c:doze_off */
		look_for_items();
		if
		:: atomic { yes -> yes = 0 } goto awoken
		:: atomic {
			!yes && DRAINED(me) ->
			awake--;
			crowd = crowd && awake > 0
		}
		fi;
		hand_look();
#ifndef NO_LATE_LOOK
		late = !ticks;
#endif
		/* wait.c:wait_asleep */
sleep:
		atomic { DRAINED(me); waiters++ }
		look_for_items();
		if
		:: atomic { yes -> yes = 0 } park_retract(); break
		:: !yes
		fi;
end_asleep:
		if
		:: atomic { tokens > 0 && DRAINED(me) -> tokens-- } break
		:: atomic { (ticks || late) && tokens == 0 && TICK -> tick() }
		fi;
		park_retract();
		look_for_items();
		if
		:: atomic { yes -> yes = 0 } break
		:: !yes
		fi;
		if
		:: atomic { late -> late = 0 } hand_look(); goto sleep
		:: !late
		fi;
		/* wait.c:wake_up, then place.c:end_watch, whose fence is not
		 * needed here. One more tick after that. */
		atomic {
			DRAINED(me);
			awake++;
			crowd = 0;
			if
			:: watch && stirs != visits -> visits = stirs
			:: watch && stirs == visits ->
				store(me, A_WATCH, 0);
				watch = 0;
				visits = 0
			:: !watch -> ticks = 0; visits = 0
			fi
		}
	od;
	/* wait.c:wake_up */
	atomic { DRAINED(me); awake++ }
awoken:
	if
	:: atomic { watch -> watch = 0; store(me, A_WATCH, 0) }
	:: else
	fi;
	DRAINED(me); /* place.c:pass_watch */
	if
#ifndef NO_LOOK_FOR_WATCHED /* fault */
	:: atomic { ticks && awake < WORKERS -> looked = 1 }
#ifndef NO_FENCE_ALL /* fault */
		FENCE_ALL
#endif
	:: !ticks || awake == WORKERS
#else
	:: true
#endif
	fi;
	atomic { ticks = 0; late = 0; visits = 0; crowd = 0; waited = 1 }
	goto take
}

init {
	atomic {
		run memory();
		run caller(0);
#if CALLERS > 1
		run caller(1);
#endif
		run worker(CALLERS);
#if WORKERS > 1
		run worker(CALLERS + 1);
#endif
	}
	done_all == ITEMS
}
