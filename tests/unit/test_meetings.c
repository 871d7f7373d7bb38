/* SPDX-License-Identifier: BSD-2-Clause */
/* Meetings in a chain and in a fan: see meet.h. */
#include "stages/chain.h"
#include "stages/fan.h"
#include "stages/visit.h"
#include "tests/unit/meet.h"

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
	struct sleep_meeting m = {.bell = &c->passed,
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

TEST(meetings, who_waits_for_a_worker_meets_it_going_idle)
{
	meet_at_wait(pass_all, have_last);
}

TEST(meetings, who_waits_for_a_worker_meets_it_taking_more)
{
	meet_at_wait(take_more, have_last);
}

TEST(meetings, who_waits_behind_a_forgotten_one_meets_a_worker)
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

TEST(meetings, who_waits_for_a_worker_meets_who_waits_longer)
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

TEST(meetings, who_waits_for_a_call_meets_its_end)
{
	leat_fan_opts opts = {.fn = nothing, .workers = 1};
	leat_handle *h;
	leat_call_opts call = {.handle = &h};
	leat_fan *f;
	struct sleep_meeting m = {
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

#define MANY 65536 /* more than one visit runs */

static int count_run(void *in, void **out, leat_worker *w)
{
	struct passage *p = leat_arg(w);

	(void)in;
	(void)out;
	p->ran++;
	return 0;
}

static void passage_open(struct passage *p, uint64_t capacity)
{
	struct edge_opts opts = {
		.queues = 1, .capacity = capacity, .producers = 1};

	*p = (struct passage){
		.stage = {.row = {.name = "row", .fn = count_run, .arg = p},
			.chain = &p->chain,
			.in = &p->in,
			.out = &p->out,
			.sink = true,
			.watching = 1}};
	p->chain.n = 1;
	p->chain.stage = &p->stage;
	p->chain.edge = &p->in;
	p->chain.crew.cpus = 2;
	p->chain.crew.patient = 2; /* nobody else waits awake */
	cr_assert_eq(edge_open(&p->in, &opts), 0);
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

TEST(meetings, who_gives_and_visits_meets_who_leaves)
{
	static struct passage p;
	struct encounter e = {.one = give_and_visit,
		.other = visit_and_leave,
		.after = item_ran,
		.ctx = &p};

	passage_open(&p, 8);
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

TEST(meetings, who_waits_for_a_place_meets_who_leaves_it)
{
	static struct passage p;
	struct sleep_meeting m = {.wait = await_place,
		.change = leave_place,
		.undo = be_in_place,
		.ctx = &p};

	passage_open(&p, 8);
	cr_assert_eq(leat_queue_push(p.in.queue[0], NULL), 0);
	m.park = &p.in.queue[0]->not_empty;
	none_is_lost_at(&m);
	passage_close(&p);
}

/* One of the stage's own threads must come. */
static void wakes_own_thread(uint64_t items, uint64_t watching)
{
	static struct passage p;
	struct park *threads;

	passage_open(&p, MANY);
	p.stage.watching = watching;
	threads = &p.in.queue[0]->not_empty;
	for (uint64_t i = 0; i < items; i++)
		cr_assert_eq(leat_queue_push(p.in.queue[0], NULL), 0);
	park_announce(threads);
	visit(&p.thread[1], &p.stage);
	cr_assert_lt(p.ran, items);
	cr_assert_not(park_busy(threads));
	cr_assert_eq(park_wait(threads, LEAT_NEVER), 0);
	passage_close(&p);
}

TEST(meetings, a_visitor_wakes_who_goes_on_with_what_is_left)
{
	wakes_own_thread(MANY, 1);
}

TEST(meetings, a_visitor_wakes_who_runs_what_nobody_watches)
{
	wakes_own_thread(1, 0);
}

/* A fan of one worker, for which one of the two stands in. */
struct handing {
	struct passage passage;
	leat_fan fan;
	struct call call;
};

static void handing_open(struct handing *h)
{
	passage_open(&h->passage, 8);
	h->fan = (leat_fan){.chain = &h->passage.chain,
		.stage = h->passage.chain.stage,
		.queue = h->passage.in.queue[0]};
}

static uint64_t put_call(struct handing *h)
{
	leat_fan *f = &h->fan;

	f->place = ring_place(&f->queue->ring, f->made);
	return hand_put(f, &h->call);
}

static void make_call(void *handing, uint64_t n)
{
	struct handing *h = handing;

	(void)n;
	hand_new(&h->fan, put_call(h));
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

static void take_call_and_look(void *handing, uint64_t n)
{
	struct handing *h = handing;

	take_call(handing, n);
	hand_look(&h->fan);
}

static void is_handed_over(void *handing, uint64_t n)
{
	struct handing *h = handing;

	(void)n;
	check(queue_pushed(h->fan.queue) == h->fan.made);
}

static void is_handed_over_and_taken(void *handing, uint64_t n)
{
	is_handed_over(handing, n);
	take_call(handing, n);
}

TEST(meetings, who_calls_meets_who_hands_over)
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

/* A light call is left to who was woken for the one before it. */
TEST(meetings, who_calls_meets_who_was_woken)
{
	static struct handing h;
	struct encounter e = {.one = make_call,
		.other = take_call_and_look,
		.after = is_handed_over,
		.ctx = &h};

	handing_open(&h);
	h.passage.stage.light = 1;
	make_call(&h, 0);
	encounter(&e);
	passage_close(&h.passage);
}

/* Between two steps of a caller another one makes a call: it leaves that to
 * whom the first one is going to wake. */
static void wakes_beside_another(uint64_t before, uint64_t light)
{
	static struct handing h;
	struct park *threads;
	uint64_t first, second;

	handing_open(&h);
	threads = &h.fan.queue->not_empty;
	for (uint64_t n = 0; n < before; n++) {
		make_call(&h, n);
		take_call(&h, n);
	}
	park_announce(threads);
	h.passage.stage.light = light;
	first = put_call(&h);
	h.passage.stage.light = 1;
	second = put_call(&h);
	hand_new(&h.fan, second);
	hand_new(&h.fan, first);
	cr_assert_not(park_busy(threads));
	cr_assert_eq(park_wait(threads, LEAT_NEVER), 0);
	passage_close(&h.passage);
}

TEST(meetings, who_hands_over_for_company_wakes_beside_another_caller)
{
	wakes_beside_another(COMPANY - 1, 1);
}

TEST(meetings, who_hands_over_a_heavy_call_wakes_beside_another_caller)
{
	wakes_beside_another(0, 0);
}

static int await_call(void *handing, uint64_t n)
{
	struct handing *h = handing;

	return await_place(&h->passage, n);
}

/* Light calls are left for company, or in the queue, while a worker is awake.
 */
static void meet_before_sleep(void (*change)(void *handing, uint64_t n))
{
	static struct handing h;
	struct sleep_meeting m = {.wait = await_call,
		.change = change,
		.undo = take_call,
		.ctx = &h};

	handing_open(&h);
	h.passage.stage.light = 1;
	h.passage.thread[0].in.look = hand_look;
	h.passage.thread[0].in.look_arg = &h.fan;
	make_call(&h, 0);
	h.passage.chain.crew.awake = 1;
	m.park = &h.fan.queue->not_empty;
	none_is_lost_at(&m);
	passage_close(&h.passage);
}

TEST(meetings, who_goes_to_sleep_meets_a_call)
{
	meet_before_sleep(make_call);
}

TEST(meetings, who_goes_to_sleep_meets_a_call_that_wakes_nobody)
{
	meet_before_sleep(make_call_and_hand_over);
}
