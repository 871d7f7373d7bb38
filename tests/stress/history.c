/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tests/stress/history.h"
#include "tests/stress/lab.h"

/* Where a search stands: the calls that have taken effect, and the items in
 * the queue, a byte each, the oldest one lowest. */
struct spot {
	uint64_t done;
	uint64_t items;
};

struct search {
	const struct history *h;
	uint64_t before[HISTORY_MAX]; /* calls that come before this one */
	uint64_t blur[HISTORY_MAX];   /* may excuse its -EAGAIN */
	uint64_t ends, cancels;	      /* the calls that do */
	struct spot *seen;
	size_t n_seen, cap_seen; /* a power of two */
	uint64_t steps;
};

static bool overlap(const struct op *a, const struct op *b)
{
	return a->start <= b->end && b->start <= a->end;
}

static void prepare(struct search *s)
{
	const struct history *h = s->h;

	for (size_t i = 0; i < h->n; i++) {
		const struct op *a = &h->op[i];

		if (a->call == CALL_END)
			s->ends |= UINT64_C(1) << i;
		if (a->call == CALL_CANCEL)
			s->cancels |= UINT64_C(1) << i;
		for (size_t k = 0; k < h->n; k++) {
			const struct op *b = &h->op[k];
			bool mine = a->bulk != 0 && a->bulk == b->bulk;

			if (b->end < a->start || (mine && k < i))
				s->before[i] |= UINT64_C(1) << k;
			if (k != i && !mine && overlap(a, b))
				s->blur[i] |= UINT64_C(1) << k;
		}
	}
}

static size_t slot_of(const struct search *s, struct spot p)
{
	size_t i = mix(p.done, p.items) & (s->cap_seen - 1);

	while (s->seen[i].done != 0 &&
		(s->seen[i].done != p.done || s->seen[i].items != p.items))
		i = (i + 1) & (s->cap_seen - 1);
	return i;
}

static void grow(struct search *s)
{
	struct spot *old = s->seen;
	size_t cap = s->cap_seen;

	s->cap_seen = cap ? 4 * cap : 256;
	s->seen = calloc(s->cap_seen, sizeof(*s->seen));
	must("the test", s->seen != NULL, "no memory");
	for (size_t i = 0; i < cap; i++)
		if (old[i].done != 0)
			s->seen[slot_of(s, old[i])] = old[i];
	free(old);
}

/* is_new notes a spot, and tells whether it was not yet seen. */
static bool is_new(struct search *s, struct spot p)
{
	size_t i;

	if (p.done == 0)
		return true;
	if (2 * s->n_seen >= s->cap_seen)
		grow(s);
	i = slot_of(s, p);
	if (s->seen[i].done != 0)
		return false;
	s->seen[i] = p;
	s->n_seen++;
	return true;
}

static size_t length(uint64_t items)
{
	return items == 0 ? 0 : 8 - (size_t)__builtin_clzll(items) / 8;
}

static bool push(
	const struct search *s, const struct op *o, size_t i, struct spot *p)
{
	bool full = length(p->items) == s->h->capacity;

	if (o->rc == -EAGAIN)
		return full || s->blur[i] != 0;
	if (o->rc == -EPIPE)
		return p->done & s->ends;
	if (o->rc != 0 || full || p->done & s->ends)
		return false;
	p->items |= (uint64_t)o->item << 8 * length(p->items);
	return true;
}

static bool pop(
	const struct search *s, const struct op *o, size_t i, struct spot *p)
{
	if (o->rc == -EAGAIN)
		return p->items == 0 || s->blur[i] != 0;
	if (o->rc == LEAT_END)
		return p->items == 0 && p->done & s->ends;
	if (o->rc != 0 || (uint8_t)p->items != o->item)
		return false;
	p->items >>= 8;
	return true;
}

/* step: could call i take effect now? Then *p is the spot after it. */
static bool step(const struct search *s, size_t i, struct spot *p)
{
	const struct op *o = &s->h->op[i];
	bool cancelled = p->done & s->cancels;
	bool ok = true;

	if (o->call == CALL_PUSH || o->call == CALL_POP) {
		if (o->rc == -ECANCELED || cancelled)
			ok = o->rc == -ECANCELED && cancelled;
		else if (o->call == CALL_PUSH)
			ok = push(s, o, i, p);
		else
			ok = pop(s, o, i, p);
	}
	p->done |= UINT64_C(1) << i;
	return ok;
}

static bool is_end(const struct history *h, uint64_t items)
{
	if (length(items) != h->n_left)
		return false;
	for (size_t i = 0; i < h->n_left; i++, items >>= 8)
		if ((uint8_t)items != h->left[i])
			return false;
	return true;
}

static bool find(struct search *s, struct spot p)
{
	const struct history *h = s->h;
	uint64_t all = h->n == 64 ? UINT64_MAX : (UINT64_C(1) << h->n) - 1;

	if (!is_new(s, p))
		return false;
	s->steps++;
	if (p.done == all)
		return is_end(h, p.items);
	for (size_t i = 0; i < h->n; i++) {
		struct spot next = p;

		if (p.done >> i & 1 || s->before[i] & ~p.done)
			continue;
		if (step(s, i, &next) && find(s, next))
			return true;
	}
	return false;
}

bool history_holds(const struct history *h, uint64_t *steps)
{
	struct search s = {.h = h};
	bool found;

	prepare(&s);
	found = find(&s, (struct spot){0});
	*steps += s.steps;
	free(s.seen);
	return found;
}
