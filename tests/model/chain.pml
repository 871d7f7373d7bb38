/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chain of three stages: its end, stop, cancel, failure and close, while
 * every queue may be full or empty. Queues are counters here whose calls wait
 * until they can say something; that they then wake is queue.pml's.
 *
 *	main pushes -> edge 0 -> stage 0 -> edge 1 -> ... -> edge 3 -> results
 *
 * What is checked: every thread comes to its end, leat_close included; every
 * item that was taken in was delivered or freed, once; nothing is freed unless
 * the chain was halted; nobody hands on to an edge that has ended. With -DNP,
 * that no run goes on for ever.
 *
 * Parameters: WORKERS (of each stage), CAP (of each queue), ITEMS, and
 *	RESULTS		the capacity of the results; without, the last stage
 *			is the sink
 *	PULL		somebody pulls the results to their end, before main
 *			closes the chain; without, nobody does
 *	SOURCE		stage 0 makes the items
 *	STOP		somebody stops the chain at any time
 *	CANCEL		somebody cancels it at any time
 *	FAIL=n		the function of stage n may fail once, and halts it
 *	CANCEL_IN=n	the function of stage n may cancel once
 */
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef CAP
#define CAP 1
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#ifndef FAIL
#define FAIL 9
#endif
#ifndef CANCEL_IN
#define CANCEL_IN 9
#endif
#if defined(CANCEL) || FAIL < 3 || CANCEL_IN < 3
#define MAY_HALT true
#else
#define MAY_HALT false
#endif

#ifdef RESULTS
#define ROOM(e) (count[e] < (e == 3 -> RESULTS : CAP))
#else
#define ROOM(e) (count[e] < CAP)
#endif

byte count[4]; /* items in an edge's queue */
bit ended[4], cancelled[4];
bit halted, stopped;
byte live[3] = WORKERS;

/* What only the properties look at. */
byte taken_in, delivered, freed;
byte left_workers;
bit failed_once, pulled;

/* edge.c:edge_end, queue.c:leat_queue_end */
inline edge_end(e)
{
	ended[e] = 1
}

/* chain.c:chain_halt: whoever comes first cancels the edges, one by one. */
inline chain_halt()
{
	atomic {
		mine = !halted;
		halted = 1
	}
	if
	:: mine ->
		cancelled[0] = 1;
		cancelled[1] = 1;
		cancelled[2] = 1;
		cancelled[3] = 1;
		mine = 0
	:: else
	fi
}

/* edge.c:edge_give: what a cancelled queue refuses is freed. */
inline edge_give(e)
{
#ifdef BLIND_PUSH
	atomic {
		ROOM(e) -> count[e]++
	}
#else
	atomic {
		if
		:: cancelled[e] -> freed++
		:: !cancelled[e] && ROOM(e) ->
			assert(!ended[e]);
			count[e]++
		fi
	}
#endif
}

/* stage.c:stage_main */
proctype worker(byte s)
{
	bit mine, makes;

work:
#ifdef SOURCE
	if
	:: s == 0 -> goto source
	:: else
	fi;
#endif
	/* stage.c:take, queue.c:queue_take */
	atomic {
		if
		:: cancelled[s] -> goto leave
#ifdef END_DROPS
		:: !cancelled[s] && ended[s] -> goto leave
		:: !cancelled[s] && !ended[s] && count[s] > 0 -> count[s]--
#else
		:: !cancelled[s] && count[s] > 0 -> count[s]--
		:: !cancelled[s] && count[s] == 0 && ended[s] -> goto leave
#endif
		fi
	}
	/* item.c:items_run: an item taken while the chain was halted. */
	if
	:: halted -> freed++; goto work
	:: else
	fi;
	/* The function. */
	if
	:: s == FAIL && !failed_once ->
		/* item.c:fail */
		atomic { failed_once = 1; freed++ }
#ifdef FAIL_LEAVES
		goto leave;
#else
		chain_halt();
		goto work
#endif
	:: s == CANCEL_IN && !failed_once ->
		failed_once = 1;
		chain_halt()
	:: true
	fi;
	/* output.c:outputs_give */
#ifndef RESULTS
	if
	:: s == 2 -> delivered++; goto work
	:: else
	fi;
#endif
	edge_give(s + 1);
	goto work;

#ifdef SOURCE
source:	/* stage.c:run_source, chain.h:chain_stopping */
	if
	:: stopped || halted -> goto leave
	:: else
	fi;
	atomic {
		makes = taken_in < ITEMS;
		if
		:: makes -> taken_in++
		:: else -> goto leave
		fi
	}
	edge_give(1);
	goto work;
#endif

leave:	/* stage.c:leave */
#ifdef FIRST_ENDS
	live[s]--;
	edge_end(s + 1);
#else
	atomic {
		live[s]--;
		mine = live[s] == 0
	}
#ifndef NO_EDGE_END
	if
	:: mine -> edge_end(s + 1)
	:: else
	fi;
#endif
#endif
	left_workers++
}

/* verbs.c:leat_push until it fails, then chain.c:leat_close */
proctype main_thread()
{
	byte i, e;

#ifndef SOURCE
	do
	:: taken_in < ITEMS ->
		atomic {
			if
			:: cancelled[0] || ended[0] -> break
			:: !cancelled[0] && !ended[0] && ROOM(0) ->
				count[0]++;
				taken_in++
			fi
		}
	:: else -> break
	od;
	/* chain.c:leat_end */
	edge_end(0);
#endif
#ifdef PULL
	pulled;
#endif
	/* chain.c:drain_results */
#ifndef KEEP_RESULTS
#ifdef RESULTS
	do
	:: atomic {
		!cancelled[3] && count[3] > 0 -> count[3]--; delivered++
	}
	:: cancelled[3] || (ended[3] && count[3] == 0) -> break
	od;
#endif
#endif
	/* pool.c:pool_join */
	left_workers == 3 * WORKERS;
	/* chain.c:destroy, edge.c:edge_close */
	d_step {
		freed = freed + count[0] + count[1] + count[2] + count[3];
		assert(taken_in == delivered + freed);
		assert(halted || freed == 0);
		assert(halted || stopped || taken_in == ITEMS)
	}
}

#ifdef PULL
/* verbs.c:leat_pull */
proctype puller()
{
	do
	:: atomic {
		!cancelled[3] && count[3] > 0 -> count[3]--; delivered++
	}
	:: cancelled[3] || (ended[3] && count[3] == 0) -> break
	od;
	pulled = 1
}
#endif

#ifdef STOP
/* chain.c:leat_stop */
proctype stopper()
{
	stopped = 1;
#ifdef STOP_HALTS
	cancelled[1] = 1;
#endif
#ifndef SOURCE
	edge_end(0)
#endif
}
#endif

#ifdef CANCEL
/* chain.c:leat_cancel */
proctype canceller()
{
	bit mine;

	chain_halt()
}
#endif

init {
	byte i;

	atomic {
		run main_thread();
		do
		:: i < WORKERS ->
			run worker(0);
			run worker(1);
			run worker(2);
			i++
		:: else -> break
		od;
		i = 0;
#ifdef PULL
		run puller();
#endif
#ifdef STOP
		run stopper();
#endif
#ifdef CANCEL
		run canceller();
#endif
	}
}
