/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Visits: threads of a source hand items to the next stage without a wake,
 * and run its places themselves, while a thread of that stage watches; a
 * watcher takes over the home of a visitor that is stuck.
 *
 * Places are numbered: first the sources', which only their thread runs, then
 * the stage's, which any thread may man. Memory as in queue.pml; the queue is
 * a head, a tail and published places here, and never full. A tick of a
 * watcher comes when nothing else can happen, and EARLY times at any time;
 * but it is so long that stores do not stay in a buffer until it comes, unless
 * HASTY. A single source puts each item at once, several hand on after each
 * call, as a stage does.
 *
 * What is checked: a place is run by one thread at a time and each home ends
 * once; every item is worked on; nothing sleeps for ever; with -DNP, that no
 * run goes on for ever: that is, nobody just ticks while something is left.
 *
 * Parameters: SOURCES, PLACES (of the stage, each with a thread), ITEMS (of
 * each source), GRAIN (of a single source), EARLY, HASTY, and
 *	MEET		the function waits until so many more items have been
 *			made
 *	RELY		the same, but with every second item, first, until the
 *			next one is done
 *	ECHO		a source waits, before it makes an item, until all those
 *			that were made are done; with DRAW, from item FROM on
 *	UNWATCHED	the stage is one that is not visited
 *	CANCEL		the chain is halted at any time; the sources are further
 *			up: they put as several do, and do not end the input
 *	DRAW		the place of a single source, too, is run by any thread,
 *			and its queue is full with CAP items
 *	ALOOF		with DRAW: the source never visits
 *	WRAP		half as many numbers of visits there are
 *	EMIT		with DRAW: a call makes two items, and waits for room
 *	CROWD		two are a crowd already, and what there is in the queue is always little: it is left to
 *			who is awake, if it may be
 *	SPARE		with PLACES 2: a thread that has run an item may fall
 *			asleep, unless it is the last one
 *
 * Of the crowd nothing has a fault here: without the last one's look, or the one
 * at `watching`, a tick comes to the same; but see hand.pml.
 *
 * Nor has the look at `watching` of who has made way: without it nothing is
 * caught in two places, but a unit test hangs with three.
 *
 * Nor have that a visit ends when its home is taken, and that it has a number of
 * its own in each place: see sweep.pml, with more than one visited stage.
 *
 * Of the drawing, the second look at `watching`, the wake of a dry source's
 * thread and the last queue_chain have no fault here: without them a tick comes
 * to the same.
 *
 * What the code decides by how long things take is decided in any way here: so
 * with DRAW whether a source rests when its queue is full, whether it is woken
 * by who leaves its place, and whether it visits.
 */
#ifndef SOURCES
#define SOURCES 1
#endif
#ifndef PLACES
#define PLACES 1
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#ifndef EARLY
#define EARLY 0
#endif
#ifndef GRAIN
#define GRAIN 1
#endif
#ifndef CAP
#define CAP 1
#endif
#ifndef FROM
#define FROM 0
#endif
#define SWEEPS	2
#define BATCHES 2
#define MUTED	255

#define THREADS	 (SOURCES + PLACES)
#define N	 (SOURCES * ITEMS)
#define NONE	 255
#define IS_SOURCE(h) ((h) < SOURCES)

/* The queue. */
byte head, tail;
bit published[N];
bit ended;
byte waiters, tokens;

/* Places and threads. */
byte manned[THREADS]; /* 1 more than the thread */
bit watching, asked;
#if defined(CROWD) || defined(SPARE)
byte idle; /* threads of the stage that sleep */
#define FALL_ASLEEP idle++
#define WAKE_UP	    idle--
/* place.c:place_attended; see begin_watch */
#define ATTENDED (watching && !BUFFERED(me, A_WATCH) && idle < PLACES)
#else
#define FALL_ASLEEP skip
#define WAKE_UP	    skip
#define ATTENDED    false
#endif
byte visits[THREADS]; /* of places */
byte away[THREADS], left_home[THREADS];
#define TAKEN 64 /* and twice the home that is there instead: even */
byte live = SOURCES;
#ifdef CANCEL /* and not DRAW */
bit cancelled;
#define CANCELLED cancelled
#else
#define CANCELLED false
#if SOURCES == 1
#define DIRECT
#endif
#endif

#ifdef DRAW /* and SOURCES == 1 */
bit drawing; /* the source's `watching` */
bit dry, shy;
byte wake_at;
byte full_waiters, full_tokens; /* the park not_full */
#endif

/* What only the properties look at. */
byte made[SOURCES]; /* the sources' own */
byte made_all;
bit done[N + 1];
bit runs[THREADS], finished[THREADS];
byte left_threads, done_all;
bit called_last; /* the source has said that it has ended */

/* Store buffers. Addresses below N are published places. */
#define A_MANNED N
#define A_AWAY	 (A_MANNED + THREADS)
#define A_LEFT	 (A_AWAY + THREADS)
#define A_WATCH	 (A_LEFT + THREADS)
#define A_ASKED	 (A_WATCH + 1)
#define BUFFER	 3

typedef buffer {
	byte n;
	byte addr[BUFFER];
	byte value[BUFFER]
};
buffer sb[THREADS];

#define DRAINED(t) (sb[t].n == 0)
#define BUFFERED(t, a) (sb[t].addr[0] == a || sb[t].addr[1] == a || \
	sb[t].addr[2] == a)

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
		:: sb[t].addr[0] < A_MANNED -> published[sb[t].addr[0]] = 1
		:: sb[t].addr[0] >= A_MANNED && sb[t].addr[0] < A_AWAY ->
			manned[sb[t].addr[0] - A_MANNED] = sb[t].value[0]
		:: sb[t].addr[0] >= A_AWAY && sb[t].addr[0] < A_LEFT ->
			away[sb[t].addr[0] - A_AWAY] = sb[t].value[0]
		:: sb[t].addr[0] >= A_LEFT && sb[t].addr[0] < A_WATCH ->
			left_home[sb[t].addr[0] - A_LEFT] = sb[t].value[0]
		:: sb[t].addr[0] == A_WATCH -> watching = sb[t].value[0]
		:: sb[t].addr[0] == A_ASKED -> asked = sb[t].value[0]
		fi;
		sb[t].n--;
		sb[t].addr[0] = sb[t].addr[1];
		sb[t].value[0] = sb[t].value[1];
		sb[t].addr[1] = sb[t].addr[2];
		sb[t].value[1] = sb[t].value[2];
		sb[t].addr[2] = 0;
		sb[t].value[2] = 0
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

#define HAS_ITEM (head < tail && published[head])
#define RING_DRAINED (ended && head == tail)
#define IS_OVER	 (CANCELLED || RING_DRAINED)
#define NO_MORE	 (CANCELLED || ended) /* queue_over */
#if SOURCES == 1
#define NO_SOURCE_MAKES (!runs[0])
#else
#define NO_SOURCE_MAKES (!runs[0] && !runs[1])
#endif
#define CAN_TAKE (HAS_ITEM || IS_OVER)

/* place.c:any_free */
#if PLACES == 1
#define ANY_FREE (manned[SOURCES] == 0)
#else
#define ANY_FREE (manned[SOURCES] == 0 || manned[SOURCES + 1] == 0)
#endif

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

inline wake_all()
{
	atomic { tokens = tokens + waiters; waiters = 0 }
}

inline park_post_all()
{
	atomic { DRAINED(me); wake_all() }
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

/* queue.c:queue_chain, wake_consumers */
inline queue_chain()
{
	atomic {
		DRAINED(me);
		ready = waiters > 0
	}
	if
	:: ready && HAS_ITEM -> park_post()
	:: ready && !HAS_ITEM ->
		if
		:: IS_OVER -> park_post_all()
		:: else
		fi
	:: !ready
	fi;
	ready = 0
}

/* place.c:place_wake */
inline place_wake()
{
#ifdef CROWD
	atomic {
		DRAINED(me);
		ready = watching
	}
	if
	:: ready && idle < PLACES && !NO_MORE -> ready = 0
	:: else -> ready = 0; queue_chain()
	fi
#else
	queue_chain()
#endif
}

/* place.c:try_man */
inline try_man(p)
{
	atomic {
		if
		:: manned[p] == 0 && DRAINED(me) ->
			manned[p] = me + 1;
			w = p;
			assert(!runs[p] && !finished[p]);
			runs[p] = 1
		:: manned[p] != 0
		fi
	}
}

/* place.c:place_man_any */
inline man_any(first)
{
	try_man(first);
#if PLACES > 1
	if
	:: w == NONE -> try_man(2 * SOURCES + 1 - first)
	:: else
	fi
#endif
}

inline unman()
{
	atomic {
		runs[w] = 0;
		store(me, A_MANNED + w, 0);
		w = NONE
	}
}

/* A store right before a fence: nobody can tell whether it waits in a buffer
 * for that long. To have fewer states, with DRAW it does not. */
#ifdef DRAW
#define OUT(var, a, v) atomic { DRAINED(me); var = v }

inline unman_fence()
{
	atomic {
		DRAINED(me);
		runs[w] = 0;
		manned[w] = 0;
		w = NONE
	}
}
#else
#define OUT(var, a, v) store(me, a, v)
#define unman_fence() unman()
#endif

/* place.c:place_leave */
inline place_leave()
{
	unman_fence();
	place_wake()
}

#ifdef DRAW
/* ring.c:ring_room, by who runs the source, and ring_writable */
#define ROOM	 (CAP - (tail - head))
#define WRITABLE (ROOM > 0 || ended)

inline full_post()
{
	atomic {
		if
		:: full_waiters > 0 && full_tokens == 0 && DRAINED(me) ->
			full_waiters--;
			full_tokens++
		:: full_waiters == 0 || full_tokens > 0
		fi
	}
}

inline full_announce()
{
	atomic { DRAINED(me); full_waiters++ }
}

inline full_retract()
{
	atomic {
		DRAINED(me);
		if
		:: full_waiters > 0 -> full_waiters--
		:: else -> assert(full_tokens > 0); full_tokens--
		fi
	}
}

/* queue.c:queue_chain_room */
inline queue_chain_room()
{
	atomic {
		DRAINED(me);
		free = full_waiters > 0
	}
	if
	:: free -> free = 0;
		if
		:: WRITABLE -> full_post()
		:: else
		fi
	:: else
	fi
}

/* place.c:place_leave of a source, wake_source. What is left to the rest, and
 * not woken, light_source. */
inline leave_source()
{
	unman_fence();
	free = full_waiters > 0;
	if
	:: free -> full_post()
	:: free && !shy && !dry && !ended
	:: !free
	fi;
	free = 0
}

/* queue.c:queue_put, with a source's single item */
inline queue_put()
{
	do
	:: ROOM > 0 -> break
	:: ROOM == 0 ->
		free = 1;
		/* queue.c:set_wake_at */
		atomic {
			DRAINED(me);
#ifndef NO_WAKE_AT
			wake_at = tail - CAP + CAP / 4;
#endif
			full_waiters++
		}
		if
		:: WRITABLE -> full_retract()
		:: !WRITABLE ->
			atomic { full_tokens > 0 && DRAINED(me) -> full_tokens-- }
		fi
	od;
	put_one();
	park_signal();
	if
	:: free -> queue_chain_room()
	:: else
	fi
}

inline put_one()
{
	atomic {
		assert(tail - head < CAP);
		pos = tail;
		tail++;
		store(me, pos, 1);
		pos = N
	}
}

/* park.h:park_signal */
inline park_signal()
{
	atomic {
		DRAINED(me);
		ready = waiters > 0
	}
	if
	:: ready -> ready = 0; park_post()
	:: else
	fi
}

/* The source's function. It may not be called once it has ended. */
inline call_source()
{
#ifdef ECHO
	made_all == done_all || made[0] < FROM;
#endif
	atomic {
		assert(w == 0 && runs[0] && !called_last);
		if
		:: made[0] < ITEMS -> made[0]++; made_all++; left = 1
		:: else -> more = 0; called_last = 1
		fi
	}
}

/* stage.c:stage_make, item.c:items_source, of a source that may visit if
 * `quiet` says so. */
inline stage_make()
{
	atomic {
		more = 1;
		room = (ROOM < GRAIN -> ROOM : GRAIN);
		owes = quiet && room > 0
	}
	if
	:: room > 0 ->
		do
		:: more && room > 0 ->
			call_source();
			if
#ifdef EMIT
			:: more -> room = 0; emit = 2; shy = 1
#else
			:: more ->
				room--;
				/* ring.h:ring_put */
				put_one();
				/* item.c:tell */
				if
				:: quiet -> quiet = watching
				:: else
				fi;
				if
				:: !quiet && waiters > 0 -> place_wake()
				:: else
				fi
#endif
			:: !more -> room = 0
			fi
		:: else -> break
		od;
		quiet = 0
	:: room == 0 ->
		quiet = 0;
		call_source();
		if
#ifdef EMIT
		:: more -> emit = 2
#else
		:: more -> emit = 1
#endif
		:: !more
		fi
	fi;
	/* output.c:give */
	if
	:: emit > 0 && owes -> queue_chain()
	:: else
	fi;
	do
	:: emit > 0 -> emit--; queue_put();
		if
		:: emit > 0 -> atomic { made[0]++; made_all++ }
		:: else
		fi
	:: else -> break
	od;
	if
#ifndef NO_DRY
	:: !more -> OUT(dry, 0, 1)
#endif
	:: else
	fi
}
#endif

/* queue.c:queue_take. *pos is N if there is nothing. */
inline queue_take()
{
	atomic {
		if
		:: HAS_ITEM && !CANCELLED && DRAINED(me) -> pos = head; head++
		:: !HAS_ITEM || CANCELLED -> pos = N
		fi
	}
	/* The fence, and the wakes at the end, of queue.c:popped_some */
	if
	:: pos < N ->
#ifdef DRAW
		atomic {
			DRAINED(me);
			free = full_waiters > 0 && head >= wake_at
		}
		if
		:: free -> free = 0; full_post()
		:: else
		fi;
#endif
		if
		:: DRAINED(me) && RING_DRAINED && waiters > 0 -> park_post_all()
		:: DRAINED(me) && !(RING_DRAINED && waiters > 0)
		fi
	:: else
	fi
}

/* Who has waited in place.c:place_keep, or for a home that is a source now. */
inline pass_on()
{
	if
	:: waited -> waited = 0; queue_chain()
	:: else
	fi
}

/* The user's function. */
inline run_fn()
{
	assert(runs[w] && !done[pos]);
#ifdef RELY
	if
	:: pos % 2 == 0 && pos + 1 < N -> done[pos + 1] || CANCELLED
	:: else
	fi;
#endif
#if defined(MEET)
	made_all > pos + MEET || made_all == N || CANCELLED;
#elif defined(RELY)
	if
	:: pos % 2 == 1 -> made_all > pos + 1 || made_all == N || CANCELLED
	:: else
	fi;
#endif
	atomic { done[pos] = 1; done_all++; pos = N }
}

/* place.c:begin_watch. A thread sees its own store to `watching`, which is
 * always 0, also while it is in its buffer. */
inline begin_watch(to)
{
	atomic {
		if
#ifdef UNWATCHED
		:: true -> to = 0
#else
		:: watching == 0 && DRAINED(me) -> watching = 1; to = 1
		:: watching == 1 && !BUFFERED(me, A_WATCH) -> to = 0
#endif
		fi
	}
}

/* place.c:visitor. Who has a home in the stage by now is none. */
inline visitor_at(p)
{
	other = NONE;
	w = manned[p];
	if
	:: w != 0 ->
		atomic {
			other_away = away[w - 1];
			if
			:: other_away % 2 == 1 -> other = w - 1
			:: else
			fi
		}
	:: else
	fi;
	w = NONE
}

inline any_visitor()
{
	visitor_at(SOURCES);
#if PLACES > 1
	if
	:: other == NONE -> visitor_at(SOURCES + 1)
	:: else
	fi
#endif
}

/* place.c:ready_to_run */
inline look_to_run()
{
	ready = CAN_TAKE;
	free = ANY_FREE;
	atomic { ready = ready && free; free = 0 }
#if PLACES > 1 && !defined(NO_PASS) && !defined(PASS_ONCE)
	/* place.c:is_unwatched */
	if
	:: !ready && watching == 0 ->
		any_visitor();
		atomic { ready = other != NONE; other = NONE; other_away = 0 }
	:: ready || watching == 1
	fi
#endif
}

/* place.c:ready_for_plenty, in a crowd: what is there may be too little. */
inline look_in_crowd()
{
#ifdef CROWD
	if
	:: crowd && watching && !BUFFERED(me, A_WATCH) && !NO_MORE -> ready = 0
	:: else -> look_to_run()
	fi
#else
	look_to_run()
#endif
}

#ifdef DRAW
/* place.c:ready_to_make */
inline look_to_make()
{
	free = manned[0] == 0;
	ready = free && (!drawing || dry || ended || head == tail);
	free = 0
}

inline begin_drawing(to)
{
	atomic {
		if
		:: drawing == 0 && DRAINED(me) -> drawing = 1; to = 1
		:: drawing == 1 -> to = 0
		fi
	}
}
#endif

#define SEEN(p) (IS_SOURCE(p) -> 0 : (p) - SOURCES)

#if defined(NO_HOME)
#define IS_STUCK(p) false
#elif defined(NO_SOURCE_HOME)
#define IS_STUCK(p) (!IS_SOURCE(p) && other != NONE && \
	other == seen[SEEN(p)] && other_away == seen_away[SEEN(p)])
#else
#define IS_STUCK(p) (other != NONE && \
	other == seen[SEEN(p)] && other_away == seen_away[SEEN(p)])
#endif

/* One place in place.c:look_after. `ready`: the home is in another stage. */
inline look_at(p)
{
	visitor_at(p);
	if
	:: IS_STUCK(p) ->
		/* place.c:take_over */
		w = left_home[other];
		atomic {
			DRAINED(me);
			if
			:: away[other] == other_away ->
				away[other] = TAKEN + 2 * home;
				home = w
			:: else
			fi;
			w = NONE;
			ready = IS_SOURCE(home) != IS_SOURCE(p)
		}
	:: else
	fi;
	atomic {
		seen[SEEN(p)] = other;
		seen_away[SEEN(p)] = other_away;
		some = some || other != NONE;
		other_away = 0;
		other = NONE
	}
}

#if PLACES == 1
#define UNSEE	seen[0] = NONE; seen_away[0] = 0
#else
#define UNSEE	seen[0] = NONE; seen_away[0] = 0; \
		seen[1] = NONE; seen_away[1] = 0
#endif

#if PLACES == 1
#define VISITS (visits[SOURCES])
#else
#define VISITS (visits[SOURCES] + visits[SOURCES + 1])
#endif
#ifdef DRAW /* since the last look of who watches */
#define COUNT_IN(p) visits[p] = 1
#define NOTE_VISITS \
	if \
	:: watch -> visits[SOURCES] = 0; visits[THREADS - 1] = 0 \
	:: else \
	fi
#define UNVISITED (VISITS == 0)
#else
#define COUNT_IN(p) visits[p]++
#define NOTE_VISITS visited = VISITS
#define UNVISITED   (VISITS == visited)
#endif

#if defined(HASTY)
#define ALL_OUT true
#elif THREADS == 2
#define ALL_OUT (DRAINED(0) && DRAINED(1))
#elif THREADS == 3
#define ALL_OUT (DRAINED(0) && DRAINED(1) && DRAINED(2))
#else
#define ALL_OUT (DRAINED(0) && DRAINED(1) && DRAINED(2) && DRAINED(3))
#endif
#ifdef DRAW
#define NOTHING draw
#else
#define NOTHING await
#endif

#define TICK (timeout || (early < EARLY && ALL_OUT))

inline tick()
{
	if
	:: early < EARLY -> early++
	:: else
	fi
}

/* visit.c:come_home */
inline come_home()
{
	atomic {
		DRAINED(me);
		if
#ifdef BLIND_HOME /* fault: goes on at its old home */
		:: true -> away[me] = 0
#else
		:: away[me] == number - 1 -> away[me] = 0
#endif
#ifndef BLIND_HOME
		:: away[me] != number - 1 -> home = (away[me] - TAKEN) / 2
#endif
		fi
	}
	if
	:: away[me] != 0 -> store(me, A_AWAY + me, 0)
	:: else
	fi
}

/* A thread goes to many places, so its numbers come again here. */
#ifndef WRAP
#define WRAP 4
#endif
#define NEXT_NUMBER number = number % WRAP + 2

/* visit.c:leave_home. `left` is not looked at before `away`. */
inline leave_home()
{
#ifdef DRAW
	atomic {
		DRAINED(me);
		NEXT_NUMBER;
		left_home[me] = home;
		away[me] = number - 1
	}
#else
	atomic { store(me, A_LEFT + me, home); NEXT_NUMBER }
	store(me, A_AWAY + me, number - 1);
#ifndef NO_VISIT_FENCE
	DRAINED(me);
#endif
#endif
}

proctype thread(byte me)
{
	byte home = me, place = NONE, w = NONE, pos = N;
	byte number, sweep, batch, seen[PLACES] = NONE, seen_away[PLACES];
	byte other = NONE, other_away, visited, early;
	bit waited, over, ready, free, watch, some, ticks, yield, way, owes, left, more, quiet;
	bit goes, crowd;
#ifdef DRAW
	byte room, emit;
#endif

work:	/* stage.c:work */
	if
	:: IS_SOURCE(home) -> goto source
	:: else -> goto take
	fi;

source:	/* stage.c:run_source, visit.c:visit_welcome */
#ifdef DRAW
	waited = 0;
	if
	:: place != NONE -> atomic { w = place; place = NONE }
	:: else -> try_man(0)
	fi;
	if
	:: w == NONE -> goto rest
	:: else
	fi;
	/* place.c:place_rest */
	if
	:: dry -> leave_source(); goto rest
	:: !dry && ROOM == 0 && !shy ->
		OUT(wake_at, 0, MUTED);
		leave_source();
		goto rest
	:: !dry && ROOM == 0 -> shy = 0
	:: !dry && ROOM > 0
	fi;
#ifndef ALOOF
	if
	:: quiet = watching
	:: quiet = 0
	fi;
	goes = quiet;
	if
	:: !asked -> store(me, A_ASKED, 1)
	:: true
	fi;
#endif
#ifdef CROWD
	if
	:: !goes -> quiet = ATTENDED
	:: true
	fi;
#endif
	stage_make();
	left = 0;
	if
	:: owes && !goes -> owes = 0; place_wake()
	:: else
	fi;
	if
	:: more && !owes -> atomic { place = w; w = NONE; more = 0 } goto work
	:: else
	fi;
	leave_source();
	if
	:: more -> atomic { more = 0; owes = 0 } goto visit
	:: !more && owes -> owes = 0; queue_chain(); goto leave
	:: !more && !owes -> goto leave
	fi;

rest:	/* place.c:place_await, of a source */
	if
	:: dry -> goto leave
	:: else
	fi;
	begin_drawing(watch);
	if
	:: watch -> visits[0] = 0
	:: else
	fi;
	do
	:: true ->
		/* wait.c:wait_asleep */
		full_announce();
		look_to_make();
		if
		:: ready -> full_retract()
		:: !ready ->
			if
			:: atomic { full_tokens > 0 && DRAINED(me) ->
				full_tokens-- }
				ready = 1
			:: watch && full_tokens == 0 && TICK ->
				tick();
				full_retract();
				look_to_make()
			fi
		fi;
		queue_chain_room();
		if
		:: ready -> ready = 0; break
		:: else
		fi;
		/* place.c:look_after */
		some = 0;
		look_at(0);
		if
		:: ready -> ready = 0; some = 0; break
		:: else
		fi;
		if
		:: visits[0] == 0 && !some ->
			/* place.c:end_watch */
			OUT(drawing, 0, 0);
			visitor_at(0);
			if
			:: other == NONE -> watch = 0
			:: else -> begin_drawing(watch)
			fi;
			atomic { other = NONE; other_away = 0; UNSEE }
			if
#ifdef NO_SHY
			:: !watch -> break
#else
			:: !watch -> shy = 1; break
#endif
			:: else
			fi
		:: else
		fi;
		some = 0;
		visits[0] = 0
	od;
	UNSEE;
	if
	:: watch -> watch = 0; OUT(drawing, 0, 0)
	:: else
	fi;
#ifndef NO_PASS_DRAW
	/* place.c:pass_watch */
	DRAINED(me);
	full_post();
#endif
	goto work;
#else
	atomic {
		if
		:: CANCELLED -> goto leave
		:: else
		fi;
		assert(!runs[home] && made[home] < ITEMS);
		runs[home] = 1;
		quiet = watching;
		goes = quiet
	}
	if
	:: !asked -> store(me, A_ASKED, 1)
	:: true
	fi;
#if defined(CROWD) && defined(DIRECT)
	/* What takes long is not visited, be it watched. */
	if
	:: atomic { ATTENDED -> quiet = 1; goes = 0 }
	:: true
	fi;
#endif

make:	/* item.c:items_source: a call, which may wait */
#ifdef ECHO
	made_all == done_all || CANCELLED;
#endif
	atomic {
		made[home]++;
		made_all++;
		batch++;
		more = made[home] < ITEMS && !CANCELLED
	}
#ifdef DIRECT
	/* item.c:source_direct, ring.h:ring_put */
	atomic { pos = tail; tail++; store(me, pos, 1); pos = N }
	if
	:: quiet -> owes = 1; quiet = watching
	:: else
	fi;
	/* item.c:tell: without a fence, while the store may be in the buffer */
	if
	:: !quiet && waiters > 0 -> place_wake()
	:: else
	fi;
	if
	:: more && batch < GRAIN -> goto make
	:: else
	fi;
	runs[home] = 0;
	atomic { batch = 0; quiet = 0 }
	if
	:: owes && !goes -> owes = 0; place_wake()
	:: else
	fi;
	goes = 0;
	if
	:: !owes -> goto sourced
	:: owes && !more -> owes = 0; queue_chain(); goto sourced
	:: else -> owes = 0
	fi;
#else
	batch = 0;
	/* queue.c:queue_put_quietly, or queue_put */
	atomic { DRAINED(me); pos = tail; tail++ }
	atomic { store(me, pos, 1); pos = N }
	runs[home] = 0;
	if
	:: !quiet || !more -> quiet = 0; park_post(); goto sourced
	:: else -> quiet = 0
	fi;
#endif

#endif /* DRAW */
visit:	/* visit.c:visit */
	leave_home();
again:
	left = 0;
	/* visit.c:visit_stage */
	man_any(SOURCES);
	if
	:: w == NONE -> goto swept
	:: else
	fi;
#ifndef NO_WATCH_LOOK
	if
	:: watching == 0 -> place_leave(); goto swept
	:: else
	fi;
#endif
	/* visit.c:run_place */
	COUNT_IN(w);
	do
	:: batch < BATCHES ->
		batch++;
		queue_take();
		if
		:: pos == N -> break
		:: else -> run_fn()
		fi
	:: else -> break
	od;
	batch = 0;
	unman_fence();
#ifndef NO_UNMAN_FENCE
	DRAINED(me);
#endif
#ifndef NO_LAST_LOOK
	left = CAN_TAKE;
#endif
swept:
	sweep++;
	/* visit.c:move_on, but for the last one: come_home does the same */
	if
	:: left && sweep < SWEEPS ->
		atomic {
			DRAINED(me);
			if
			:: away[me] == number - 1 ->
				NEXT_NUMBER;
				away[me] = number - 1;
				goto again
			:: else -> sweep = 0
			fi
		}
	:: else -> sweep = 0
	fi;
	come_home();
	if
	:: left -> left = 0; place_wake()
	:: else
	fi;
	/* Whoever has another home now goes on there; more is the old one's. */
sourced:
#ifdef DRAW
	goto work;
#endif
	if
	:: IS_SOURCE(home) && (made[home] == ITEMS || CANCELLED) -> goto leave
	:: else -> goto work
	fi;

take:	/* stage.c:take */
	if
	:: place != NONE -> atomic { w = place; place = NONE }
	:: else -> man_any(home)
	fi;
	if
	:: w == NONE -> goto NOTHING
	:: else
	fi;
	queue_take();
	over = pos == N && IS_OVER;
	if
	:: pos == N -> place_leave();
		if
		:: !over -> goto NOTHING
		:: else
		fi
	:: else
	fi;
	if
	:: waited -> waited = 0; place_wake()
	:: else
	fi;
	if
	:: over -> over = 0; goto leave
	:: else
	fi;
	/* stage.c:run_items */
	run_fn();
	assert(!owes);
#ifdef SPARE
	/* place.c:place_spare */
	if
	:: idle + 1 < PLACES -> place_leave(); goto await
	:: true
	fi;
#endif
	/* place.c:place_yield */
	if
	:: asked && !NO_MORE ->
		store(me, A_ASKED, 0);
		begin_watch(watch);
		if
		:: watch || watching -> yield = 1; unman(); goto await
		:: else
		fi
	:: true
	fi;
	atomic { place = w; w = NONE; goto work }

#ifdef DRAW
draw:	/* visit.c:visit_source */
	waited = 1;
	if
	:: !drawing -> goto await
	:: else
	fi;
	leave_home();
	try_man(0);
	if
	:: w == NONE -> goto drawn
	:: else
	fi;
	if
	:: !drawing -> leave_source(); goto drawn
#ifndef CALL_DRY
	:: dry -> leave_source(); goto drawn
#endif
	:: else
	fi;
	/* visit.c:fill */
	COUNT_IN(0);
	more = 1;
	do
	:: batch < BATCHES && more && ROOM > 0 ->
		atomic { batch++; quiet = 1; goes = 1 }
		stage_make()
	:: else -> break
	od;
	atomic { batch = 0; more = 0 }
	leave_source();
#ifndef STALE_OWES
	owes = 0;
#endif
drawn:
	goes = 0;
	come_home();
	place_wake();
	if
	:: IS_SOURCE(home) || left -> left = 0; goto work
	:: else
	fi;
#endif

await:	/* place.c:place_await */
	if
	:: yield -> way = 1
	:: else -> waited = 1; begin_watch(watch)
#ifdef CROWD
		crowd = idle + 1 < PLACES
#endif
	fi;
	atomic {
		NOTE_VISITS;
		UNSEE;
#if defined(DIRECT) && !defined(NO_FIRST_TICK)
		ticks = 1
#else
		ticks = watch || yield
#endif
	}
	do
	:: true ->
again_await:
		/* place.c:await_items */
		atomic {
			DRAINED(me);
			waiters++;
			FALL_ASLEEP
#ifdef CROWD
			; crowd = crowd && idle < PLACES
#endif
		}
		if
		:: yield -> ready = NO_MORE || !watching
		:: else -> look_in_crowd()
		fi;
		if
		:: atomic { ready -> ready = 0; WAKE_UP } park_retract(); break
		:: else
		fi;
		if
		:: atomic { tokens > 0 && DRAINED(me) -> tokens--; WAKE_UP } break
		:: ticks && tokens == 0 && TICK -> tick()
		fi;
		park_retract();
		if
		:: yield -> ready = NO_MORE || !watching
		:: else -> look_in_crowd()
		fi;
		if
		:: atomic { ready -> ready = 0; WAKE_UP } break
		:: else
		fi;
		atomic {
			WAKE_UP;
			crowd = 0;
			if
			:: yield && !UNVISITED
			:: yield = 0
			fi
		}
		/* One tick before a long sleep, and after the end of the watch. */
		if
		:: !watch -> ticks = 0; NOTE_VISITS; goto again_await
		:: else
		fi;
		/* place.c:look_after */
		some = 0;
		look_at(SOURCES);
#if PLACES > 1
		if
		:: !ready -> look_at(SOURCES + 1)
		:: else
		fi;
#endif
		if
		:: ready -> ready = 0; some = 0; break
		:: else
		fi;
		if
		:: UNVISITED && !some ->
			/* place.c:end_watch */
			OUT(watching, A_WATCH, 0);
#ifndef NO_END_WATCH_FENCE
			DRAINED(me);
#endif
			any_visitor();
			if
			:: other == NONE ->
				watch = 0;
#ifdef NO_LAST_TICK
				ticks = 0
#endif
			:: else -> begin_watch(watch)
			fi;
			atomic { other = NONE; other_away = 0; UNSEE }
		:: else
		fi;
		some = 0;
		NOTE_VISITS
	od;
	atomic { ticks = 0; yield = 0; visited = 0; crowd = 0; UNSEE }
	if
	:: watch -> watch = 0; OUT(watching, A_WATCH, 0)
	:: else
	fi;
#if PLACES > 1 && !defined(NO_PASS)
	/* place.c:pass_watch */
	atomic {
		DRAINED(me);
		ready = watching == 0
	}
	if
	:: ready ->
		any_visitor();
		if
		:: other != NONE -> park_post()
		:: else
		fi;
		atomic { ready = 0; other = NONE; other_away = 0 }
	:: else
	fi;
#endif
	/* stage.c:run_items: a wake that came meanwhile is passed on */
	if
	:: way -> way = 0; place_wake()
	:: else
	fi;
	if
	:: IS_SOURCE(home) -> pass_on()
	:: else
	fi;
	goto work;

leave:	/* stage.c:finish, place_keep */
	do
#ifdef DRAW
	:: IS_SOURCE(home) ->
#ifdef NO_KEEP
		break;
#endif
		try_man(0);
		if
		:: w != NONE -> break
		:: else
		fi;
		full_announce();
		if
		:: manned[0] == 0 -> full_retract()
		:: manned[0] != 0 ->
			if
			:: atomic { full_tokens > 0 && DRAINED(me) ->
				full_tokens-- }
			:: full_tokens == 0 && TICK -> tick(); full_retract()
			fi
		fi;
		queue_chain_room()
#else
	:: IS_SOURCE(home) -> break
#endif
	:: !IS_SOURCE(home) ->
		try_man(home);
		if
		:: w != NONE -> break
		:: else
		fi;
#ifndef NO_KEEP_CHAIN
		waited = 1;
#endif
		atomic { DRAINED(me); waiters++; FALL_ASLEEP }
		if
		:: manned[home] == 0 -> park_retract()
		:: manned[home] != 0 ->
			if
			:: atomic { tokens > 0 && DRAINED(me) -> tokens-- }
			:: tokens == 0 && TICK -> tick(); park_retract()
			fi
		fi;
		WAKE_UP
	od;
	pass_on();
	atomic {
		DRAINED(me);
		assert(!finished[home]);
		finished[home] = 1;
		w = NONE;
		if
		:: IS_SOURCE(home) ->
			live--;
#ifndef CANCEL
			ready = live == 0
#endif
		:: else
		fi
	}
	if
	:: ready ->
		atomic { DRAINED(me); ended = 1 }
		park_post_all();
#ifdef DRAW
		atomic {
			DRAINED(me);
			full_tokens = full_tokens + full_waiters;
			full_waiters = 0
		}
#endif
	:: else
	fi;
	left_threads++
}

#ifdef CANCEL
/* Who halts the chain, and then the last thread of the stage before. */
proctype canceller()
{
	/* queue.c:leat_queue_cancel, with its fence */
	cancelled = 1;
	wake_all();
	/* queue.c:leat_queue_end: nobody puts any more */
	atomic { NO_SOURCE_MAKES; ended = 1 }
	wake_all()
}
#endif

init {
	atomic {
		run memory();
#ifdef CANCEL
		run canceller();
#endif
		run thread(0);
		run thread(1);
#if THREADS > 2
		run thread(2);
#endif
#if THREADS > 3
		run thread(3);
#endif
	}
	left_threads == THREADS;
	assert(CANCELLED || (head == N && tail == N));
#ifdef DRAW
	assert(full_waiters == 0 && full_tokens == 0)
#endif
}
