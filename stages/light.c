/* SPDX-License-Identifier: BSD-2-Clause */
#include "stages/light.h"

#ifdef LEAT_PERTURB /* visits all the time */
#define LIGHT_NS UINT64_C(1000000)
#define DRAW_NS	 UINT64_C(1000000)
#define VISIT_NS UINT64_C(100000000)
#define WAKE_NS	 UINT64_C(100000000)
#define THIN_NS	 UINT64_C(1000000)
#define PART_NS	 1
#define FINE_NS	 1
#else
#define LIGHT_NS 12    /* an item that takes longer is not light */
#define DRAW_NS	 125   /* nor is one that takes this long heavy */
#define VISIT_NS 4000  /* more work than this is for other threads */
#define WAKE_NS	 20000 /* for each that is awake, and it is for one more */
#define THIN_NS	 1000  /* a batch: less than the lines take that it moves */
#define PART_NS	 16    /* per item: less is not worth a thread */
#define FINE_NS	 8     /* nor this, be there processors enough */
#endif

static uint64_t at_most(uint64_t n, uint64_t most)
{
	return n < most ? n : most;
}

bool light_item(const struct stage *s)
{
	uint64_t ns = load_relaxed(&s->least_ns);

	return ns != 0 && ns <= LIGHT_NS;
}

bool light_work(const struct stage *s, size_t n)
{
	uint64_t ns = load_relaxed(&s->least_ns);

	return ns != 0 && ns * n <= VISIT_NS;
}

bool light_thin(const struct stage *s, size_t n)
{
	return n * load_relaxed(&s->least_ns) < THIN_NS;
}

static bool has_room(const leat_queue *q, uint64_t depth)
{
	return depth <= q->ring.capacity / 2 ||
	       depth + 2 * GRAIN_MAX <= q->ring.capacity;
}

bool light_room(const leat_queue *q)
{
	return has_room(q, queue_depth(q));
}

bool light_little(const struct stage *s, const leat_queue *q)
{
	uint64_t depth = queue_depth(q);
	uint64_t idle = load_relaxed(&s->idle);
	uint64_t awake = idle < s->workers ? s->workers - idle : 1;

	return depth * load_relaxed(&s->least_ns) < awake * WAKE_NS &&
	       has_room(q, depth);
}

bool light_rest(const struct stage *s, leat_queue *q)
{
	return light_crowd(s) && !queue_over(q) && light_little(s, q);
}

bool light_source(const leat_worker *w)
{
	const struct stage *s = w->stage, *next = s + 1;
	uint64_t ns = load_relaxed(&s->least_ns);

	if (ns == 0 || load_relaxed(&w->shy) > 0 || light_item(next))
		return false;
	return ns <= (next->workers < s->chain->crew.cpus ? LIGHT_NS : DRAW_NS);
}

/* light_ns is how long an item takes through all stages of a chain that are all
 * light; else 0. On another core than its neighbours a stage takes longer. */
static uint64_t light_ns(const struct leat_chain *c)
{
	uint64_t total = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct stage *s = &c->stage[i];
		uint64_t ns = load_relaxed(&s->least_ns);

		if (ns == 0 || ns > 2 * LIGHT_NS || (i > 0 && !s->visitable))
			return 0;
		total += ns;
	}
	return total;
}

/* parts_of says into how many parts so much work is split. Smaller parts take
 * more of the processors, and pay only if half of those stay free. */
static uint64_t parts_of(uint64_t total, uint64_t cpus)
{
	uint64_t parts = at_most(total / PART_NS, cpus);
	uint64_t fine = at_most(total / FINE_NS, cpus / 2);

	return parts > fine ? parts : fine;
}

/* is_split: into so many parts, none of which has a quarter more than its
 * share. That will do: to split a chain anew moves stages to another core. */
static bool is_split(const struct leat_chain *c, uint64_t parts, uint64_t total)
{
	uint64_t most = 0, part = 0, k = 1;

	for (size_t i = 0; i < c->n; i++) {
		const struct stage *s = &c->stage[i];

		if (load_relaxed(&s->apart)) {
			k++;
			part = 0;
		}
		part += load_relaxed(&s->least_ns);
		if (part > most)
			most = part;
	}
	return k == parts && 4 * parts * most <= 5 * total;
}

void light_split(struct leat_chain *c)
{
	uint64_t total = light_ns(c);
	uint64_t parts = parts_of(total, c->crew.cpus);
	uint64_t before = 0, k = 1;

	if (parts > 1 && is_split(c, parts, total))
		return;
	for (size_t i = 0; i < c->n; i++) {
		struct stage *s = &c->stage[i];
		bool apart = k < parts && before * parts >= total * k;

		if (load_relaxed(&s->apart) != apart)
			store_relaxed(&s->apart, apart);
		k += apart;
		before += load_relaxed(&s->least_ns);
	}
}
