/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An order: the reorder window. Workers take runs of positions below the
 * limit, and hand them on in order, at once, or by laying them down, or after
 * waiting for their turn.
 *
 * Memory as in queue.pml: a plain store waits in its worker's store buffer.
 * The input queue is only its head here (queue.pml has the rest): all items
 * are there and the input has ended.
 *
 * What is checked: the sink gets every position once, in order, from one
 * worker at a time; a place is laid down only when it is free; nothing sleeps
 * for ever; with -DNP, that no run goes on for ever.
 *
 * Parameters: WORKERS, N (positions), SIZE (places of the window), RUN (the
 * most positions of a run), and
 *	ENTER		the workers may also wait for their turn
 *	HOLD		worker 0 keeps its first run until it has handed on
 *			another one, or must wait for credit
 *	MEET		a run's function waits until another worker has taken
 *			the next one, if the window lets it
 *	STOP		worker 0 takes only once
 *	CANCEL		somebody cancels at any time
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef N
#define N 4
#endif
#ifndef SIZE
#define SIZE 2
#endif
#ifndef RUN
#define RUN 1
#endif

#define PLACE(pos) ((pos) % SIZE)
#define THREADS	   (WORKERS + 1)
#define CANCELLER  WORKERS

/* Shared memory. */
byte head; /* of the input queue */
byte laid[SIZE];
byte made[SIZE]; /* the position of which the items here were made */
byte next;
bit lock;
bit cancelled;	    /* the order */
bit edge_cancelled; /* the queue behind it */

/* The park for credit, which is the input queue's not_empty. */
byte waiters, tokens;
/*
 * The bell for turns. That the rings are others than those heard is kept by
 * worker; with PARK_FOR_TURN (a fault) it is a park, woken as a whole.
 */
byte listeners;
bit listens[WORKERS], rung[WORKERS];
#ifdef PARK_FOR_TURN
byte turn_tokens;
#endif

/* What only the properties look at. */
byte handed_on;
bit in_sink;
byte left_workers;

/* Store buffers. Addresses below SIZE are runs. */
#define A_NEXT	 SIZE
#define A_LOCK	 (SIZE + 1)
#define A_CANCEL (SIZE + 2)
#define A_EDGE	 (SIZE + 3)
#define BUFFER	 3

typedef buffer {
	byte n;
	byte addr[BUFFER];
	byte value[BUFFER]
};
buffer sb[THREADS];

#define DRAINED(t) (sb[t].n == 0)

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
		:: sb[t].addr[0] < SIZE -> laid[sb[t].addr[0]] = sb[t].value[0]
		:: sb[t].addr[0] == A_NEXT -> next = sb[t].value[0]
		:: sb[t].addr[0] == A_LOCK -> lock = sb[t].value[0]
		:: sb[t].addr[0] == A_CANCEL -> cancelled = 1
		:: sb[t].addr[0] == A_EDGE -> edge_cancelled = 1
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

/* The processor lets out one store of any worker. */
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
#if WORKERS > 2
		:: sb[3].n > 0 -> t = 3
#endif
		fi;
		let_out(t);
		t = 0
	}
	od
}

/* atomic.h:fence_full */
inline fence(me)
{
	DRAINED(me)
}

/* park.c:park_post and park_post_all; see queue.pml. */
inline park_post(me, guard)
{
	atomic {
		if
		:: waiters > 0 && tokens == 0 && DRAINED(me) ->
			waiters--;
			tokens++
		:: (waiters == 0 || tokens > 0) && guard
		fi
	}
}

inline park_post_all(me)
{
	atomic {
		if
		:: waiters > 0 && DRAINED(me) ->
			tokens = tokens + waiters;
			waiters = 0
		:: waiters == 0
		fi
	}
}

/* park.c:park_announce, park_retract */
inline park_announce(me)
{
	atomic { DRAINED(me); waiters++ }
}

inline park_retract(me)
{
	atomic {
		DRAINED(me);
		if
		:: waiters > 0 -> waiters--
		:: else -> assert(tokens > 0); tokens--
		fi
	}
}

/* park.c:bell_listen */
inline bell_listen(me)
{
	atomic {
		DRAINED(me);
		listeners++;
		listens[me] = 1
	}
}

/* park.c:bell_leave */
inline bell_leave(me)
{
	atomic {
		DRAINED(me);
#ifdef PARK_FOR_TURN
		if
		:: listeners > 0 -> listeners--
		:: else -> turn_tokens--
		fi
#else
		listeners--;
		listens[me] = 0;
		rung[me] = 0
#endif
	}
}

/* park.c:bell_wait */
inline bell_wait(me)
{
#ifdef PARK_FOR_TURN
	atomic { turn_tokens > 0 && DRAINED(me) -> turn_tokens-- }
#else
	rung[me];
	bell_leave(me)
#endif
}

/* park.h:bell_ring, after its fence; that it looks first is as in park_post.
 */
inline bell_ring(me)
{
	atomic {
		if
		:: listeners > 0 && DRAINED(me) ->
#ifdef PARK_FOR_TURN
			turn_tokens = turn_tokens + listeners;
			listeners = 0
#else
			rung[0] = rung[0] || listens[0];
			rung[1] = rung[1] || listens[1];
#if WORKERS > 2
			rung[2] = rung[2] || listens[2];
#endif
			skip
#endif
		:: listeners == 0
		fi
	}
}

/* What the next row's queue sees: the run of n positions from p on. */
inline sink(me, p, n)
{
	atomic {
		if
		:: edge_cancelled
		:: else ->
			assert(!in_sink);
			assert(handed_on == p);
			in_sink = 1
		fi
	}
	atomic {
		if
		:: in_sink -> in_sink = 0; handed_on = p + n
		:: else /* cancelled: freed instead */
		fi
	}
}

/* order.c:advance, with the lock held. What is below `next` has been handed
 * on: leat_wait relies on it. */
inline advance(me, to)
{
	assert(handed_on == to || edge_cancelled);
	store(me, A_NEXT, to);
#ifdef NO_ADVANCE_FENCE
	park_post(me, true);
	fence(me)
#elif defined(NO_ADVANCE_WAKE)
	fence(me)
#else
	park_post(me, DRAINED(me))
#endif
}

/* order.c:try_lock */
inline try_lock(me, got)
{
	atomic {
		if
		:: lock == 0 && DRAINED(me) -> lock = 1; got = 1
		:: lock == 1 -> got = 0
		fi
	}
}

/* order.c:next_is_laid_down. Two loads. */
inline look_for_next(me, to)
{
	p = next;
	atomic { to = laid[PLACE(p)] != 0; p = 0 }
}

/* order.c:unlock */
inline unlock(me)
{
	store(me, A_LOCK, 0);
#ifndef NO_UNLOCK_FENCE
	fence(me);
#endif
#ifndef NO_TURN_WAKE
	bell_ring(me)
#else
	skip
#endif
}

#ifdef HOLD
#define HOLDS(me) (me == 0)
#else
#define HOLDS(me) false
#endif

#ifdef STOP
#define STOPS(me) (me == 0)
#else
#define STOPS(me) false
#endif

#ifdef NO_LIMIT /* fault: takes what has no place in the window */
#define LIMIT N
#else
#define LIMIT (next + SIZE)
#endif

proctype worker(byte me)
{
	byte pos, n, p, held, n_held;
	bit got, found, waited, ready, last, stopped;

	/*
	 * queue.c:queue_take with order.h:order_limit. The limit only grows,
	 * so that an older one takes less, hence the choice; or nothing, and
	 * then the worker looks again below.
	 */
take:
	atomic {
		if
		:: cancelled || head == N || stopped -> goto leave
		:: else
		fi;
		if
		:: head < LIMIT && head < N && DRAINED(me) ->
			pos = head;
			n = 1;
			if
			:: RUN > 1 && head + 1 < LIMIT && head + 1 < N -> n = 2
			:: true
			fi;
			head = head + n;
			stopped = STOPS(me)
		:: head >= LIMIT -> goto no_credit
		fi
	}
	/* queue.c:popped_some: the input is drained. */
	atomic {
		fence(me);
		last = head == N
	}
	if
	:: last -> park_post_all(me); last = 0
	:: else
	fi;
	/* queue.c:queue_chain */
	if
	:: waited ->
#ifndef NO_CREDIT_CHAIN
		atomic {
			fence(me);
			ready = head < N && head < LIMIT
		}
		if
		:: ready -> park_post(me, true)
		:: else
		fi;
#endif
		atomic { ready = 0; waited = 0 }
	:: else
	fi;
#ifdef MEET
	/* The users' function. */
	head > pos + n || head == N || pos + n >= LIMIT || cancelled;
#endif
	/* retry.c:retry_run: held, in favour of the next one. */
	if
	:: HOLDS(me) && n_held == 0 ->
		atomic {
			held = pos;
			n_held = n;
			goto take
		}
	:: else
	fi;

give:	/* order.c:order_give */
	if
#ifdef ENTER
	:: n_held == 0 -> goto enter
#endif
	:: true
	fi;
	/* order.c:try_enter */
	if
	:: next == pos -> try_lock(me, got)
	:: else
	fi;
	if
	:: got ->
turn:
#ifdef ADVANCE_FIRST
		advance(me, pos + n);
		sink(me, pos, n);
#else
		sink(me, pos, n);
		/* order.c:order_leave */
		advance(me, pos + n);
#endif
		goto drain
	:: else
	fi;
	/* order.c:lay_down: the items may be visible early, not late. */
	atomic {
#ifndef CANCEL
		assert(made[PLACE(pos)] == 0);
#endif
		made[PLACE(pos)] = pos + 1;
		store(me, PLACE(pos), n)
	}
#ifndef NO_LAY_FENCE
	fence(me);
#endif
	look_for_next(me, found);
	if
	:: found -> found = 0; try_lock(me, got)
	:: else
	fi;
	if
	:: got -> goto drain
	:: else -> goto given
	fi;

drain:	/* order.c:hand_on_laid_down */
	atomic {
		pos = next;
		n = laid[PLACE(pos)];
		if
		:: n == 0 -> pos = 0; goto let_go
		:: else -> assert(made[PLACE(pos)] == pos + 1)
		fi
	}
	sink(me, pos, n);
#ifdef CLEAR_LATE
	advance(me, pos + n);
	atomic { made[PLACE(pos)] = 0; store(me, PLACE(pos), 0) }
	fence(me);
#else
	atomic { made[PLACE(pos)] = 0; store(me, PLACE(pos), 0) }
	advance(me, pos + n);
#endif
	goto drain;

let_go:
	got = 0;
	unlock(me);
#ifdef NO_LOOK_AGAIN
	goto given;
#endif
	look_for_next(me, found);
	if
	:: found -> found = 0; try_lock(me, got)
	:: else
	fi;
	if
	:: got -> goto drain
	:: else -> goto given
	fi;

enter:	/* order.c:order_enter */
#ifdef EARLY_EDGE_LOOK
	/* fault: what the processor may do without the acquire */
	ready = edge_cancelled;
#endif
	if
	:: cancelled ->
		/* output.c:give_run, without the turn: queue.c:put_some refuses
		 * what is handed on. */
#ifdef EARLY_EDGE_LOOK
		assert(ready);
#else
		assert(edge_cancelled);
#endif
		goto leave
	:: else
	fi;
#ifdef EARLY_EDGE_LOOK
	ready = 0;
#endif
	if
	:: next == pos -> try_lock(me, got)
	:: else
	fi;
	if
	:: got -> goto turn
	:: else
	fi;
#ifdef TURN_LOOK_FIRST
	atomic { ready = cancelled; found = next == pos }
	atomic { ready = ready || (found && lock == 0); found = 0 }
	bell_listen(me);
#else
	bell_listen(me);
	/* Two loads of what may be the turn. */
	atomic { ready = cancelled; found = next == pos }
	atomic { ready = ready || (found && lock == 0); found = 0 }
#endif
	if
	:: ready -> ready = 0; bell_leave(me)
	:: else -> bell_wait(me)
	fi;
	goto enter;

given:
	if
	:: n_held > 0 -> /* retry.c:held_retry */
		goto retry
	:: else
	fi;
	atomic { pos = 0; n = 0; goto take }

retry:
	atomic {
		pos = held;
		n = n_held;
		held = 0;
		n_held = 0;
		goto give
	}

no_credit: /* queue.c:await_items */
	waited = 1;
	park_announce(me);
	/* queue.c:queue_ready_to_take: two loads. */
	p = head;
	atomic {
		ready = cancelled || p == N || p < LIMIT;
		p = 0
	}
	if
	:: ready -> ready = 0; park_retract(me)
	:: else -> /* park.c:park_wait, with held_due as the deadline */
		if
		:: atomic {
			DRAINED(me) && tokens > 0 -> tokens--
		}
		:: n_held > 0 -> park_retract(me)
		fi
	fi;
	if
	:: n_held > 0 -> waited = 0; goto retry
	:: else -> goto take
	fi;

leave:
	/* stage.c:take: what is held is settled first. */
	if
	:: n_held > 0 && !cancelled -> goto retry
	:: else
	fi;
	left_workers++
}

#ifdef CANCEL
/* chain.c:chain_halt: first the queues, then the orders. */
proctype canceller(byte me)
{
	store(me, A_EDGE, 1);
	fence(me);
	store(me, A_CANCEL, 1);
	fence(me);
	/* The input queue's cancel comes before; its flag is the same here. */
	park_post_all(me);
#ifndef NO_CANCEL_WAKE
	bell_ring(me);
#endif
	left_workers++
}
#define ALL (WORKERS + 1)
#else
#define ALL WORKERS
#endif

init {
	atomic {
		run memory();
		run worker(0);
		run worker(1);
#if WORKERS > 2
		run worker(2);
#endif
#ifdef CANCEL
		run canceller(CANCELLER);
#endif
	}
	left_workers == ALL;
#ifndef CANCEL
	d_step {
		assert(handed_on == N && next == N);
		assert(waiters == 0 && tokens == 0 && listeners == 0)
	}
#endif
}
