/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * leat_wait at one stage: it returns once everything pushed before the call
 * has been handed on; not before, and it does not sleep on.
 *
 * Each worker says with `low` that no position below it is its own any more;
 * whoever waits names the position in `awaited` of each worker, and listens
 * to a bell. Memory as in queue.pml: plain stores wait in a store buffer. The
 * input queue is a head and a tail here, and a blocked take is a guard;
 * queue.pml has the rest.
 *
 * Parameters: WORKERS, WAITERS, ITEMS (each waiter pushes one and waits, and
 * again; the last one of several pushes all at once), BULK, and
 *	PUSHER		somebody else pushes one more, at any time
 *	ORDERED		the stage is ordered: `next` instead of `low`
 *	HOLD		worker 0 keeps its first item, to try it again when
 *			there is nothing else to do
 *	MEET		the function waits, with an item pushed after waiter
 *			0's first wait began, until that has returned
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef WAITERS
#define WAITERS 1
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#ifndef BULK
#define BULK 1
#endif

#define N	(WAITERS * ITEMS + 1)
#define NOBODY	255 /* UINT64_MAX */

/* Shared memory. */
byte head, tail;
bit ended;
byte low[WORKERS];
byte awaited[WORKERS] = NOBODY;
byte next; /* ordered: order.pml */
byte live = WORKERS;

/* The bell `passed`; see order.pml. */
byte listeners;
bit listens[WAITERS], rung[WAITERS];

/* What only the properties look at. */
bit handed_on[N];
byte returned;
bit first_returned;
byte first_pos = NOBODY; /* what waiter 0 waits for first */
byte left_workers;

/* Store buffers of the workers; each can hold a low and an awaited. */
#define A_LOW	  0
#define A_AWAITED 1
#define BUFFER	  3

typedef buffer {
	byte n;
	byte addr[BUFFER];
	byte value[BUFFER]
};
buffer sb[WORKERS];

#define DRAINED(w) (sb[w].n == 0)

inline store(w, a, v)
{
	d_step {
		sb[w].n < BUFFER;
		sb[w].addr[sb[w].n] = a;
		sb[w].value[sb[w].n] = v;
		sb[w].n++
	}
}

proctype memory()
{
	byte w;
end:
	do
	:: atomic {
		if
		:: sb[0].n > 0 -> w = 0
#if WORKERS > 1
		:: sb[1].n > 0 -> w = 1
#endif
#if WORKERS > 2
		:: sb[2].n > 0 -> w = 2
#endif
		fi;
		d_step {
			if
			:: sb[w].addr[0] == A_LOW -> low[w] = sb[w].value[0]
			:: else -> awaited[w] = sb[w].value[0]
			fi;
			sb[w].n--;
			sb[w].addr[0] = sb[w].addr[1];
			sb[w].value[0] = sb[w].value[1];
			sb[w].addr[1] = sb[w].addr[2];
			sb[w].value[1] = sb[w].value[2];
			sb[w].addr[2] = 0;
			sb[w].value[2] = 0
		};
		w = 0
	}
	od
}

/* atomic.h:fence_full */
inline fence(me)
{
	DRAINED(me)
}

/* park.h:bell_ring, with its fence */
inline bell_ring(me)
{
	atomic {
		fence(me);
		rung[0] = rung[0] || listens[0];
#if WAITERS > 1
		rung[1] = rung[1] || listens[1];
#endif
	}
}

/*
 * passed.c:stage_passed. The head first: a worker has said its low before it
 * moved the head. A worker's own stores are seen by itself: it looks only
 * after a fence.
 */
inline stage_passed(to, pos)
{
#ifdef ORDERED
	to = next >= pos /* order.h:order_reached */
#else
#ifdef HEAD_LAST
	to = true;
#else
	to = head >= pos;
#endif
	to = to && low[0] >= pos;
#if WORKERS > 1
	to = to && low[1] >= pos;
#endif
#if WORKERS > 2
	to = to && low[2] >= pos;
#endif
#ifdef HEAD_LAST
	to = to && head >= pos
#else
	skip
#endif
#endif
}

/* passed.c:moved */
inline moved(me)
{
	pos = awaited[me];
	if
	:: pos != NOBODY ->
		stage_passed(passed, pos);
		if
		:: passed ->
#ifdef RESET_LATE
			bell_ring(me);
			store(me, A_AWAITED, NOBODY);
#else
			store(me, A_AWAITED, NOBODY);
			bell_ring(me);
#endif
			passed = 0
		:: else
		fi
	:: else
	fi;
	pos = 0
}

/* What has been taken and worked on goes on. */
#ifdef ORDERED
inline hand_on(p)
{
	atomic {
		DRAINED(me);
		handed_on[p] = 1;
		do
		:: next < N && handed_on[next] -> next++
		:: else -> break
		od
	}
}
#else
inline hand_on(p)
{
	handed_on[p] = 1
}
#endif

#ifdef HOLD
#define HOLDS(me) (me == 0)
#else
#define HOLDS(me) false
#endif

/* stage.c:run_items. `held` is 1 more than the position held, or 0. */
proctype worker(byte me)
{
	byte pos, mine, n, held, claimed;
	bit passed, held_once;

take:	/* passed.c:stage_claim */
	pos = head;
	atomic {
		pos = (held > 0 && held - 1 < pos -> held - 1 : pos);
#ifndef LOW_AFTER
		store(me, A_LOW, pos);
#endif
		claimed = pos;
		pos = 0
	}
#ifdef MOVED_EARLY
	moved(me);
#endif
	/* queue.c:queue_take: queue.pml; a fence follows if it succeeds. */
	atomic {
		if
		:: head < tail && DRAINED(me) ->
			mine = head;
			n = 1;
			if
			:: BULK > 1 && head + 1 < tail -> n = 2
			:: true
			fi;
			head = head + n
		:: head == tail && ended && held == 0 -> goto leave
		:: head == tail && !(ended && held == 0) -> goto wait
		fi
	}
#ifdef LOW_AFTER
	store(me, A_LOW, mine);
#endif
#ifndef LOW_STALE
	/* passed.c:stage_took: others have taken what lay between */
	if
	:: claimed < mine && (held == 0 || claimed < held - 1) ->
		atomic {
			pos = (held > 0 && held - 1 < mine -> held - 1 : mine);
			store(me, A_LOW, pos);
			pos = 0
		}
		fence(me)
	:: else
	fi;
#endif
#ifndef MOVED_EARLY
	moved(me);
#endif

	/* item.c:items_run */
#ifdef LOW_EARLY
	store(me, A_LOW, mine + n);
#endif
#ifdef MEET
	mine < first_pos || first_returned;
#endif
	if
	:: HOLDS(me) && !held_once ->
		atomic {
			held_once = 1;
			held = mine + 1;
			if
			:: n > 1 -> mine++; n--
			:: else -> mine = 0; n = 0; goto take
			fi
		}
	:: else
	fi;
	/* output.c:outputs_give */
	do
	:: n > 0 -> hand_on(mine); atomic { mine++; n-- }
	:: else -> break
	od;
	atomic { mine = 0; goto take }

wait:	/* passed.c:stage_idle */
#ifndef NO_IDLE_LOW
	atomic {
		pos = (held > 0 -> held - 1 : NOBODY);
		store(me, A_LOW, pos);
		pos = 0
	}
#endif
#ifndef NO_IDLE_FENCE
	fence(me);
#endif
	moved(me);
	/* place.c:await_items, or until what is held is due */
	if
	:: head < tail || ended
	:: held > 0 ->
		/* retry.c:held_retry */
		hand_on(held - 1);
		held = 0
	fi;
	goto take;

leave:	/* stage.c:take's idle, and later leave */
	store(me, A_LOW, NOBODY);
	atomic { DRAINED(me); live-- }
	bell_ring(me);
	left_workers++
}

/* passed.c:stage_watch */
inline watch(w)
{
	atomic {
		if
		:: pos < awaited[w] -> awaited[w] = pos
		:: else
		fi
	}
}

inline stage_watch()
{
	watch(0);
#if WORKERS > 1
	watch(1);
#endif
#if WORKERS > 2
	watch(2)
#endif
}

/* park.c:bell_listen */
inline bell_listen()
{
	atomic {
		listeners++;
		listens[me] = 1
	}
}

/* park.c:bell_leave */
inline bell_leave()
{
	atomic {
		listeners--;
		listens[me] = 0;
		rung[me] = 0
	}
}

/* verbs.c:leat_push and leat_wait, ITEMS times; the last waiter once. */
proctype waiter(byte me)
{
	byte pos, calls, i;
	bit passed;

	do
	:: calls < ITEMS ->
		atomic {
			if
			:: me == WAITERS - 1 && WAITERS > 1 ->
				tail = tail + ITEMS;
				calls = ITEMS
			:: else ->
				tail++;
				calls++
			fi
		}
		/* verbs.c:wait_stage */
		atomic {
			pos = tail;
			first_pos = (me == 0 && calls == 1 -> pos : first_pos)
		}
		/*
		 * verbs.c:wait_passed, sleep_once. Its look before it listens
		 * shows nothing that the one behind does not.
		 */
		do
		:: true ->
#ifdef WATCH_FIRST
			stage_watch();
			bell_listen();
#else
			bell_listen();
#ifndef NO_WATCH
			stage_watch();
#endif
#endif
#ifndef NO_LOOK
			stage_passed(passed, pos);
#endif
			if
			:: passed -> bell_leave(); break
			:: !passed && rung[me] -> /* park.c:bell_wait */
				bell_leave()
			fi
		od;
		atomic {
			i = 0;
			do
			:: i < pos -> assert(handed_on[i]); i++
			:: else -> break
			od;
			i = 0;
			pos = 0;
			passed = 0;
			first_returned = first_returned || me == 0
		}
	:: else -> break
	od;
	returned++
}

#ifdef PUSHER
proctype pusher()
{
	tail++
}
#endif

init {
	atomic {
		run memory();
		run worker(0);
#if WORKERS > 1
		run worker(1);
#endif
#if WORKERS > 2
		run worker(2);
#endif
		run waiter(0);
#ifdef PUSHER
		run pusher();
#endif
#if WAITERS > 1
		run waiter(1);
#endif
	}
	/* Workers that leave ring too: that must not be what ends a wait. */
	returned == WAITERS;
	ended = 1;
	left_workers == WORKERS;
	assert(listeners == 0 && live == 0)
}
