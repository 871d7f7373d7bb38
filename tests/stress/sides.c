/* SPDX-License-Identifier: BSD-2-Clause */
/* The threads around a random chain: they push, pull, and disturb. */
#include <errno.h>
#include <sched.h>
#include <time.h>
#include "tests/stress/run.h"

#define BULK 8

static leat_chain *chain_of(struct run *r)
{
	return __atomic_load_n(&r->chain, __ATOMIC_ACQUIRE);
}

static void act(struct run *r)
{
	leat_chain *c = chain_of(r);

	if (c == NULL)
		return;
	poke(&r->acted, 1);
	if (r->spec->event == EVENT_CANCEL)
		leat_cancel(c);
	else if (r->spec->event == EVENT_STOP)
		leat_stop(c);
	else if (r->spec->event == EVENT_END)
		leat_end(c);
}

void run_clock(struct run *r, enum when when)
{
	if (tick(&r->clock[when], 1) != r->spec->moment)
		return;
	if (r->spec->when == when && r->spec->event != EVENT_NONE)
		act(r);
}

void *run_timer(void *arg)
{
	struct run *r = arg;
	struct timespec ts = {.tv_nsec = (long)(r->spec->moment * 2000)};

	nanosleep(&ts, NULL);
	act(r);
	return NULL;
}

static uint32_t dice(const struct run *r, const struct side *side, uint32_t n)
{
	uint64_t x = mix(r->spec->seed + side->index, side->worths.n);

	return (uint32_t)(mix(x, leat_now()) % n);
}

/* push_how pushes one item in some way; -EAGAIN means to try again. */
static int push_how(struct run *r, uint32_t how, void *item)
{
	int rc;

	switch (how) {
	case 0:
		rc = leat_trypush(r->chain, item);
		break;
	case 1:
		rc = leat_push_until(r->chain, item, leat_after(50000));
		break;
	case 2:
		rc = leat_push_until(r->chain, item, 0);
		break;
	default:
		return leat_push(r->chain, item);
	}
	if (rc == -EAGAIN || rc == -ETIMEDOUT)
		sched_yield();
	return rc == -ETIMEDOUT ? -EAGAIN : rc;
}

static int push_one(struct run *r, struct side *side, uint64_t seq)
{
	struct worth w = input_worth(r->spec, side->index, seq);
	void *item = item_make(&r->ledger, r->spec->row[0].in, w);
	int rc;

	do
		rc = push_how(r, dice(r, side, 8), item);
	while (rc == -EAGAIN);
	if (rc == 0)
		worths_add(&side->worths, w);
	else
		item_free(item);
	return rc;
}

static int push_bulk(struct run *r, struct side *side, uint64_t seq, size_t n)
{
	struct worth w[BULK];
	void *item[BULK];
	size_t pushed;
	int rc;

	for (size_t i = 0; i < n; i++) {
		w[i] = input_worth(r->spec, side->index, seq + i);
		item[i] = item_make(&r->ledger, r->spec->row[0].in, w[i]);
	}
	rc = leat_pushn(r->chain, item, n, &pushed);
	must(r->watch.what, rc == 0 ? pushed == n : pushed < n,
		"pushn returned %d, having pushed %zu of %zu", rc, pushed, n);
	for (size_t i = 0; i < n; i++) {
		if (i < pushed)
			worths_add(&side->worths, w[i]);
		else
			item_free(item[i]);
	}
	return rc;
}

/* check_wait: with one thread pushing, what was pushed has left all rows. */
static void check_wait(struct run *r, const struct side *side)
{
	leat_counts counts[ROWS_MAX];
	struct expect e;
	uint32_t n = r->spec->n;

	serial_run(&e, r->spec, &side->worths, false);
	leat_stats(r->chain, counts, n);
	for (uint32_t i = 0; i < n && !e.halts && !r->faulty; i++)
		must(r->watch.what,
			counts[i].taken == e.row[i].taken &&
				counts[i].gave == e.row[i].gave,
			"after wait: %s took %d of %d, gave %d of %d",
			counts[i].stage, (int)counts[i].taken,
			(int)e.row[i].taken, (int)counts[i].gave,
			(int)e.row[i].gave);
	serial_fini(&e);
}

static bool keeps(const struct spec *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->row[i].keep > 0)
			return true;
	return false;
}

/* Whoever else acts on the chain may do so between wait and the check. */
static void wait_now(struct run *r, const struct side *side)
{
	const struct spec *s = r->spec;
	bool quiet = s->event == EVENT_NONE && s->pushers == 1;
	int rc = 0;

	if (dice(r, side, 2))
		rc = leat_wait_until(r->chain, leat_after(200000));
	else
		rc = leat_wait(r->chain);
	if (rc == 0 && quiet && !keeps(s))
		check_wait(r, side);
}

void *run_push(void *arg)
{
	struct side *side = arg;
	struct run *r = side->run;
	uint64_t n = r->spec->items / r->spec->pushers, k;
	int rc = 0;

	for (uint64_t i = 0; i < n && rc == 0; i += k) {
		k = dice(r, side, 4) == 0 ? 1 + dice(r, side, BULK) : 1;
		k = k < n - i ? k : n - i;
		rc = k == 1 ? push_one(r, side, i) : push_bulk(r, side, i, k);
		run_clock(r, WHEN_PUSH);
		if (rc == 0 && r->spec->waits && dice(r, side, 32) == 0)
			wait_now(r, side);
	}
	must(r->watch.what, rc == 0 || rc == -EPIPE || rc == -ECANCELED,
		"push returned %d", rc);
	tick(&r->pushing, UINT64_MAX);
	return NULL;
}

static void got(struct run *r, struct side *side, void *item)
{
	enum kind kind = r->spec->row[r->spec->n - 1].out;

	worths_add(&side->worths, item_worth(kind, item));
	item_free(item);
	run_clock(r, WHEN_PULL);
}

static int pull_bulk(struct run *r, struct side *side)
{
	void *items[BULK];
	size_t n;
	int rc = leat_pulln(r->chain, items, BULK, &n);

	must(r->watch.what, (rc == 0) == (n > 0), "pulln: %d, %zu items", rc,
		n);
	for (size_t i = 0; i < n; i++)
		got(r, side, items[i]);
	return rc;
}

static int pull_one(struct run *r, struct side *side, uint32_t how)
{
	void *item;
	int rc;

	switch (how) {
	case 0:
		rc = leat_trypull(r->chain, &item);
		break;
	case 1:
		rc = leat_pull_until(r->chain, &item, leat_after(50000));
		break;
	default:
		rc = leat_pull(r->chain, &item);
	}
	if (rc == 0)
		got(r, side, item);
	else if (rc == -EAGAIN)
		sched_yield();
	return rc == -EAGAIN || rc == -ETIMEDOUT ? 0 : rc;
}

static int pull_some(struct run *r, struct side *side)
{
	uint32_t how = dice(r, side, 8);

	return how == 7 ? pull_bulk(r, side) : pull_one(r, side, how);
}

/* An early end leaves results behind, but never a pusher waiting. */
void *run_pull(void *arg)
{
	struct side *side = arg;
	struct run *r = side->run;
	size_t enough = r->spec->early ? r->spec->moment / 2 : SIZE_MAX;
	int rc = 0;

	while (rc == 0 && (side->worths.n < enough || peek(&r->pushing) > 0))
		rc = pull_some(r, side);
	must(r->watch.what, rc == 0 || rc == LEAT_END || rc == -ECANCELED,
		"pull returned %d", rc);
	return NULL;
}

static int feed_alone(struct run *r, void *item, bool blocking)
{
	struct side *out = &r->pull[0];
	int rc, other;

	for (;;) {
		rc = blocking ? leat_push(r->chain, item)
			      : leat_trypush(r->chain, item);
		if (rc != -EAGAIN && rc != -EDEADLK)
			return rc;
		other = pull_one(r, out, rc == -EAGAIN ? 0 : 2);
		if (other == -ECANCELED)
			return other;
	}
}

/*
 * One thread feeds and drains, as <leat/chain.h> shows it; or now and then as
 * one should not, for it takes the chain some time to see that.
 */
void run_alone(struct run *r)
{
	struct side *in = &r->push[0], *out = &r->pull[0];
	int rc = pull_one(r, out, 0);

	for (uint64_t i = 0; i < r->spec->items && rc == 0; i++) {
		struct worth w = input_worth(r->spec, 0, i);
		void *item = item_make(&r->ledger, r->spec->row[0].in, w);

		rc = feed_alone(r, item, i % 64 == 63);
		if (rc == 0)
			worths_add(&in->worths, w);
		else
			item_free(item);
		run_clock(r, WHEN_PUSH);
	}
	leat_end(r->chain);
	do
		rc = pull_some(r, out);
	while (rc == 0);
	must(r->watch.what, rc == LEAT_END || rc == -ECANCELED,
		"pull returned %d", rc);
}
