/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of a random chain's rows: they do as the plan says. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include "tests/stress/run.h"

/* What a worker keeps. */
struct state {
	struct row_run *row;
	uint32_t index;
	uint64_t made;	      /* a source's items */
	uint64_t key[GROUPS]; /* the sequence of each key so far */
	bool seen[GROUPS];
	void **kept;
	size_t n_kept, cap_kept;
};

static const char *what(const struct state *s)
{
	return s->row->run->watch.what;
}

int row_open(void **state, leat_worker *w)
{
	struct state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->row = leat_arg(w);
	s->index = leat_index(w);
	*state = s;
	return 0;
}

static void fold_keys(const struct state *s)
{
	for (uint32_t k = 0; k < GROUPS; k++)
		if (s->seen[k])
			tick(&s->row->sums.keys, mix(k, s->key[k]));
}

void row_close(void *state)
{
	struct state *s = state;
	struct run *run = s->row->run;

	for (size_t i = 0; i < s->n_kept; i++)
		item_free(s->kept[i]);
	free(s->kept);
	fold_keys(s);
	if (s->row->source)
		poke(&run->made[s->index], s->made);
	free(s);
	pthread_mutex_lock(&run->lock);
	run->closes++;
	pthread_cond_signal(&run->closed);
	pthread_mutex_unlock(&run->lock);
}

static void keep(struct state *s, void *item)
{
	if (s->n_kept == s->cap_kept) {
		s->cap_kept = s->cap_kept ? 2 * s->cap_kept : 16;
		s->kept = realloc(s->kept, s->cap_kept * sizeof(*s->kept));
		must(what(s), s->kept != NULL, "no memory");
	}
	s->kept[s->n_kept++] = item;
}

int row_flush(leat_worker *w)
{
	struct state *s = leat_state(w);
	const struct row_spec *r = s->row->spec;
	size_t n = s->n_kept;

	s->n_kept = 0;
	for (size_t i = 0; i < n; i++)
		leat_emit(w, s->kept[i]);
	for (uint32_t j = 0; j < r->flush_makes; j++)
		leat_emit(w, item_make(&s->row->run->ledger, r->out,
				     flush_worth(r, s->index, j)));
	return r->flush_fails ? -1000 : 0;
}

uint64_t row_key_fine(const void *item, void *arg)
{
	const struct row_run *r = arg;

	return 64 * key_index(KEY_FINE, item_worth(r->spec->in, item));
}

uint64_t row_key_coarse(const void *item, void *arg)
{
	const struct row_run *r = arg;

	return key_index(KEY_COARSE, item_worth(r->spec->in, item));
}

/* dawdle spends some time now and then, so that workers overtake. */
static void dawdle(const struct row_run *r)
{
	uint64_t dice = mix(leat_now(), r->spec->seed);
	struct timespec ts = {.tv_nsec = (long)(dice >> 32) % 50000};

	if (dice % 100 >= r->spec->pause)
		return;
	switch (dice / 100 % 4) {
	case 0:
		sched_yield();
		break;
	case 1:
		nanosleep(&ts, NULL);
		break;
	default:
		for (volatile int i = 0; i < 500; i++)
			;
	}
}

/* note records the attempt, and that a key has one worker only. */
static void note(struct state *s, leat_worker *w, struct worth worth)
{
	struct row_run *r = s->row;
	uint32_t key = key_index(r->spec->keying, worth);
	uint64_t nobody = 0, me = s->index + 1;
	uint32_t attempt = leat_attempt(w);

	must(what(s), leat_index(w) == s->index, "a worker's index changed");
	if (attempt == 0)
		tick(&r->sums.values, mix(3, worth.value));
	tick(&r->sums.places, place(leat_seq(w), worth, attempt));
	s->seen[key] = true;
	s->key[key] = sequence(s->key[key], worth, attempt);
	if (r->spec->keying == KEY_NONE)
		return;
	if (!__atomic_compare_exchange_n(&r->owner[key], &nobody, me, false,
		    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		must(what(s), nobody == me,
			"key %u went to workers %d and %d of %s", key,
			(int)nobody - 1, (int)me - 1, r->spec->name);
}

static void *make(struct state *s, struct worth w, uint32_t j)
{
	const struct row_spec *r = s->row->spec;

	return item_make(&s->row->run->ledger, r->out, made_worth(r, w, j));
}

static void emit(struct state *s, leat_worker *w, const struct plan *p,
	void *in, struct worth worth)
{
	for (uint32_t j = 1; j <= p->emits; j++)
		leat_emit(w, make(s, worth, j));
	if (p->emits_in)
		leat_emit(w, in);
}

static int fail(struct state *s, leat_worker *w, const struct plan *p,
	struct worth worth, void **out)
{
	if (p->bad_out)
		*out = make(s, worth, 0);
	if (p->code == LEAT_ERETURN)
		return 1 << 20;
	if (worth.value % 2)
		return p->code;
	return leat_error(w, p->code, "%s refuses", s->row->spec->name);
}

static void *pass(const struct row_spec *r, void *in, struct worth worth)
{
	struct item *i = in;

	if (in != NULL && r->in != KIND_RAW && r->retries == 0)
		i->value = passed_worth(r, in, worth).value;
	return in;
}

/* take_hold does what the plan says with an item that is taken. */
static int take_hold(struct state *s, const struct plan *p, void *in, void *out)
{
	if (p->hold == HOLD_NONE)
		return 0;
	if (p->hold == HOLD_KEEP)
		keep(s, in);
	else if (p->hold == HOLD_INSIDE && s->row->spec->in != KIND_RAW)
		((struct item *)out)->inner = in;
	else
		item_free(in);
	return LEAT_TOOK;
}

static int act(void *in, void **out, leat_worker *w, struct worth worth)
{
	struct state *s = leat_state(w);
	const struct row_spec *r = s->row->spec;
	struct plan p;

	plan_make(&p, r, s->row->source, worth);
	note(s, w, worth);
	dawdle(s->row);
	run_clock(s->row->run, WHEN_RUN);
	emit(s, w, &p, in, worth);
	if (leat_attempt(w) < p.fails)
		return fail(s, w, &p, worth, out);
	if (p.fate == FATE_MAP)
		*out = make(s, worth, 0);
	else if (p.fate == FATE_PASS)
		*out = pass(r, in, worth);
	return take_hold(s, &p, in, *out) |
	       (p.fate == FATE_DROP ? LEAT_DROP : 0);
}

int row_fn(void *in, void **out, leat_worker *w)
{
	struct row_run *r = leat_arg(w);

	return act(in, out, w, item_worth(r->spec->in, in));
}

int row_source(void *in, void **out, leat_worker *w)
{
	struct state *s = leat_state(w);
	const struct spec *spec = s->row->run->spec;
	uint64_t seq = leat_seq(w);

	must(what(s), in == NULL, "a source got an item");
	must(what(s), seq == s->made || seq + 1 == s->made,
		"a source's seq jumps");
	if (seq == source_share(spec, s->index))
		return LEAT_END;
	s->made = seq + 1;
	return act(in, out, w, input_worth(spec, s->index, seq));
}

int run_failed(void *item, const leat_report *report, void *arg)
{
	struct run *run = arg;
	const struct row_run *r = &run->row[report->row];
	struct worth w;

	tick(&run->shown, 1);
	if (report->row > 0 || !run->spec->source)
		w = item_worth(r->spec->in, item);
	else
		must(run->watch.what, item == NULL, "a source's item failed");
	must(run->watch.what, report->code < 0, "a failure of code 0");
	if (report->code != -ENOMEM)
		must(run->watch.what, report->attempt <= r->spec->retries,
			"attempt %u failed for good", report->attempt);
	if (item == NULL || w.value % 2)
		return 0;
	item_free(item);
	return LEAT_TOOK;
}
