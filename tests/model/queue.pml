/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue: the ring's claims and publications, the two parks, the producers'
 * wake_at, deadlines, end and cancel. Every step that touches shared memory
 * is one transition and names the function that it stands for; loads that
 * the code does one after the other are one transition only where the
 * comment there says why that shows the same runs.
 *
 * Memory: a plain store waits in its thread's store buffer, in order, until
 * the process `memory` lets it out; a read-modify-write and fence_full wait
 * until the thread's own buffer is empty. That is what x86 does. Where a
 * weaker processor may do more (a load that passes the announcement before
 * it) a fault does it by hand: LOOK_FIRST.
 *
 * What is checked: every item leaves once, at its position, and each
 * producer's positions grow with its items (`ghost`); no more than CAP are
 * inside; nothing sleeps for ever (an invalid end state); parks are empty in
 * the end; with -DNP, that no run goes on for ever.
 *
 * Parameters: NP, NC (threads), CAP, SLOTS (a power of two >= CAP), BULK,
 * ITEMS (of each producer), QUARTER (what must be free to wake producers),
 * SP, SC (a single producer, consumer), and one of
 *	END_LAST	the last producer to finish ends the input
 *	END_ANY		somebody ends it at any time
 *	CANCEL		somebody cancels at any time, and the producers end
 * and also
 *	NO_END		nobody ends it, and consumers stop by TAKES
 * and also
 *	LATE_PUT, LATE_POP	producer 0, or consumer 0, has a deadline,
 *			which may pass at any time; it then stops
 *	TAKES		a consumer makes so many calls, then stops
 *	FUTEX		sleeping and waking, not just tokens
 *	SPLIT		the parts of a claim as transitions of their own
 *	QUIET		a park may become quiet whenever nobody is there
 */
#ifndef NP
#define NP 1
#endif
#ifndef NC
#define NC 1
#endif
#ifndef CAP
#define CAP 1
#endif
#ifndef SLOTS
#define SLOTS CAP
#endif
#ifndef BULK
#define BULK 1
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#ifndef QUARTER
#define QUARTER (CAP / 4)
#endif
#if !defined(END_ANY) && !defined(CANCEL) && !defined(NO_END)
#define END_LAST 1
#endif

#define RING_END   128
#define POS(tail)  ((tail) & 127)
#define SLOT(pos)  ((pos) % SLOTS)
#ifdef TEXTBOOK_TURNS /* fault: position and position + 1 */
#define FREE(pos)  (pos)
#define FULL(pos)  ((pos) + 1)
#define FREED(pos) ((pos) + SLOTS)
#else
/* ring.h:ring_free: the byte there wraps at 256, this one sooner. */
#ifdef NARROW_TURNS
#define TURNS 2
#else
#define TURNS 4
#endif
#define FREE(pos)  (2 * ((pos) / SLOTS) % TURNS)
#define FULL(pos)  ((FREE(pos) + 1) % TURNS)
#define FREED(pos) ((FREE(pos) + 2) % TURNS)
#endif

/* Between two accesses that may be one transition. */
#ifdef SPLIT
#define SPLIT_HERE } atomic {
#else
#define SPLIT_HERE
#endif

#define THREADS	   (NP + NC + 1) /* the last one ends or cancels */
#define OTHER	   (NP + NC)
#define MAX_POS	   (NP * ITEMS)
#define PRODUCER(i) (i)
#define CONSUMER(i) (NP + (i))

/* Shared memory. */
byte tail, head, free_to, full_to;
byte turn[SLOTS];
byte item[SLOTS];
byte wake_at;
bit cancelled;
byte ends = NP;
#ifdef END_APART
bit ended; /* fault: not a bit of the tail */
#endif

/* A park: {waiters, tokens}. */
#define NOT_EMPTY 0
#define NOT_FULL  1
byte waiters[2], tokens[2];
#ifdef QUIET
bit quiet[2];
/* By announcer: the threads, a bit for each, that have not had an empty buffer
 * since it began to fence all. */
byte due[THREADS];
#endif
bit asleep[THREADS + 2];

/* What only the properties look at: the item that belongs at a position. */
byte ghost[MAX_POS];
byte left_threads;

/* Store buffers. Addresses below SLOTS are turns. */
#define A_TAIL	SLOTS
#define A_HEAD	(SLOTS + 1)
#define A_WAKE	(SLOTS + 2)
#define A_CANC	(SLOTS + 3)
#define BUFFER	3

typedef buffer {
	byte n;
	byte addr[BUFFER];
	byte value[BUFFER]
};
buffer sb[THREADS];

#define DRAINED(t) (sb[t].n == 0)
#if THREADS == 3
#define ALL_DRAINED (DRAINED(0) && DRAINED(1) && DRAINED(2))
#elif THREADS == 4
#define ALL_DRAINED (DRAINED(0) && DRAINED(1) && DRAINED(2) && DRAINED(3))
#else
#define ALL_DRAINED \
	(DRAINED(0) && DRAINED(1) && DRAINED(2) && DRAINED(3) && DRAINED(4))
#endif

inline store(t, a, v)
{
	d_step {
		sb[t].n < BUFFER;
		sb[t].addr[sb[t].n] = a;
		sb[t].value[sb[t].n] = v;
		sb[t].n++
	}
}

/* Whose buffer is empty passes the fence of whoever fences all. */
inline passed_fence(t)
{
#ifdef QUIET
	if
	:: sb[t].n == 0 ->
		due[0] = due[0] & ~(1 << t);
		due[1] = due[1] & ~(1 << t);
		due[2] = due[2] & ~(1 << t)
#if THREADS > 3
		;
		due[3] = due[3] & ~(1 << t)
#endif
#if THREADS > 4
		;
		due[4] = due[4] & ~(1 << t)
#endif
	:: else
	fi
#else
	skip
#endif
}

#define FULL_BUFFER(t) ((sb[t].n > 0) << (t))

/* park.c:fence_all, its begin: it ends when nothing is due. */
inline begin_fence_all(me)
{
	due[me] = FULL_BUFFER(0) | FULL_BUFFER(1) | FULL_BUFFER(2);
#if THREADS > 3
	due[me] = due[me] | FULL_BUFFER(3);
#endif
#if THREADS > 4
	due[me] = due[me] | FULL_BUFFER(4)
#endif
}

inline let_out(t)
{
	d_step {
		sb[t].n > 0;
		if
		:: sb[t].addr[0] < SLOTS ->
			turn[sb[t].addr[0]] = sb[t].value[0]
		:: sb[t].addr[0] == A_TAIL -> tail = sb[t].value[0]
		:: sb[t].addr[0] == A_HEAD -> head = sb[t].value[0]
		:: sb[t].addr[0] == A_WAKE -> wake_at = sb[t].value[0]
		:: sb[t].addr[0] == A_CANC -> cancelled = 1
		fi;
		sb[t].n--;
		sb[t].addr[0] = sb[t].addr[1];
		sb[t].value[0] = sb[t].value[1];
		sb[t].addr[1] = sb[t].addr[2];
		sb[t].value[1] = sb[t].value[2];
		sb[t].addr[2] = 0;
		sb[t].value[2] = 0;
		passed_fence(t)
	}
}

/* The processor lets out one store of any thread. */
proctype memory()
{
	byte t;
end:
	do
	:: atomic {
		if
		:: sb[0].n > 0 -> t = 0
		:: sb[1].n > 0 -> t = 1
		:: sb[2].n > 0 -> t = 2
#if THREADS > 3
		:: sb[3].n > 0 -> t = 3
#endif
#if THREADS > 4
		:: sb[4].n > 0 -> t = 4
#endif
#if THREADS > 5
		:: sb[5].n > 0 -> t = 5
#endif
#if THREADS > 6
		:: sb[6].n > 0 -> t = 6
#endif
		fi;
		let_out(t);
		t = 0
	}
	od
}

/* park.c:futex_wake of one, or of all, on the side of threads lo to hi - 1. */
#ifdef FUTEX
inline futex_wake(lo, hi)
{
	atomic {
		if
		:: posted && asleep[lo] -> asleep[lo] = 0
		:: posted && lo + 1 < hi && asleep[lo + 1] ->
			asleep[lo + 1] = 0
		:: posted && lo + 2 < hi && asleep[lo + 2] ->
			asleep[lo + 2] = 0
		:: else
		fi;
		posted = 0
	}
}

inline futex_wake_all(lo, hi)
{
	d_step {
		if
		:: posted -> asleep[lo] = 0
		:: else
		fi;
		if
		:: posted && lo + 1 < hi -> asleep[lo + 1] = 0
		:: else
		fi;
		if
		:: posted && lo + 2 < hi -> asleep[lo + 2] = 0
		:: else
		fi;
		posted = 0
	}
}
#else
#define futex_wake(lo, hi)     posted = 0
#define futex_wake_all(lo, hi) posted = 0
#endif

/*
 * park.c:park_post. That its caller saw a waiter, and its first load, are one
 * with the swap: what they see only matters if the swap sees it too. `guard`
 * is the fence before: true if there is none.
 */
inline park_post(me, p, lo, hi, guard)
{
	atomic {
		if
		:: waiters[p] > 0 && tokens[p] == 0 && DRAINED(me) ->
			waiters[p]--;
			tokens[p]++;
			posted = 1
		:: (waiters[p] == 0 || tokens[p] > 0) && guard
		fi
	}
	futex_wake(lo, hi)
}

/* park.c:park_post_all */
inline park_post_all(me, p, lo, hi)
{
	atomic {
		if
		:: waiters[p] > 0 && DRAINED(me) ->
#ifdef END_WAKES_ONE
			waiters[p]--;
			tokens[p]++;
#else
			tokens[p] = tokens[p] + waiters[p];
			waiters[p] = 0;
#endif
			posted = 1
		:: waiters[p] == 0
		fi
	}
	futex_wake_all(lo, hi)
}

inline post_producer(me)
{
	park_post(me, NOT_FULL, 0, NP, true)
}

inline post_consumer(me, guard)
{
	park_post(me, NOT_EMPTY, NP, NP + NC, guard)
}

inline post_producers(me)
{
	park_post_all(me, NOT_FULL, 0, NP)
}

inline post_consumers(me)
{
	park_post_all(me, NOT_EMPTY, NP, NP + NC)
}

/* atomic.h:fence_full */
inline fence(me)
{
	DRAINED(me)
}

/* park.c:park_announce */
inline park_announce(me, p)
{
#ifdef QUIET
	atomic {
		DRAINED(me);
		waiters[p]++;
		fencing = quiet[p];
		if
		:: fencing ->
			begin_fence_all(me)
		:: else
		fi
	}
	if
	:: fencing ->
#ifndef NO_FENCE_ALL
		due[me] == 0;
#endif
		atomic { quiet[p] = 0; fencing = 0; due[me] = 0 }
	:: else
	fi
#else
	atomic { DRAINED(me); waiters[p]++ }
#endif
}

#ifdef QUIET
/* park.h:park_quiet */
#define IS_QUIET(p) (quiet[p] && waiters[p] == 0 && tokens[p] == 0)

/* park.c:park_look, its end. That there were waiters to be seen before does not
 * matter. */
inline become_quiet(me, p)
{
	atomic {
		if
		:: DRAINED(me) && waiters[p] == 0 && tokens[p] == 0 ->
			quiet[p] = 1
		:: true
		fi
	}
}
#endif

/* park.c:park_retract */
inline park_retract(me, p)
{
	atomic {
		DRAINED(me);
#if defined(RETRACT_NOTHING)
		skip
#elif defined(RETRACT_TOKEN)
		if
		:: tokens[p] > 0 -> tokens[p]--
		:: else -> waiters[p]--
		fi
#else
		if
		:: waiters[p] > 0 -> waiters[p]--
		:: else -> assert(tokens[p] > 0); tokens[p]--
		fi
#endif
	}
}

/* ring.h:ring_drained. Once it is true it stays so, and the tail stands
 * still once it has ended: one transition for its two loads. */
#ifdef END_APART
#define RING_DRAINED (ended && head == tail)
#else
#define RING_DRAINED ((tail & RING_END) && head == POS(tail))
#endif

/* Looks at a place, with a position that may be stale. */
#ifdef END_APART
#define IS_OVER(p) ended
#else
#define IS_OVER(p) ((p) & RING_END)
#endif
#if defined(SC) || defined(HEAD_FREES)
#define IS_FREE(p)   true
#else
#define IS_FREE(p)   (turn[SLOT(p)] == FREE(p))
#endif
#if defined(SP) || defined(TAIL_FILLS)
#define IS_FULL(p)   (POS(tail) > (p))
#define HAS_ITEM(p)  (POS(tail) != (p))
#else
#define IS_FULL(p)   (turn[SLOT(p)] == FULL(p))
#define HAS_ITEM(p)  IS_FULL(p)
#endif
/* The turn did not say so, but another position is next by now. */
#if defined(LOOK_ONCE)
#define PASSED(now, p) false
#else
#define PASSED(now, p) ((now) != (p))
#endif

/*
 * queue.c:ready_to_put with ring.c:ring_writable: the tail first. A tail that
 * is stale by the time the head is looked at says "no".
 */
inline look_for_room(to)
{
	do
	:: atomic {
		pos = tail;
		to = cancelled
	}
	atomic {
		if
		:: !to && !(pos & RING_END) && head <= pos &&
			pos - head < CAP && !IS_FREE(pos) &&
			PASSED(tail, pos)
		:: else ->
			to = to || (pos & RING_END) || (head <= pos &&
				pos - head < CAP && IS_FREE(pos));
			pos = 0;
			break
		fi
	}
	od
}

/* queue.c:queue_ready_to_take with ring.c:ring_readable: the head first. */
inline look_for_items(to)
{
	do
	:: atomic {
		pos = head;
		to = cancelled
	}
	atomic {
		if
		:: !to && !HAS_ITEM(pos) && PASSED(head, pos)
		:: else ->
			to = to || HAS_ITEM(pos) || RING_DRAINED;
			pos = 0;
			break
		fi
	}
	od
}

/* queue.c:leat_queue_end, its last call. */
inline end_input(me)
{
#ifdef NO_END_FENCE
	/* fault: the look for waiters passes the end's store */
	atomic {
		saw_c = waiters[NOT_EMPTY] > 0;
		saw_p = waiters[NOT_FULL] > 0
	}
#else
	saw_c = 1;
	saw_p = 1;
#endif
	/* ring.c:ring_end */
#if defined(SP)
	store(me, A_TAIL, mine | RING_END);
#elif defined(END_APART)
	ended = 1;
#else
	atomic { DRAINED(me); tail = tail | RING_END }
#endif
#ifndef NO_END_FENCE
	fence(me);
#endif
#ifndef NO_END_WAKE_CONSUMERS
	if
	:: saw_c -> post_consumers(me)
	:: else
	fi;
#endif
#ifndef NO_END_WAKE_PRODUCERS
	if
	:: saw_p -> post_producers(me)
	:: else
	fi;
#endif
	atomic { saw_c = 0; saw_p = 0 }
}

#define ITEM(me, seq) (1 + (me) * ITEMS + (seq))

#ifndef LATE_PUT
#define LATE_PUT 0
#endif
#ifndef LATE_POP
#define LATE_POP 0
#endif
#define MAY_BE_LATE(me) ((LATE_PUT && me == PRODUCER(0)) || \
	(LATE_POP && me == CONSUMER(0)))

/* What park.c:park_wait does, until a token is taken or it is too late. */
inline park_wait(me, p)
{
	do
	:: atomic { tokens[p] > 0 && DRAINED(me) -> tokens[p]--; break }
#ifdef FUTEX
	/* park.c:futex_sleep: the kernel compares, then sleeps. */
#ifdef FUTEX_BLIND
	:: tokens[p] == 0 -> asleep[me] = 1;
#else
	:: atomic { tokens[p] == 0 -> asleep[me] = 1 };
#endif
		if
		:: !asleep[me]
		:: atomic {
			MAY_BE_LATE(me) && asleep[me] ->
			asleep[me] = 0;
			late = 1
		}
		   break
		fi
#else
	:: MAY_BE_LATE(me) && tokens[p] == 0 -> late = 1; break
#endif
	od
}

/* Where turns tell, and there are no more places than the capacity allows, the
 * head does not matter. */
#if defined(NO_ROOM) || \
	(SLOTS == CAP && !defined(SC) && !defined(HEAD_FREES))
#define HEAD_ALLOWS(p) true
#else
#define HEAD_ALLOWS(p) ((p) < head + CAP)
#endif

/* ring.c:look_for_free, unless what is known suffices. */
inline look_for_free()
{
	if
	:: left < n ->
#if defined(SC) && !defined(NO_ROOM)
		look = head + CAP
#else
		do
		:: k < SLOTS && HEAD_ALLOWS(pos + k) && IS_FREE(pos + k) -> k++
		:: else -> break
		od;
		look = pos + k;
		k = 0
#endif
	:: else
	fi
}

/* queue.c:queue_put, again and again. */
proctype producer(byte me)
{
	byte pos, k, i, n, seq, mine, look;
	short left;
	bit waited, ready, late, ahead, gone, posted, saw_c, saw_p;
#ifdef QUIET
	bit fencing;
#endif

call:
	atomic {
		if
		:: seq == ITEMS || gone -> goto leave
		:: else
		fi;
		n = (ITEMS - seq < BULK -> ITEMS - seq : BULK)
	}

some:	/* queue.c:put_some */
#ifdef CANCEL
	atomic {
		if
		:: cancelled -> gone = 1; goto done
		:: else
		fi
	}
#endif

	/*
	 * ring.c:ring_push, with known and claim. With SPLIT the load of
	 * the tail, the look for places, the note of what was found, and the
	 * swap are transitions. In one they show the same runs: a swap that
	 * fails changes nothing but that note, which holds however late it
	 * is; one that does not has seen the present tail, places only become
	 * free while the tail stands still (hence a choice: fewer may have
	 * been free at the look), and a tail that is stale never makes a queue
	 * look full that is not.
	 */
claim:
	atomic {
#if defined(SP)
		pos = mine;
#elif defined(STALE_TAIL) /* fault: claims again with what it has */
		pos = (pos > 0 -> pos : tail);
#else
		pos = tail;
#endif
		if
		:: IS_OVER(pos) -> gone = 1; pos = 0; goto done
		:: else
		fi;
		SPLIT_HERE
		left = free_to - pos;
		look_for_free();
		SPLIT_HERE
		if
		:: look > 0 -> free_to = look; left = look - pos; look = 0
		:: else
		fi;
		k = (left < 0 -> 0 : (left < n -> left : n));
#ifndef SP
		ahead = k == 0 && PASSED(tail, pos);
#endif
		left = 0;
		if
#ifdef STALE_TAIL
		:: k == 0 && ahead -> ahead = 0; goto claim
#else
		:: k == 0 && ahead -> ahead = 0; pos = 0; goto claim
#endif
		:: k == 0 && !ahead -> pos = 0; goto no_room
		:: else -> ahead = 0
		fi;
#if !defined(SC) && !defined(SPLIT)
		if
		:: k > 1 -> k--
		:: true
		fi;
#endif
		SPLIT_HERE
#ifdef SP
		/* ring.c:ring_push, ring.h:ring_put: the items, then the tail */
		do
		:: i < k ->
			item[SLOT(pos + i)] = ITEM(me, seq + i);
			i++
		:: else -> break
		od;
		i = 0;
		store(me, A_TAIL, pos + k);
		mine = pos + k;
#else
		DRAINED(me);
#ifndef NO_COMPARE
		if
		:: tail != pos -> k = 0; pos = 0; goto claim
		:: else
		fi;
#endif
		tail = pos + k;
#endif
		assert(pos + k - head <= CAP);
		do
		:: i < k -> ghost[pos + i] = ITEM(me, seq + i); i++
		:: else -> break
		od;
		i = 0;
#ifdef SP
		goto published
#endif
	}

publish: /* ring.c:ring_push: the item may be visible early, not late */
	atomic {
		sb[me].n < BUFFER;
#ifdef ITEM_LATE
		store(me, SLOT(pos + i), FULL(pos + i))
	}
	atomic {
		item[SLOT(pos + i)] = ITEM(me, seq + i);
#else
		item[SLOT(pos + i)] = ITEM(me, seq + i);
		store(me, SLOT(pos + i), FULL(pos + i));
#endif
		i++;
		if
		:: i < k -> goto publish
		:: else -> i = 0
		fi;
published:
		seq = seq + k;
		n = n - k;
		k = 0;
		pos = 0
	}
	/* queue.c:pushed_some, park.c:park_look */
#ifdef QUIET
	atomic {
		if
		:: IS_QUIET(NOT_EMPTY) -> goto pushed
		:: else
		fi
	}
#endif
#ifdef NO_PUSH_FENCE
	post_consumer(me, true);
#elif !defined(NO_PUSH_WAKE)
	post_consumer(me, DRAINED(me));
#endif
#ifdef QUIET
	become_quiet(me, NOT_EMPTY);
pushed:
#endif
	if
	:: n > 0 -> goto some
	:: else -> goto done
	fi;

no_room:	/* queue.c:queue_await_room, set_wake_at */
	atomic {
		waited = 1;
#ifdef WAKE_AT_HEAD
		store(me, A_WAKE, head + QUARTER)
#elif defined(SP) /* its own, which it sees even in the buffer */
		assert(mine >= CAP);
		store(me, A_WAKE, mine - CAP + QUARTER)
#else
		assert(POS(tail) >= CAP);
		store(me, A_WAKE, POS(tail) - CAP + QUARTER)
#endif
	}
	/* wait.c:wait_asleep */
#ifdef LOOK_FIRST
	look_for_room(ready);
#endif
	park_announce(me, NOT_FULL);
#if !defined(LOOK_FIRST) && !defined(NO_SECOND_LOOK)
	look_for_room(ready);
#endif
	if
	:: ready ->
		park_retract(me, NOT_FULL);
		ready = 0;
		goto some
	:: else
	fi;
	park_wait(me, NOT_FULL);
	if
	:: late ->
		park_retract(me, NOT_FULL);
		late = 0;
#ifndef RETRACT_TOKEN
		look_for_room(ready);
#endif
		atomic {
			gone = !ready;
			ready = 0;
			if
			:: gone -> goto done
			:: else -> goto some
			fi
		}
	:: else -> goto some
	fi;

done:	/* queue.c:queue_put: pass the wake on */
#ifndef NO_PUT_CHAIN
	atomic {
		if
		:: waited -> waited = 0
		:: else -> goto call
		fi
	}
	atomic {
		fence(me);
		if
		:: waiters[NOT_FULL] > 0
		:: else -> goto call
		fi
	}
	look_for_room(ready);
	if
	:: atomic { ready -> ready = 0 }
	   post_producer(me)
	:: else
	fi;
#endif
	goto call;

leave:
#if !defined(END_ANY) && !defined(NO_END)
	atomic {
		DRAINED(me);
		ends--;
		if
		:: ends > 0 -> goto gone_by
		:: else
		fi
	}
	end_input(me);
gone_by:
#endif
	left_threads++
}

/* ring.c:look_for_full, unless what is known suffices. */
inline look_for_full()
{
	if
	:: left < BULK ->
#ifdef SP
		look = POS(tail)
#else
		do
		:: k < SLOTS && IS_FULL(pos + k) -> k++
		:: else -> break
		od;
		look = pos + k;
		k = 0
#endif
	:: else
	fi
}

/* queue.c:queue_pop, again and again. */
proctype consumer(byte me)
{
	byte pos, k, i, mine, look;
	short left;
	bit waited, ready, late, ahead, posted;
#ifdef QUIET
	bit fencing;
#endif
#ifdef TAKES
	byte calls;

call:
	atomic {
		if
		:: calls == TAKES -> goto leave
		:: else -> calls++
		fi
	}
#else
call:
#endif
take:	/* queue.c:queue_take */
#ifdef CANCEL
	atomic {
		if
		:: cancelled -> goto leave
		:: else
		fi
	}
#endif
	/* ring.c:ring_pop, with known: as the producer's claim. */
claim:
	atomic {
#ifdef SC
		pos = mine;
#else
		pos = head;
#endif
		SPLIT_HERE
		left = full_to - pos;
		look_for_full();
		SPLIT_HERE
		if
		:: look > 0 -> full_to = look; left = look - pos; look = 0
		:: else
		fi;
		k = (left < 0 -> 0 : (left < BULK -> left : BULK));
		left = 0;
#ifndef SC
		ahead = k == 0 && PASSED(head, pos);
#endif
		if
		:: k == 0 && ahead -> ahead = 0; pos = 0; goto claim
		:: k == 0 && !ahead -> pos = 0; goto none
		:: else
		fi;
#ifndef SPLIT
		if
		:: k > 1 -> k--
		:: true
		fi;
#endif
		SPLIT_HERE
#ifdef SC
		mine = pos + k;
#else
		DRAINED(me);
#ifndef NO_COMPARE
		if
		:: head != pos -> k = 0; pos = 0; goto claim
		:: else
		fi;
#endif
		head = pos + k
#endif
	}

release: /* ring.c:ring_pop: the copy, then the turns, or the head */
	atomic {
		sb[me].n < BUFFER;
		assert(ghost[pos + i] != 0);
		assert(item[SLOT(pos + i)] == ghost[pos + i]);
		ghost[pos + i] = 0;
#ifndef SC
		store(me, SLOT(pos + i), FREED(pos + i));
#endif
		i++;
		if
		:: i < k -> goto release
		:: else -> i = 0
		fi
#ifdef SC
		;
		store(me, A_HEAD, pos + k)
#endif
	}
	/* queue.c:popped_some, park.c:park_look */
#ifdef QUIET
	if
	:: atomic { !IS_QUIET(NOT_FULL) -> goto loud }
	:: atomic { else -> skip }
	fi;
	if
	:: atomic { !IS_QUIET(NOT_EMPTY) -> goto loud }
	:: atomic { else -> pos = 0; k = 0; goto chain }
	fi;
loud:
	become_quiet(me, NOT_FULL);
#endif
	atomic {
#ifndef NO_POP_FENCE
		fence(me);
#endif
		if
		:: waiters[NOT_FULL] > 0
		:: else -> goto drained
		fi
	}
	atomic {
		if
#ifdef OWN_POSITION
		:: pos + k >= wake_at
#else
		:: head >= wake_at
#endif
		:: else -> goto drained
		fi
	}
#ifndef NO_POP_WAKE
	post_producer(me);
#endif

drained:
	atomic {
		pos = 0;
		k = 0;
		if
		:: waiters[NOT_EMPTY] > 0
		:: else -> goto chain
		fi
	}
#ifndef NO_DRAINED_WAKE
	if
	:: atomic { RING_DRAINED -> skip }
	   post_consumers(me)
	:: else
	fi;
#endif

chain:	/* queue.c:queue_chain */
	atomic {
		if
		:: waited -> waited = 0
		:: else -> goto call
		fi
	}
#ifndef NO_POP_CHAIN
	atomic {
		fence(me);
		if
		:: waiters[NOT_EMPTY] > 0
		:: else -> goto call
		fi
	}
	/* queue.c:wake_consumers */
wake:	pos = head;
	if
	:: atomic { HAS_ITEM(pos) -> pos = 0 }
	   post_consumer(me, true)
	:: atomic { !HAS_ITEM(pos) && PASSED(head, pos) -> pos = 0 }
	   goto wake
	:: atomic { else -> pos = 0 }
	   if
	   :: cancelled || RING_DRAINED -> post_consumers(me)
	   :: else
	   fi
	fi;
#endif
	goto call;

none:	/* queue.c:queue_take; the head is one's own when one is alone */
	atomic {
		if
#ifdef SC
		:: (tail & RING_END) && mine == POS(tail) -> goto leave
#else
		:: RING_DRAINED -> goto leave
#endif
		:: else
		fi
	}
	/* queue.c:await_items, wait.c:wait_asleep */
#ifdef LOOK_FIRST
	look_for_items(ready);
#endif
	park_announce(me, NOT_EMPTY);
#if !defined(LOOK_FIRST) && !defined(NO_SECOND_LOOK)
	look_for_items(ready);
#endif
	if
	:: ready ->
		park_retract(me, NOT_EMPTY);
		atomic { ready = 0; waited = 1; goto take }
	:: else
	fi;
	park_wait(me, NOT_EMPTY);
	if
	:: late ->
		park_retract(me, NOT_EMPTY);
		late = 0;
#ifndef RETRACT_TOKEN
		look_for_items(ready);
#endif
		atomic {
			if
			:: ready -> ready = 0; waited = 1; goto take
			:: else -> goto leave
			fi
		}
	:: atomic { else -> waited = 1; goto take }
	fi;

leave:
	left_threads++
}

/* Somebody else, at any time. */
#if defined(END_ANY) || defined(CANCEL)
proctype other(byte me)
{
	byte pos;
	bit posted, saw_c, saw_p;

#ifdef END_ANY
	end_input(me);
#else
	/* queue.c:leat_queue_cancel */
	store(me, A_CANC, 1);
#ifndef NO_CANCEL_FENCE
	fence(me);
#endif
#ifndef NO_CANCEL_WAKE
	post_consumers(me);
	post_producers(me);
#endif
#endif
	left_threads++
}
#define ALL_THREADS THREADS
#else
#define ALL_THREADS (THREADS - 1)
#endif

init {
	atomic {
		run memory();
		run producer(0);
#if NP > 1
		run producer(1);
#endif
#if NP > 2
		run producer(2);
#endif
		run consumer(NP);
#if NC > 1
		run consumer(NP + 1);
#endif
#if NC > 2
		run consumer(NP + 2);
#endif
#if defined(END_ANY) || defined(CANCEL)
		run other(OTHER);
#endif
	}
	d_step {
		left_threads == ALL_THREADS && ALL_DRAINED ->
		assert(waiters[0] == 0 && waiters[1] == 0);
		assert(tokens[0] == 0 && tokens[1] == 0);
	}
#if !defined(CANCEL) && !defined(END_ANY) && !LATE_PUT
	assert(POS(tail) == MAX_POS);
#endif
#if !defined(CANCEL) && !defined(TAKES)
	/* Everything claimed was delivered. */
	assert(head == POS(tail))
#endif
}
