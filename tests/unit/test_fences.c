/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is going to sleep announces it, then looks once more; who changes what
 * is waited for changes it, then looks for the announced. If both look before
 * the other's step can be seen, a wake-up is lost: a processor does that, for
 * a store waits in its buffer while later loads go on, unless a fence is in
 * between. Here both sides meet at that point again and again.
 */
#include "queues/queue.h"
#include "stages/chain.h"
#include "stages/fan.h"
#include "stages/visit.h"
#include "tests/unit/unit.h"

#define MEETINGS    200000
#define FOR_AT_MOST LEAT_S /* where the two do not run at the same time */
#define SPINS	    2000

/* How far each of the two is; the last meeting is by the first one's clock. */
struct rounds {
	uint64_t until, last;
	uint64_t at[2];
	uint64_t lost;
};

/* What somebody sleeps for, and how it comes about. */
struct what {
	uint64_t fill; /* items in the queue, of capacity 1, before */
	struct park *(*park)(leat_queue *q);
	bool (*ready)(leat_queue *q);
	void (*change)(leat_queue *q);
	void (*undo)(leat_queue *q);
};

struct meeting {
	const struct what *what;
	leat_queue *q;
	struct rounds rounds;
};

static void begin(struct rounds *r)
{
	*r = (struct rounds){
		.last = MEETINGS, .until = leat_after(FOR_AT_MOST)};
}

static void none_lost(const struct rounds *r)
{
	cr_assert_eq(r->lost, 0, "%lu of %lu wake-ups lost",
		(unsigned long)r->lost, (unsigned long)r->last);
}

/* meet waits for the other one. */
static void meet(struct rounds *r, size_t i, uint64_t at)
{
	__atomic_store_n(&r->at[i], at, __ATOMIC_SEQ_CST);
	for (int spins = 0; look(&r->at[!i]) < at; spins++)
		if (spins >= SPINS)
			sched_yield();
}

static void stop_after(struct rounds *r, uint64_t n)
{
	__atomic_store_n(&r->last, n + 1, __ATOMIC_SEQ_CST);
}

/* come_together begins a meeting, at about the same time. */
static void come_together(
	struct rounds *r, size_t i, uint64_t n, uint64_t *seed)
{
	if (i == 0 && n % 64 == 0 && leat_now() > r->until)
		stop_after(r, n);
	meet(r, i, 3 * n + 1);
	for (uint64_t k = next_random(seed) % 16; k > 0; k--)
		cpu_pause();
}

/* fall_asleep: who was not ready at the second look must have been woken. */
static void fall_asleep(struct meeting *m, uint64_t n)
{
	struct park *p = m->what->park(m->q);
	bool ready;

	park_announce(p);
	ready = m->what->ready(m->q);
	meet(&m->rounds, 0, 3 * n + 2);
	m->rounds.lost += !ready && (uint32_t)look(&p->word) == 0;
	park_retract(p);
}

static void meet_at_queue(void *arg, size_t i)
{
	struct meeting *m = arg;
	struct rounds *r = &m->rounds;
	uint64_t seed = i + 1;

	for (uint64_t n = 0; n < look(&r->last); n++) {
		come_together(r, i, n, &seed);
		if (i == 0) {
			fall_asleep(m, n);
		} else {
			m->what->change(m->q);
			meet(r, 1, 3 * n + 2);
		}
		meet(r, i, 3 * n + 3);
		if (i == 1)
			m->what->undo(m->q);
	}
}

/* none_is_lost meets at a queue with one thread a side, and at one of many. */
static void none_is_lost(const struct what *what)
{
	for (uint32_t single = 0; single < 2; single++) {
		leat_queue_opts opts = {.capacity = 1,
			.producers = single,
			.consumers = single};
		struct meeting m = {.what = what};

		cr_assert_eq(leat_queue_open(&m.q, &opts), 0);
		if (what->fill)
			cr_assert_eq(leat_queue_push(m.q, NULL), 0);
		begin(&m.rounds);
		with_threads(2, meet_at_queue, &m);
		none_lost(&m.rounds);
		leat_queue_close(m.q);
	}
}

static struct park *not_empty(leat_queue *q)
{
	return &q->not_empty;
}

static struct park *not_full(leat_queue *q)
{
	return &q->not_full;
}

static bool may_take(leat_queue *q)
{
	return queue_ready_to_take(q);
}

static bool may_put(leat_queue *q)
{
	return ring_writable(&q->ring);
}

static void push(leat_queue *q)
{
	check(leat_queue_trypush(q, NULL) == 0);
}

static void pop(leat_queue *q)
{
	void *item;

	check(leat_queue_trypop(q, &item) == 0);
}

static void undo_end(leat_queue *q)
{
	q->ends = 1;
	store_relaxed(&q->ring.tail, ring_tail(&q->ring));
}

static void undo_cancel(leat_queue *q)
{
	store_relaxed(&q->cancelled, 0);
}

TEST(fences, who_sleeps_for_an_item_meets_a_push)
{
	none_is_lost(&(struct what){0, not_empty, may_take, push, pop});
}

TEST(fences, who_sleeps_for_room_meets_a_pop)
{
	none_is_lost(&(struct what){1, not_full, may_put, pop, push});
}

TEST(fences, who_sleeps_meets_the_end)
{
	none_is_lost(&(struct what){
		0, not_empty, may_take, leat_queue_end, undo_end});
}

TEST(fences, who_sleeps_meets_a_cancel)
{
	none_is_lost(&(struct what){
		0, not_empty, may_take, leat_queue_cancel, undo_cancel});
}

/*
 * Where nobody sleeps: what both have done is looked at after each meeting, and
 * undone.
 */
struct encounter {
	void (*one)(void *ctx, uint64_t n);
	void (*other)(void *ctx, uint64_t n);
	void (*after)(void *ctx, uint64_t n);
	void *ctx;
	struct rounds rounds;
};

static void encounter_body(void *arg, size_t i)
{
	struct encounter *e = arg;
	struct rounds *r = &e->rounds;
	uint64_t seed = i + 1;

	for (uint64_t n = 0; n < look(&r->last); n++) {
		come_together(r, i, n, &seed);
		(i == 0 ? e->one : e->other)(e->ctx, n);
		meet(r, i, 3 * n + 2);
		if (i == 1)
			e->after(e->ctx, n);
	}
}

static void encounter(struct encounter *e)
{
	begin(&e->rounds);
	with_threads(2, encounter_body, e);
}

/* A run is laid down while the one before it is handed on. */
static void lay_down_next(void *order, uint64_t n)
{
	check(order_give(order, 2 * n + 1, 1, NULL, 0, NULL, NULL) == 0);
}

static void leave_last(void *order, uint64_t n)
{
	order_leave(order, 2 * n, 1, NULL, NULL);
}

static void both_handed_on(void *order, uint64_t n)
{
	check(order_reached(order, 2 * n + 2));
	check(order_enter(order, 2 * n + 2) == 0);
}

TEST(fences, what_is_laid_down_meets_who_hands_on)
{
	struct park credit = {0};
	struct order o;
	struct encounter e = {.one = lay_down_next,
		.other = leave_last,
		.after = both_handed_on,
		.ctx = &o};

	cr_assert_eq(order_init(&o, 64, &credit), 0);
	cr_assert_eq(order_enter(&o, 0), 0);
	encounter(&e);
	order_fini(&o, NULL, NULL);
}

/* Whoever has ended the input may rely on it, also if another one was first. */
static void end_then_push(void *queue, uint64_t n)
{
	(void)n;
	leat_queue_end(queue);
	check(leat_queue_trypush(queue, NULL) == -EPIPE);
}

static void undo_both_ends(void *queue, uint64_t n)
{
	(void)n;
	undo_end(queue);
}

TEST(fences, the_end_meets_the_end)
{
	leat_queue_opts opts = {.capacity = 1};
	struct encounter e = {.one = end_then_push,
		.other = end_then_push,
		.after = undo_both_ends};
	leat_queue *q;

	cr_assert_eq(leat_queue_open(&q, &opts), 0);
	e.ctx = q;
	encounter(&e);
	leat_queue_close(q);
}

/* A cancel that comes before the end is not taken for it. */
static void cancel_then_end(void *queue, uint64_t n)
{
	(void)n;
	leat_queue_cancel(queue);
	leat_queue_end(queue);
}

static void never_ended_for_pop(void *queue, uint64_t n)
{
	void *item;
	int rc = leat_queue_trypop(queue, &item);

	(void)n;
	check(rc == -EAGAIN || rc == -ECANCELED);
}

static void never_ended_for_push(void *queue, uint64_t n)
{
	int rc = leat_queue_trypush(queue, NULL);

	(void)n;
	check(rc == 0 || rc == -ECANCELED);
}

static void undo_cancel_and_end(void *queue, uint64_t n)
{
	void *item;

	(void)n;
	undo_cancel(queue);
	undo_end(queue);
	leat_queue_trypop(queue, &item);
}

static void cancel_is_no_end(void (*one)(void *queue, uint64_t n))
{
	leat_queue_opts opts = {.capacity = 1};
	struct encounter e = {.one = one,
		.other = cancel_then_end,
		.after = undo_cancel_and_end};
	leat_queue *q;

	cr_assert_eq(leat_queue_open(&q, &opts), 0);
	e.ctx = q;
	encounter(&e);
	leat_queue_close(q);
}

TEST(fences, who_takes_meets_a_cancel_and_the_end)
{
	cancel_is_no_end(never_ended_for_pop);
}

TEST(fences, who_puts_meets_a_cancel_and_the_end)
{
	cancel_is_no_end(never_ended_for_push);
}

/*
 * At bells the first one really waits, and the second looks after it: whoever
 * still sleeps for this long was not woken.
 */
#define SOON (5 * LEAT_S)

struct bell_meeting {
	struct bell *bell; /* or a park */
	struct park *park;
	int (*wait)(void *ctx, uint64_t n);
	void (*change)(void *ctx, uint64_t n);
	void (*undo)(void *ctx, uint64_t n); /* before each meeting */
	void *ctx;
	struct rounds rounds;
};

/* is_awake: the first one has come back, in time. */
static bool is_awake(const struct rounds *r, uint64_t at)
{
	uint64_t until = 0;

	for (int spins = 0; look(&r->at[0]) < at; spins++) {
		if (spins < SPINS)
			continue;
		if (until == 0)
			until = leat_after(SOON);
		if (leat_now() > until)
			return false;
		sched_yield();
	}
	return true;
}

static void rescue(const struct bell_meeting *m)
{
	if (m->bell != NULL)
		bell_wake(m->bell);
	else
		park_post_all(m->park);
}

static void meet_at_bell(void *arg, size_t i)
{
	struct bell_meeting *m = arg;
	struct rounds *r = &m->rounds;
	uint64_t seed = i + 1;

	for (uint64_t n = 0; n < look(&r->last); n++) {
		if (i == 1)
			m->undo(m->ctx, n);
		come_together(r, i, n, &seed);
		if (i == 0) {
			check(m->wait(m->ctx, n) == 0);
		} else {
			m->change(m->ctx, n);
			if (!is_awake(r, 3 * n + 2)) {
				r->lost++;
				stop_after(r, n);
				rescue(m);
			}
		}
		meet(r, i, 3 * n + 2);
	}
}

static void none_is_lost_at(struct bell_meeting *m)
{
	begin(&m->rounds);
	with_threads(2, meet_at_bell, m);
	none_lost(&m->rounds);
}

/* In an order the one before lets go, and the next one enters. */
static void leave_order(void *order, uint64_t n)
{
	order_leave(order, n, 1, NULL, NULL);
}

static int enter_next(void *order, uint64_t n)
{
	return order_enter(order, n + 1);
}

/* Who has entered stays: the other one leaves in its stead. */
static void stay(void *order, uint64_t n)
{
	const struct order *o = order;

	check(look(&o->next) == n && look(&o->lock) == 1);
}

TEST(fences, who_waits_for_its_turn_meets_the_one_before)
{
	struct park credit = {0};
	struct order o;
	struct bell_meeting m = {.bell = &o.turn,
		.wait = enter_next,
		.change = leave_order,
		.undo = stay,
		.ctx = &o};

	cr_assert_eq(order_init(&o, 64, &credit), 0);
	cr_assert_eq(order_enter(&o, 0), 0);
	none_is_lost_at(&m);
	order_fini(&o, NULL, NULL);
}

static int enter_in_vain(void *order, uint64_t n)
{
	(void)n;
	return order_enter(order, 1) == -ECANCELED ? 0 : -1;
}

static void cancel_order(void *order, uint64_t n)
{
	(void)n;
	order_cancel(order);
}

static void undo_cancel_order(void *order, uint64_t n)
{
	struct order *o = order;

	(void)n;
	store_relaxed(&o->cancelled, 0);
}

TEST(fences, who_waits_for_its_turn_meets_a_cancel)
{
	struct park credit = {0};
	struct order o;
	struct bell_meeting m = {.bell = &o.turn,
		.wait = enter_in_vain,
		.change = cancel_order,
		.undo = undo_cancel_order,
		.ctx = &o};

	cr_assert_eq(order_init(&o, 64, &credit), 0);
	none_is_lost_at(&m);
	order_fini(&o, NULL, NULL);
}

/* A worker of a chain at rest, for which the second one stands in. */
#define PUSHED 5

static leat_worker *stand_in(leat_chain *c)
{
	return &c->stage[0].worker[0];
}

static int wait_for_all(void *chain, uint64_t n)
{
	(void)n;
	return leat_wait(chain);
}

static void pass_all(void *chain, uint64_t n)
{
	(void)n;
	stage_idle(stand_in(chain));
}

static void take_more(void *chain, uint64_t n)
{
	(void)n;
	stage_took(stand_in(chain), PUSHED);
}

/* It has taken the last item, and nobody waits for it yet. */
static void have_last(void *chain, uint64_t n)
{
	(void)n;
	store_release(&stand_in(chain)->low, PUSHED - 1);
}

/* Somebody waited for an earlier item, and gave up before it was passed. */
static void have_some(void *chain, uint64_t n)
{
	leat_worker *w = stand_in(chain);

	(void)n;
	store_release(&w->low, 1);
	store_relaxed(&w->awaited, 2);
}

static void pass_one_by_one(void *chain, uint64_t n)
{
	leat_worker *w = stand_in(chain);

	(void)n;
	for (uint64_t pos = 2; pos < PUSHED; pos++)
		stage_took(w, pos);
	stage_idle(w);
}

static void meet_at_wait(void (*change)(void *chain, uint64_t n),
	void (*undo)(void *chain, uint64_t n))
{
	leat_stage row = {.name = "row", .fn = swallow, .workers = 1};
	leat_chain *c = single(row, 0);
	struct bell_meeting m = {.bell = &c->passed,
		.wait = wait_for_all,
		.change = change,
		.undo = undo,
		.ctx = c};

	push_items(c, 1, PUSHED);
	cr_assert_eq(leat_wait(c), 0);
	await_parked(&c->edge[0].queue[0]->not_empty, 1);
	none_is_lost_at(&m);
	cr_assert_eq(leat_close(c), 0);
}

TEST(fences, who_waits_for_a_worker_meets_it_going_idle)
{
	meet_at_wait(pass_all, have_last);
}

TEST(fences, who_waits_for_a_worker_meets_it_taking_more)
{
	meet_at_wait(take_more, have_last);
}

TEST(fences, who_waits_behind_a_forgotten_one_meets_a_worker)
{
	meet_at_wait(pass_one_by_one, have_some);
}

/* Of two who wait for a worker the one with the earlier item is not forgotten.
 */
static void watch_early(void *chain, uint64_t n)
{
	(void)n;
	stage_watch(((leat_chain *)chain)->stage, 0, 5);
}

static void watch_late(void *chain, uint64_t n)
{
	(void)n;
	stage_watch(((leat_chain *)chain)->stage, 0, 7);
}

static void early_is_watched(void *chain, uint64_t n)
{
	uint64_t *awaited = &stand_in(chain)->awaited;

	(void)n;
	check(load_relaxed(awaited) == 5);
	store_relaxed(awaited, UINT64_MAX);
}

TEST(fences, who_waits_for_a_worker_meets_who_waits_longer)
{
	leat_stage row = {.name = "row", .fn = swallow, .workers = 1};
	leat_chain *c = single(row, 0);
	struct encounter e = {.one = watch_early,
		.other = watch_late,
		.after = early_is_watched,
		.ctx = c};

	encounter(&e);
	cr_assert_eq(leat_close(c), 0);
}

/* A call that ends again and again. */
static int nothing(void *in, void *out, leat_worker *w)
{
	(void)in;
	(void)out;
	(void)w;
	return 0;
}

static int wait_for_call(void *handle, uint64_t n)
{
	(void)n;
	return leat_handle_wait(handle, NULL, LEAT_NEVER);
}

static void end_call(void *handle, uint64_t n)
{
	leat_handle *h = handle;
	void *out;

	(void)n;
	check(call_run(h->call, &out, h->fan->chain->stage[0].worker) == 0);
}

static void begin_call(void *handle, uint64_t n)
{
	leat_handle *h = handle;

	(void)n;
	store_release(&h->state, STATE_RUNS);
}

TEST(fences, who_waits_for_a_call_meets_its_end)
{
	leat_fan_opts opts = {.fn = nothing, .workers = 1};
	leat_handle *h;
	leat_call_opts call = {.handle = &h};
	leat_fan *f;
	struct bell_meeting m = {
		.wait = wait_for_call, .change = end_call, .undo = begin_call};

	cr_assert_eq(leat_fan_open(&f, &opts), 0);
	cr_assert_eq(leat_call_with(f, leat_u64(1), NULL, 0, &call), 0);
	cr_assert_eq(wait_for_call(h, 0), 0);
	await_parked(&f->queue->not_empty, 1);
	m.bell = &f->ended;
	m.ctx = h;
	none_is_lost_at(&m);
	leat_handle_free(h);
	cr_assert_eq(leat_fan_close(f), 0);
}

/* A stage without threads, of one place; and two threads that pass by. */
struct passage {
	leat_chain chain;
	struct stage stage;
	struct edge in, out;
	struct thread thread[2];
	uint64_t ran;
};

static int count_run(void *in, void **out, leat_worker *w)
{
	struct passage *p = leat_arg(w);

	(void)in;
	(void)out;
	p->ran++;
	return 0;
}

static void passage_open(struct passage *p, uint64_t results)
{
	struct edge_opts opts = {.queues = 1, .capacity = 8};

	*p = (struct passage){
		.stage = {.row = {.name = "row", .fn = count_run, .arg = p},
			.chain = &p->chain,
			.in = &p->in,
			.out = &p->out,
			.sink = results == 0,
			.watching = 1}};
	p->chain.n = 1;
	p->chain.stage = &p->stage;
	p->chain.edge = &p->in;
	p->chain.crew.cpus = 2;
	p->chain.crew.patient = 2; /* nobody else waits awake */
	cr_assert_eq(edge_open(&p->in, &opts), 0);
	opts.capacity = results;
	if (results > 0)
		cr_assert_eq(edge_open(&p->out, &opts), 0);
	cr_assert_eq(stage_open(&p->stage, 1), 0);
	for (int i = 0; i < 2; i++) {
		p->thread[i].home = p->stage.worker;
		p->thread[i].in.crew = &p->chain.crew;
		p->thread[i].out.crew = &p->chain.crew;
	}
}

static void passage_close(struct passage *p)
{
	stage_close(&p->stage);
	edge_close(&p->in);
	edge_close(&p->out);
}

/* One gives quietly and finds the place taken; the other one leaves it. */
static void give_and_visit(void *passage, uint64_t n)
{
	struct passage *p = passage;
	void *item = item_raw(n + 1);

	check(queue_put_quietly(p->in.queue[0], &item, 1) == 1);
	visit(&p->thread[0], &p->stage);
}

static void visit_and_leave(void *passage, uint64_t n)
{
	struct passage *p = passage;

	(void)n;
	visit(&p->thread[1], &p->stage);
}

static void item_ran(void *passage, uint64_t n)
{
	check(((struct passage *)passage)->ran == n + 1);
}

TEST(fences, who_gives_and_visits_meets_who_leaves)
{
	static struct passage p;
	struct encounter e = {.one = give_and_visit,
		.other = visit_and_leave,
		.after = item_ran,
		.ctx = &p};

	passage_open(&p, 0);
	encounter(&e);
	passage_close(&p);
}

/* The stage's own thread waits for the place, which another one leaves. */
static int await_place(void *passage, uint64_t n)
{
	struct passage *p = passage;

	(void)n;
	place_await(&p->thread[0], LEAT_NEVER, false);
	return 0;
}

static void leave_place(void *passage, uint64_t n)
{
	struct passage *p = passage;

	(void)n;
	place_leave(p->stage.worker);
}

static void be_in_place(void *passage, uint64_t n)
{
	struct passage *p = passage;

	(void)n;
	check(place_man(&p->thread[1], p->stage.worker) == p->stage.worker);
}

TEST(fences, who_waits_for_a_place_meets_who_leaves_it)
{
	static struct passage p;
	struct bell_meeting m = {.wait = await_place,
		.change = leave_place,
		.undo = be_in_place,
		.ctx = &p};

	passage_open(&p, 0);
	cr_assert_eq(leat_queue_push(p.in.queue[0], NULL), 0);
	m.park = &p.in.queue[0]->not_empty;
	none_is_lost_at(&m);
	passage_close(&p);
}

/* One of the stage's own threads must come: here results are full, elsewhere
 * nobody watches, and a visitor may be stuck for good. */
static void wakes_own_thread(uint64_t results, uint64_t watching)
{
	static struct passage p;
	struct park *threads;

	passage_open(&p, results);
	p.stage.watching = watching;
	threads = &p.in.queue[0]->not_empty;
	cr_assert_eq(leat_queue_push(p.in.queue[0], NULL), 0);
	if (results > 0)
		cr_assert_eq(leat_queue_push(p.out.queue[0], NULL), 0);
	park_announce(threads);
	visit(&p.thread[1], &p.stage);
	cr_assert_eq(p.ran, 0);
	cr_assert_not(park_busy(threads));
	cr_assert_eq(park_wait(threads, LEAT_NEVER), 0);
	passage_close(&p);
}

TEST(fences, a_visitor_wakes_who_goes_on_where_it_has_no_room)
{
	wakes_own_thread(1, 1);
}

TEST(fences, a_visitor_wakes_who_runs_what_nobody_watches)
{
	wakes_own_thread(0, 0);
}

/* A fan of one worker, for which one of the two stands in. */
struct handing {
	struct passage passage;
	struct lane lane;
	leat_fan fan;
	struct call call;
};

static void handing_open(struct handing *h)
{
	passage_open(&h->passage, 0);
	h->lane.looked = UINT64_MAX;
	h->fan = (leat_fan){
		.chain = &h->passage.chain, .queue = h->passage.in.queue[0]};
}

static void make_call(void *handing, uint64_t n)
{
	struct handing *h = handing;
	leat_fan *f = &h->fan;

	(void)n;
	f->pending[f->made % PENDING] = &h->call;
	store_release(&f->made, f->made + 1);
	hand_new(f);
}

static void make_call_and_hand_over(void *handing, uint64_t n)
{
	struct handing *h = handing;

	make_call(handing, n);
	hand_over(&h->fan);
}

static void hand_over_too(void *handing, uint64_t n)
{
	struct handing *h = handing;

	(void)n;
	hand_over(&h->fan);
}

static void take_call(void *handing, uint64_t n)
{
	struct handing *h = handing;
	void *item;

	(void)n;
	check(leat_queue_trypop(h->fan.queue, &item) == 0);
}

static void take_last_call(void *handing, uint64_t n)
{
	struct handing *h = handing;

	take_call(handing, n);
	hand_last(&h->fan, &h->lane);
}

static void is_handed_over(void *handing, uint64_t n)
{
	struct handing *h = handing;

	(void)n;
	check(load_relaxed(&h->fan.handed) == h->fan.made);
}

static void is_handed_over_and_taken(void *handing, uint64_t n)
{
	is_handed_over(handing, n);
	take_call(handing, n);
}

TEST(fences, who_calls_meets_who_hands_over)
{
	static struct handing h;
	struct encounter e = {.one = make_call,
		.other = hand_over_too,
		.after = is_handed_over_and_taken,
		.ctx = &h};

	handing_open(&h);
	encounter(&e);
	passage_close(&h.passage);
}

TEST(fences, who_calls_meets_who_takes_the_last_one)
{
	static struct handing h;
	struct encounter e = {.one = make_call,
		.other = take_last_call,
		.after = is_handed_over,
		.ctx = &h};

	handing_open(&h);
	make_call(&h, 0);
	encounter(&e);
	passage_close(&h.passage);
}

static int await_call(void *handing, uint64_t n)
{
	struct handing *h = handing;

	return await_place(&h->passage, n);
}

/* Light calls are put quietly, or left pending, while a worker is awake. */
static void meet_before_sleep(void (*change)(void *handing, uint64_t n))
{
	static struct handing h;
	struct bell_meeting m = {.wait = await_call,
		.change = change,
		.undo = take_call,
		.ctx = &h};

	handing_open(&h);
	h.passage.stage.light = 1;
	h.passage.thread[0].in.before_sleep = hand_before_sleep;
	h.passage.thread[0].in.before_arg = &h.fan;
	make_call(&h, 0);
	h.passage.chain.crew.awake = 1;
	m.park = &h.fan.queue->not_empty;
	none_is_lost_at(&m);
	passage_close(&h.passage);
}

TEST(fences, who_goes_to_sleep_meets_a_call)
{
	meet_before_sleep(make_call);
}

TEST(fences, who_goes_to_sleep_meets_a_call_put_quietly)
{
	meet_before_sleep(make_call_and_hand_over);
}
