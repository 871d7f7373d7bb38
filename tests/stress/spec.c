/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include "tests/stress/spec.h"

static uint32_t pick(struct rng *r, const uint32_t *of, uint32_t n)
{
	return of[rng_below(r, n)];
}

#define PICK(r, ...)                             \
	pick(r, (const uint32_t[]){__VA_ARGS__}, \
		sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* Only with the same kind on both sides may an item itself go on. */
static void make_share(struct rng *r, struct row_spec *row)
{
	bool same = row->in == row->out;

	row->fail = PICK(r, 0, 0, 0, 2, 20);
	row->drop = PICK(r, 0, 0, 10, 50);
	row->pass = same ? PICK(r, 0, 30, 100) : 0;
	row->take = PICK(r, 0, 0, 40);
	row->keep = same ? PICK(r, 0, 0, 0, 30) : 0;
	row->none = PICK(r, 0, 0, 0, 0, 10);
	row->emit = PICK(r, 0, 0, 0, 10, 50);
	row->emit_max = 3;
	row->pause = PICK(r, 0, 0, 1, 10, 50);
	row->flush_makes = PICK(r, 0, 0, 0, 1, 5);
	row->flush_fails = row->flush_makes > 0 && rng_chance(r, 10);
}

static void make_row(
	struct rng *r, struct row_spec *row, uint32_t i, bool first)
{
	*row = (struct row_spec){.seed = rng_next(r)};
	snprintf(row->name, sizeof(row->name), "row%u", i);
	row->workers = PICK(r, 1, 1, 2, 2, 3, 4, 7, WORKERS_MAX);
	row->queue = PICK(r, 1, 2, 3, 5, 7, 16, 64, 100, 1000, 0);
	row->ordered = !(first && row->workers > 1) && rng_chance(r, 50);
	if (!first && !row->ordered && rng_chance(r, 40))
		row->keying = rng_chance(r, 50) ? KEY_FINE : KEY_COARSE;
	row->on_error = rng_chance(r, 80) ? LEAT_SKIP : LEAT_STOP;
	row->retries = PICK(r, 0, 0, 1, 3);
	row->backoff_ns = PICK(r, 0, 1, 1000, 100000, 500000);
	row->own_free = rng_chance(r, 50);
}

/* order_after is what becomes of the order in a row. */
static enum order order_after(const struct row_spec *r, bool source)
{
	bool single = r->workers == 1 && (r->retries == 0 || source);
	bool made = r->flush_makes > 0 || r->keep > 0;
	enum order by_key = r->keying == KEY_FINE     ? ORDER_FINE
			    : r->keying == KEY_COARSE ? ORDER_COARSE
						      : ORDER_NONE;

	if (r->keep > 0 && (r->workers > 1 || r->retries > 0))
		return ORDER_NONE;
	if (single || r->ordered)
		return r->before;
	if (by_key == ORDER_NONE || made || r->before < by_key)
		return ORDER_NONE;
	return by_key;
}

/* Every NULL is of the same group, so groups mean nothing any more. */
static enum order with_nulls(enum order o, const struct row_spec *r)
{
	return r->none > 0 && o != ORDER_TOTAL ? ORDER_NONE : o;
}

void spec_settle(struct spec *s)
{
	bool one = s->source ? s->row[0].workers == 1
			     : s->pushers == 1 || s->alone;
	enum order o = one ? ORDER_TOTAL : ORDER_NONE;
	bool nulls = false;

	for (uint32_t i = 0; i < s->n; i++) {
		s->row[i].before = o;
		o = order_after(&s->row[i], s->source && i == 0);
		nulls = nulls || s->row[i].none > 0;
		if (nulls && o != ORDER_TOTAL)
			o = ORDER_NONE;
		o = with_nulls(o, &s->row[i]);
	}
	s->after = o;
}

static void make_ends(struct rng *r, struct spec *s)
{
	s->results = rng_chance(r, 60) ? PICK(r, 1, 2, 7, 64, 1000) : 0;
	s->pushers = s->source ? 0 : PICK(r, 1, 1, 1, 2, 3);
	s->pullers = s->results > 0 ? PICK(r, 1, 1, 1, 2, 3) : 0;
	s->alone = !s->source && s->results > 0 && rng_chance(r, 20);
	s->hook = rng_chance(r, 60);
	s->waits = rng_chance(r, 20);
	s->early = rng_chance(r, 15);
	s->stack = PICK(r, 0, 0, 0, 1 << 19);
}

static void make_event(struct rng *r, struct spec *s)
{
	static const enum event events[] = {
		EVENT_CANCEL, EVENT_CANCEL, EVENT_STOP, EVENT_END};

	s->when = rng_below(r, WHENS);
	s->moment = rng_below(r, 2 * (uint32_t)s->items + 20);
	if (rng_chance(r, 30))
		s->event = events[rng_below(r, 4)];
}

void spec_make(struct spec *s, uint64_t seed)
{
	struct rng r = {seed};
	enum kind kind = rng_below(&r, KINDS);

	*s = (struct spec){.seed = seed};
	s->n = 1 + rng_below(&r, ROWS_MAX);
	s->source = rng_chance(&r, 40);
	s->items = PICK(&r, 0, 1, 10, 100, 300, 300, 1000);
	for (uint32_t i = 0; i < s->n; i++) {
		struct row_spec *row = &s->row[i];

		make_row(&r, row, i, s->source && i == 0);
		row->in = kind;
		if (rng_chance(&r, 30) || (s->source && i == 0))
			kind = rng_below(&r, KINDS);
		row->out = kind;
		make_share(&r, row);
		if (s->source && i == 0)
			row->pass = row->take = row->keep = 0;
	}
	make_ends(&r, s);
	make_event(&r, s);
	spec_settle(s);
}

void spec_calm(struct spec *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		s->row[i].emit = 0;
		s->row[i].flush_makes = 0;
		s->row[i].flush_fails = false;
	}
	spec_settle(s);
}

static void print_row(const struct row_spec *r)
{
	static const char *const keyings[] = {"", " keyed", " coarsely keyed"};

	printf("  %s x%u queue %u%s%s%s retries %u backoff %" PRIu64
	       " kinds %d>%d fail %u drop %u pass %u take %u keep %u none %u "
	       "emit %u pause %u flush %u%s, order before %d\n",
		r->name, r->workers, r->queue, r->ordered ? " ordered" : "",
		keyings[r->keying],
		r->on_error == LEAT_SKIP ? " skip" : " stop", r->retries,
		r->backoff_ns, r->in, r->out, r->fail, r->drop, r->pass,
		r->take, r->keep, r->none, r->emit, r->pause, r->flush_makes,
		r->flush_fails ? " (fails)" : "", r->before);
}

void spec_print(const struct spec *s)
{
	static const char *const events[] = {"none", "cancel", "stop", "end"};
	static const char *const whens[] = {"run", "push", "pull", "time"};

	printf("chain %" PRIu64 ": %u rows, %s, %" PRIu64
	       " items, results %" PRIu64
	       ", %u pushers, %u pullers%s%s%s%s, event %s at %s %" PRIu64
	       ", order after %d\n",
		s->seed, s->n, s->source ? "source" : "pushed", s->items,
		s->results, s->pushers, s->pullers, s->alone ? ", alone" : "",
		s->hook ? ", hook" : "", s->waits ? ", waits" : "",
		s->early ? ", early" : "", events[s->event], whens[s->when],
		s->moment, s->after);
	for (uint32_t i = 0; i < s->n; i++)
		print_row(&s->row[i]);
}

static void plan_failure(
	struct rng *g, struct plan *p, const struct row_spec *r)
{
	p->fails = 1 + rng_below(g, r->retries + 2);
	p->code = -1000 - (int)(r->seed % 1000);
	if (rng_chance(g, 10))
		p->code = LEAT_ERETURN;
	p->bad_out = rng_chance(g, 30);
}

static void plan_hold(struct rng *g, struct plan *p, const struct row_spec *r)
{
	if (rng_chance(g, r->keep))
		p->hold = HOLD_KEEP;
	else if (rng_chance(g, r->take))
		p->hold = HOLD_FREE;
	if (p->hold == HOLD_FREE && p->fate == FATE_MAP && r->out != KIND_RAW &&
		rng_chance(g, 50))
		p->hold = HOLD_INSIDE;
}

void plan_make(struct plan *p, const struct row_spec *r, bool source,
	struct worth worth)
{
	struct rng g = {mix(r->seed, worth.value)};

	*p = (struct plan){0};
	if (rng_chance(&g, r->fail))
		plan_failure(&g, p, r);
	if (rng_chance(&g, r->drop))
		p->fate = FATE_DROP;
	else if (rng_chance(&g, r->pass))
		p->fate = FATE_PASS;
	else if (rng_chance(&g, r->none))
		p->fate = FATE_NONE;
	if (p->fate != FATE_PASS && !source)
		plan_hold(&g, p, r);
	if (!rng_chance(&g, r->emit))
		return;
	p->emits = rng_below(&g, r->emit_max + 1);
	p->emits_in = !source && r->in == r->out && p->fate != FATE_PASS &&
		      p->hold == HOLD_NONE && rng_chance(&g, 40);
}

struct worth made_worth(const struct row_spec *r, struct worth w, uint32_t j)
{
	return (struct worth){mix(r->seed + j, w.value) & VALUE_MASK, w.group};
}

struct worth passed_worth(
	const struct row_spec *r, const void *item, struct worth w)
{
	if (item == NULL || r->in == KIND_RAW || r->retries > 0)
		return w;
	w.value = mix(r->seed ^ 0xabcd, w.value) & VALUE_MASK;
	return w;
}

struct worth flush_worth(const struct row_spec *r, uint32_t index, uint32_t j)
{
	uint64_t x = mix(r->seed ^ 0xf1005, (uint64_t)index << 32 | j);

	return (struct worth){x & VALUE_MASK, x % GROUPS};
}

struct worth input_worth(const struct spec *s, uint64_t producer, uint64_t seq)
{
	uint64_t x = mix(s->seed ^ 0x1a, producer << 32 | seq);

	return (struct worth){x & VALUE_MASK, x >> 56};
}

uint32_t key_index(enum keying keying, struct worth w)
{
	return (uint32_t)(keying == KEY_COARSE ? w.group >> 5 : w.group);
}

uint64_t source_share(const struct spec *s, uint32_t index)
{
	uint32_t workers = s->row[0].workers;

	return s->items / workers + (index < s->items % workers);
}
