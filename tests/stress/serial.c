/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "tests/stress/serial.h"

void worths_add(struct worths *v, struct worth w)
{
	if (v->n == v->cap) {
		v->cap = v->cap ? 2 * v->cap : 64;
		v->at = realloc(v->at, v->cap * sizeof(*v->at));
		must("the test", v->at != NULL, "no memory");
	}
	v->at[v->n++] = w;
}

void worths_fini(struct worths *v)
{
	free(v->at);
	*v = (struct worths){0};
}

static int by_value(const void *a, const void *b)
{
	const struct worth *x = a, *y = b;

	return x->value < y->value ? -1 : x->value > y->value;
}

void worths_sort(struct worths *v)
{
	if (v->n > 0)
		qsort(v->at, v->n, sizeof(*v->at), by_value);
}

uint64_t sequence(uint64_t so_far, struct worth w, uint32_t attempt)
{
	return mix(so_far, mix(w.value, attempt));
}

uint64_t place(uint64_t seq, struct worth w, uint32_t attempt)
{
	return mix(mix(seq, w.value), attempt);
}

/* A row at work. */
struct serial {
	struct expect *e;
	struct row_expect *x;
	const struct row_spec *r;
	bool source, sink;
	struct worths *out;
	struct worths kept;
	uint64_t key[GROUPS]; /* by group or coarse key */
	bool seen[GROUPS];
};

static bool is_null(struct worth w)
{
	return w.value == 0 && w.group == 0;
}

static void hand_on(struct serial *s, struct worth w)
{
	if (!s->sink)
		s->x->gave++;
	else if (!is_null(w))
		s->x->freed++;
	worths_add(s->out, w);
}

/* emitted: what one attempt emits. Without being handed on it is freed, but
 * for the item itself. */
static void emitted(
	struct serial *s, const struct plan *p, struct worth w, bool handed_on)
{
	for (uint32_t j = 1; j <= p->emits; j++) {
		if (handed_on)
			hand_on(s, made_worth(s->r, w, j));
		else
			s->x->freed++;
	}
	if (p->emits_in && handed_on)
		hand_on(s, w);
}

static void fail_once(struct serial *s, const struct plan *p, struct worth w)
{
	emitted(s, p, w, s->r->retries == 0);
	if (p->bad_out)
		s->x->freed++;
}

static void succeed(struct serial *s, const struct plan *p, struct worth w)
{
	const void *item = is_null(w) ? NULL : s;

	emitted(s, p, w, true);
	if (p->hold == HOLD_KEEP)
		worths_add(&s->kept, w);
	if (p->fate == FATE_DROP)
		s->x->dropped++;
	else
		s->x->done++;
	if (p->fate == FATE_MAP)
		hand_on(s, made_worth(s->r, w, 0));
	else if (p->fate == FATE_PASS)
		hand_on(s, passed_worth(s->r, item, w));
	else if (p->fate == FATE_NONE)
		hand_on(s, (struct worth){0});
}

static void note(struct serial *s, uint64_t seq, struct worth w, uint32_t count)
{
	uint32_t key = key_index(s->r->keying, w);

	s->seen[key] = true;
	s->key[key] = sequence(s->key[key], w, count);
	s->x->sums.places += place(seq, w, count);
}

static void run_item(struct serial *s, uint64_t seq, struct worth w)
{
	uint32_t attempts = s->r->retries + 1, count;
	struct plan p;

	plan_make(&p, s->r, s->source, w);
	s->x->taken++;
	s->x->sums.values += mix(3, w.value);
	for (count = 0; count < p.fails && count < attempts; count++) {
		note(s, seq, w, count);
		s->x->retried += count > 0;
		fail_once(s, &p, w);
	}
	if (count < attempts) {
		note(s, seq, w, count);
		s->x->retried += count > 0;
		succeed(s, &p, w);
		return;
	}
	s->x->failed++;
	s->e->failures++;
	s->e->halts = s->e->halts || s->r->on_error == LEAT_STOP;
}

static void run_flush(struct serial *s)
{
	for (size_t i = 0; i < s->kept.n; i++)
		hand_on(s, s->kept.at[i]);
	for (uint32_t i = 0; i < s->r->workers; i++) {
		for (uint32_t j = 0; j < s->r->flush_makes; j++)
			hand_on(s, flush_worth(s->r, i, j));
		if (!s->r->flush_fails)
			continue;
		s->e->failures++;
		s->e->halts = s->e->halts || s->r->on_error == LEAT_STOP;
	}
}

static void run_row(struct serial *s, const struct worths *in, bool flushes)
{
	for (size_t i = 0; i < in->n; i++)
		run_item(s, i, in->at[i]);
	if (flushes)
		run_flush(s);
	for (uint32_t k = 0; k < GROUPS; k++)
		if (s->seen[k])
			s->x->sums.keys += mix(k, s->key[k]);
	worths_fini(&s->kept);
}

void serial_run(struct expect *e, const struct spec *s, const struct worths *in,
	bool flushes)
{
	struct worths now = {0};

	*e = (struct expect){0};
	for (size_t i = 0; i < in->n; i++)
		worths_add(&now, in->at[i]);
	for (uint32_t i = 0; i < s->n; i++) {
		struct worths out = {0};
		struct serial row = {
			.e = e,
			.x = &e->row[i],
			.r = &s->row[i],
			.source = s->source && i == 0,
			.sink = i + 1 == s->n && s->results == 0,
			.out = &out,
		};

		run_row(&row, &now, flushes);
		worths_fini(&now);
		now = out;
	}
	e->results = now;
}

void serial_fini(struct expect *e)
{
	worths_fini(&e->results);
}

void serial_input(struct worths *in, const struct spec *s)
{
	for (uint64_t i = 0; i < s->items; i++)
		worths_add(in, input_worth(s, 0, i));
}
