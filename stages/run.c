/* SPDX-License-Identifier: BSD-2-Clause */
/* A call on its worker. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "stages/fan.h"

leat_fan *fan_of(const leat_worker *w)
{
	return w->stage->chain->opts.failed_arg;
}

bool fan_inside(const leat_fan *f)
{
	return chain_inside(f->chain);
}

void raise_to(uint64_t *mark, uint64_t least)
{
	uint64_t old = load_relaxed(mark);

	while (old < least && !cas(mark, &old, least))
		;
}

/* is_cancelled: it is not to start; if it runs, nobody needs it any more. */
static inline bool is_cancelled(const leat_fan *f, const struct call *c)
{
	return c->seq < load_relaxed(&f->cancelled);
}

bool call_unwanted(const leat_worker *w)
{
	return w->in != w && is_cancelled(fan_of(w), w->in);
}

/* begin tells whether a call may start; a watched one is claimed. */
static bool begin(leat_fan *f, struct call *c)
{
	uint64_t waits = STATE_WAITS;

	if (c->flags & CALL_WATCHED &&
		load_relaxed(&c->more->state) != STATE_RUNS &&
		!cas(&c->more->state, &waits, STATE_RUNS))
		return false;
	return !is_cancelled(f, c);
}

/* The output starts as zeroes at each attempt. Most are a word or two. */
static void clear_out(const leat_fan *f, void *out)
{
	size_t size = f->opts.out_size;

	if (size == sizeof(uint64_t))
		memset(out, 0, sizeof(uint64_t));
	else if (size > 0)
		memset(out, 0, size);
}

/* undo forgets what a failed attempt has put, and its text. */
static void undo(struct call *c)
{
	struct leat_handle *more = call_more(c);

	c->fate &= (uint8_t) ~(FATE_PUTS | FATE_LOST);
	if (more != NULL)
		more->n_puts = 0;
}

static void keep_text(leat_fan *f, struct call *c, const char *text)
{
	struct leat_handle *more = call_attach(f, c);

	if (more != NULL)
		more->text = strdup(text);
}

/* stop_fan stops it until the barrier of this call; see take_back. */
static void stop_fan(leat_fan *f, const struct call *c)
{
	raise_to(&f->stopper, c->seq + 1);
	fence_full();
	raise_to(&f->cancelled, STOPPED);
}

static void fail(leat_fan *f, struct call *c, const leat_worker *w, int code)
{
	undo(c);
	c->code = code;
	if (!(c->fate & FATE_NEVER) && w->odd & ODD_SAID && w->said == code)
		keep_text(f, c, w->text);
	if (f->opts.flags & LEAT_FAN_STOP && !(c->fate & FATE_NEVER))
		stop_fan(f, c);
}

static void free_in(const leat_fan *f, const struct call *c)
{
	if (!(c->flags & CALL_IN_FAR))
		return;
	if (c->flags & CALL_IN_COPY)
		free(call_in_other(f, c));
	else if (f->opts.free_in != NULL && !load_relaxed(&f->no_free))
		f->opts.free_in(call_in_other(f, c));
}

static void tell(leat_fan *f, struct call *c)
{
	struct leat_handle *more = call_more(c);
	leat_done done;

	if (f->opts.done != NULL && !(c->fate & FATE_TOLD) &&
		!load_relaxed(&f->no_done)) {
		c->fate |= FATE_TOLD;
		call_show(f, c, &done, sizeof(done));
		f->opts.done(&done, f->opts.done_arg);
	}
	if (more != NULL && c->flags & CALL_WATCHED) {
		store_release(&more->state, STATE_DONE);
		bell_ring(&f->ended);
	}
}

/* finish ends a call of which the code is final. */
static void finish(leat_fan *f, struct call *c, const leat_worker *w, int rc)
{
	if (rc == 0 && c->fate & FATE_LOST)
		rc = -ENOMEM;
	if (rc < 0)
		fail(f, c, w, rc);
	if (rc < 0 || c->fate & (FATE_PUTS | FATE_MORE))
		fetch_add(&f->odd, 1);
	c->fate |= FATE_OVER;
	free_in(f, c);
	tell(f, c);
}

/* spoil makes a failure of a call that was finished already. */
static void spoil(leat_fan *f, struct call *c, const leat_worker *w)
{
	if (c->code != 0)
		return;
	fail(f, c, w, LEAT_ETHREAD);
	fetch_add(&f->odd, 1);
	if (f->opts.free_out != NULL)
		f->opts.free_out(call_out(f, c));
}

int call_ended(void *in, void **out, leat_worker *w)
{
	struct call *c = in;
	leat_fan *f = fan_of(w);

	raise_to(&f->cancelled, STOPPED_EVER);
	*out = f->opts.flags & LEAT_FAN_NEXT ? c : NULL;
	if (!(c->fate & FATE_OVER)) {
		finish(f, c, w, LEAT_ETHREAD);
		return 0;
	}
	/* It would end the thread again, for each call that is left. */
	store_relaxed(c->fate & FATE_TOLD ? &f->no_done : &f->no_free, 1);
	spoil(f, c, w);
	tell(f, c);
	return 0;
}

static bool may_repeat(
	const leat_fan *f, const struct call *c, const leat_worker *w)
{
	return w->view.attempt < f->opts.retries && !is_cancelled(f, c);
}

/* ended takes care of a call that was no plain success; it returns what the
 * row's function shall: a failure means another attempt. */
static int ended(leat_fan *f, struct call *c, leat_worker *w, int rc)
{
	if (rc > 0)
		rc = leat_error(w, LEAT_ERETURN,
			"the function returned %d; it may return 0 or a "
			"negative code",
			rc);
	if (rc < 0 && may_repeat(f, c, w)) {
		undo(c);
		return rc;
	}
	finish(f, c, w, rc);
	return 0;
}

/* The caller has written the records: their lines rather come all at once than
 * each as its call begins. */
void calls_fetch(void *const *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fetch_to_read(calls[i]);
}

#define ODD_CALL (CALL_WATCHED | CALL_IN_COPY)

int call_run(void *in, void **out, leat_worker *w)
{
	struct call *c = in;
	leat_fan *f = fan_of(w);
	int rc;

	if (f->opts.flags & LEAT_FAN_NEXT)
		*out = c;
	if (unlikely(c->flags & CALL_WATCHED || is_cancelled(f, c)) &&
		!begin(f, c)) {
		c->fate |= FATE_NEVER;
		finish(f, c, w, -ECANCELED);
		return 0;
	}
	clear_out(f, call_out(f, c));
	rc = f->opts.fn(call_in(f, c), call_out(f, c), w);
	if (likely(rc == 0 && !f->ends && c->fate == 0 &&
		    !(c->flags & ODD_CALL)))
		return 0;
	rc = ended(f, c, w, rc);
	if (rc < 0)
		*out = NULL;
	return rc;
}

const void *leat_call_key(const leat_worker *w, size_t *size)
{
	return call_key(fan_of(w), w->in, size);
}

/* room_for makes room for one more leat_put. */
static char *room_for(struct leat_handle *more, size_t size)
{
	size_t cap = more->cap_puts == 0 ? 256 : more->cap_puts;
	char *puts;

	while (cap - more->n_puts < size)
		cap *= 2;
	if (cap != more->cap_puts) {
		puts = realloc(more->puts, cap);
		if (puts == NULL)
			return NULL;
		more->puts = puts;
		more->cap_puts = cap;
	}
	return more->puts + more->n_puts;
}

int leat_apply(leat_worker *w,
	void (*apply)(void *table, const void *value, size_t size), void *table,
	const void *value, size_t size)
{
	struct call *c = w->in;
	struct leat_handle *more = call_attach(fan_of(w), c);
	struct put put = {.apply = apply, .to = table, .size = size};
	size_t bytes = sizeof(put) + (size + 15) / 16 * 16;
	char *at = more == NULL ? NULL : room_for(more, bytes);

	if (at == NULL) {
		c->fate |= FATE_LOST;
		return -ENOMEM;
	}
	memcpy(at, &put, sizeof(put));
	if (size > 0)
		memcpy(at + sizeof(put), value, size);
	more->n_puts += bytes;
	c->fate |= FATE_PUTS;
	return 0;
}

int leat_put(leat_worker *w, void *to, const void *value, size_t size)
{
	return leat_apply(w, NULL, to, value, size);
}
