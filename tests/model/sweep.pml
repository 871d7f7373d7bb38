/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Visits down a chain: a source and stages of one place each, whose threads
 * hand on without a wake, run the places of the stages after themselves, and
 * are relieved of their homes where they get stuck. visit.pml has all of that
 * for one visited stage, with the memory and the wakes; here everybody sees
 * every store at once, and who waits for something goes on when it is there.
 * What is left is who is at home where, and who waits for whose room.
 *
 * Threads and places have the numbers of their stages: 0 is the source, and LAST
 * the sink. A watcher's tick comes when nothing else can happen, and EARLY
 * times at any time.
 *
 * What is checked: every thread comes to its end, and each home ends once;
 * every item gets to the sink; with -DNP, that no run goes on for ever.
 *
 * Parameters: LAST, ITEMS, CAP (of each queue), EARLY, BATCHES, and
 *	MEET=n		the sink waits until so many more items have been made
 *	HALFWAY=n	so does the first stage
 *	RELY		the first stage waits until the item before is done
 */
#ifndef LAST
#define LAST 2
#endif
#ifndef ITEMS
#define ITEMS 3
#endif
#ifndef CAP
#define CAP 1
#endif
#ifndef EARLY
#define EARLY 0
#endif
#ifndef BATCHES
#define BATCHES 2
#endif
#define SWEEPS	2
#define NONE	255
#define TAKEN	64 /* and twice the home that is there instead: even */
/* A thread goes to many places, so its numbers come again here; but later than
 * a watcher that has seen one is held up. */
#define WRAP 60
#define NEXT_NUMBER number = number % WRAP + 2

/* The queue before a stage, whose items have the numbers of their places. */
byte head[LAST + 1], tail[LAST + 1];
bit ended[LAST + 1];

byte manned[LAST + 1]; /* 1 more than the thread; the source's is not visited */
bit watching[LAST + 1];
byte away[LAST + 1], left_home[LAST + 1]; /* of threads */

/* What only the properties look at. */
byte made, done, left_threads;
bit making, finished[LAST + 1];

#define MADE(n)	    (made > pos + n || made == ITEMS)
#define CAN_TAKE(p) (head[p] < tail[p] || ended[p])
#define IS_OVER(p)  (ended[p] && head[p] == tail[p])
#define ROOM(p)	    (tail[p] - head[p] < CAP)

/* place.c:visitor of the thread's own home */
#define VISITED \
	(manned[home] != 0 && manned[home] != me + 1 && \
		away[manned[home] - 1] % 2 == 1)

/* The user's functions. */
inline run_fn()
{
#ifdef HALFWAY
	place != 1 || MADE(HALFWAY);
#endif
#ifdef RELY
	place != 1 || done >= pos;
#endif
#ifdef MEET
	place != LAST || MADE(MEET);
#endif
	if
	:: place < LAST ->
		/* output.c:give, which waits for room */
		atomic { ROOM(place + 1) -> tail[place + 1]++ }
	:: place == LAST -> atomic { assert(done == pos); done++ }
	fi
}

inline try_man(p)
{
	atomic {
		if
		:: manned[p] == 0 -> manned[p] = me + 1; place = p
		:: else -> place = NONE
		fi
	}
}

/* stage.c:stage_take, stage_run; `some`: there was an item. */
inline run_one()
{
	atomic {
		if
		:: head[place] < tail[place] ->
			pos = head[place];
			head[place]++;
			some = 1
		:: else -> some = 0
		fi
	}
	if
	:: some -> run_fn(); pos = 0
	:: else
	fi
}

proctype thread(byte me)
{
	byte home = me, place = NONE, pos, number, last, sweep, batch, at;
	byte seen = NONE, seen_away, early;
	bit some, left, gone;

work:	/* stage.c:work */
	if
	:: home == 0 -> goto source
	:: else -> goto take
	fi;

source:	/* item.c:items_source */
	if
	:: made == ITEMS -> goto leave
	:: else
	fi;
	atomic { assert(!making); making = 1; made++ }
	atomic { ROOM(1) -> tail[1]++; making = 0 }
	if
	:: watching[1] -> goto visit
	:: goto work
	fi;

visit:	/* visit.c:visit, leave_home */
	atomic {
		NEXT_NUMBER;
		left_home[me] = home;
		away[me] = number - 1;
		last = home + 1;
		at = last
	}
again:
	/* visit.c:visit_stage */
	try_man(at);
	if
	:: place != NONE && watching[at] ->
		/* visit.c:run_place */
		do
		:: batch < BATCHES ->
			run_one();
			if
			:: !some -> break
			:: else ->
				some = 0;
				batch++;
				last = (at == last && at < LAST -> at + 1 : last)
			fi
		:: else -> break
		od;
		atomic {
			batch = 0;
			manned[at] = 0;
			place = NONE;
			left = left || CAN_TAKE(at)
		}
	:: place != NONE && !watching[at] ->
		atomic { manned[at] = 0; place = NONE }
	:: place == NONE
	fi;
	/* visit.c:move_on */
	atomic {
		if
		:: away[me] == number - 1
#ifndef SAME_NUMBER /* fault: a visit has one number in all places */
			-> NEXT_NUMBER; away[me] = number - 1
#endif
#ifndef KEEPS_ON /* fault: goes on with its sweep */
		:: else -> gone = 1
#else
		:: else
#endif
		fi;
		if
		:: !gone && at < last -> at++; goto again
		:: !gone && at == last && left && sweep + 1 < SWEEPS ->
			sweep++;
			left = 0;
			at = left_home[me] + 1;
			goto again
		:: else
		fi;
		gone = 0;
		left = 0;
		sweep = 0;
		last = 0;
		at = 0
	}
	/* visit.c:come_home */
	atomic {
		if
		:: away[me] == number - 1
		:: else -> home = (away[me] - TAKEN) / 2
		fi;
		away[me] = 0
	}
	goto work;

take:	/* stage.c:take */
	try_man(home);
	if
	:: place == NONE -> goto await
	:: else
	fi;
	run_one();
	atomic { manned[home] = 0; place = NONE }
	if
	:: !some && IS_OVER(home) -> goto leave
	:: !some && !IS_OVER(home) -> goto await
	:: some -> some = 0
	fi;
	if
	:: home < LAST && watching[home + 1] -> goto visit
	:: goto work
	:: goto await /* place.c:place_yield */
	fi;

await:	/* place.c:place_await */
	atomic { assert(!watching[home]); watching[home] = 1 }
	do
	:: CAN_TAKE(home) && manned[home] == 0 -> break
	:: VISITED && (timeout || early < EARLY) ->
		/* place.c:look_after */
		atomic {
			if
			:: early < EARLY -> early++
			:: else
			fi;
			if
			:: VISITED && manned[home] - 1 == seen &&
				away[seen] == seen_away -> some = 1
			:: VISITED && !(manned[home] - 1 == seen &&
				away[seen] == seen_away) ->
				seen = manned[home] - 1;
				seen_away = away[seen]
			:: else -> seen = NONE; seen_away = 0
			fi
		}
		/* place.c:take_over */
		if
		:: some ->
			atomic {
				some = 0;
				if
				:: away[seen] == seen_away ->
					watching[home] = 0;
					away[seen] = TAKEN + 2 * home;
					home = left_home[seen];
					seen = NONE;
					seen_away = 0;
					goto work
				:: else
				fi
			}
		:: else
		fi
	od;
	atomic { watching[home] = 0; seen = NONE; seen_away = 0 }
	goto work;

leave:	/* stage.c:finish, place_keep */
	atomic {
		home == 0 || manned[home] == 0;
		manned[home] = me + 1;
		assert(!finished[home]);
		finished[home] = 1;
		if
		:: home < LAST -> ended[home + 1] = 1
		:: else
		fi;
		left_threads++
	}
}

init {
	atomic {
		run thread(0);
		run thread(1);
		run thread(2);
#if LAST > 2
		run thread(3)
#endif
	}
	left_threads == LAST + 1;
	assert(done == ITEMS)
}
