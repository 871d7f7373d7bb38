/* SPDX-License-Identifier: BSD-2-Clause */
/* Making a call. */
#include <errno.h>
#include "queues/sized.h"
#include "stages/index.h"

#define PLACES	 64		/* in the queue, to be found at a time */
#define LOOK	 (50 * LEAT_MS) /* how often a blocked caller looks around */
#define PATIENCE (5 * LEAT_S)	/* and how long for somebody to take */

/* fill_plain does what call_fill does for the commonest call: an integer, or a
 * pair, is the key and the argument too. */
static FORCE_INLINE bool fill_plain(
	const leat_fan *f, struct call *c, struct wish w)
{
	const leat_key *key = w.key;

	if (unlikely(key->bytes != NULL || key->size > f->key_room ||
		     w.in != NULL || w.handle != NULL))
		return false;
	c->flags = w.slot != NULL ? CALL_IN_KEY | CALL_SLOT : CALL_IN_KEY;
	c->key_size = (uint16_t)key->size;
	c->slot = w.slot;
	memcpy(call_place(c, f->key_at), key->word, sizeof(key->word[0]));
	if (unlikely(key->size > sizeof(key->word[0])))
		memcpy(call_place(c, f->key_at), key->word, sizeof(key->word));
	return true;
}

/* record makes a record, which nothing knows yet; NULL without memory. */
static FORCE_INLINE struct call *record(leat_fan *f, struct wish w)
{
	struct call *c = store_take(&f->store);

	if (unlikely(c == NULL))
		return NULL;
	c->next = 0;
	c->prev = f->last->id;
	c->seq = fan_made(f);
	c->code = 0;
	c->flags = 0;
	c->fate = 0;
	return likely(fill_plain(f, c, w)) ? c : call_fill(f, c, w);
}

static FORCE_INLINE void link_last(leat_fan *f, struct call *c)
{
	f->last->next = c->id;
	f->last = c;
	if (unlikely(f->fresh == 0))
		f->fresh = c->id;
}

/* file_call puts a call into the table, where call_seek said, and at the end of
 * the list. */
static FORCE_INLINE void file_call(
	leat_fan *f, struct call *c, const struct place *p)
{
	if (likely(p->id == 0))
		table_put(&f->table, p->at, p->hash, c->id);
	else
		f->table.entry[p->at].id = c->id;
	c->old = p->id;
	link_last(f, c);
}

/* admit makes a call for which there is room, under the lock; *made is how many
 * there are with it. */
static FORCE_INLINE int admit(leat_fan *f, struct wish w, uint64_t *made)
{
	struct place p;
	struct call *c;

	if (unlikely(table_reserve(&f->table) < 0))
		return -ENOMEM;
	p = call_seek(f, w.key);
	if (p.id != 0 && !(f->opts.flags & LEAT_FAN_REPLACE) &&
		call_is_new(f, call_at(f, p.id)))
		return -EEXIST;
	c = record(f, w);
	if (unlikely(c == NULL))
		return -ENOMEM;
	file_call(f, c, &p);
	f->chores += p.id != 0 || w.slot != NULL;
	if (w.handle != NULL)
		*w.handle = c->more;
	*made = hand_put(f, c);
	return 0;
}

/* find_room looks for places in the queue, some at a time; with leat_next, what
 * it has not given yet takes up room as well. */
static NO_INLINE bool find_room(leat_fan *f)
{
	uint64_t made = fan_made(f);
	uint64_t left = f->room;
	size_t n;

	if (f->opts.flags & LEAT_FAN_NEXT)
		left -= made - f->given;
	n = ring_room_from(
		&f->queue->ring, made, left < PLACES ? left : PLACES);
	f->place = ring_place(&f->queue->ring, made);
	f->free_to = made + n;
	for (size_t i = 0; i < n; i += LINE / sizeof(*f->place))
		fetch_to_write(f->place + i);
	return n > 0;
}

static inline bool has_room(leat_fan *f)
{
	return likely(fan_made(f) != f->free_to) || find_room(f);
}

/* alone_taking: nobody but the caller takes, so it would wait for itself. */
static bool alone_taking(const leat_fan *f, uint64_t since)
{
	uint64_t taker = load_relaxed(&f->taker);

	return taker == thread_id() ||
	       (taker == 0 && leat_now() - since > PATIENCE);
}

/* needs_taker: only leat_next makes room. Where it has made some, a worker may
 * yet have to leave the next place in the queue, as it is about to. */
static bool needs_taker(leat_fan *f)
{
	bool full;

	if (!(f->opts.flags & LEAT_FAN_NEXT))
		return false;
	fan_lock(f);
	full = fan_made(f) - f->given >= f->room;
	fan_unlock(f);
	return full;
}

/* await_taker waits until leat_next makes room: which it does inside a barrier
 * of its own, so the caller must not be in one. */
static int await_taker(leat_fan *f, uint64_t until, uint64_t since)
{
	if (barrier_is_mine(f) || alone_taking(f, since))
		return -EDEADLK;
	park_announce(&f->space);
	if (!needs_taker(f)) {
		park_retract(&f->space);
		return 0;
	}
	return park_wait(&f->space, until);
}

/* is_crowded: the workers could use every processor, so a caller that waits
 * awake keeps one for itself; if there is but one, its yields let them run. */
static bool is_crowded(const leat_fan *f)
{
	const struct crew *crew = &f->chain->crew;

	return crew->cpus > 1 &&
	       load_relaxed(&crew->awake) + crew->others > crew->cpus;
}

/* await_workers waits until they make room. */
static int await_workers(leat_fan *f, uint64_t until)
{
	struct wait w = {.deadline = until};
	int rc;

	hand_over_now(f);
	rc = is_crowded(f) ? queue_await_plenty(f->queue, &w)
			   : queue_await_room(f->queue, &w);
	queue_chain_room(f->queue);
	return rc;
}

/* await_inside is for a call's own call: it must not wait for other calls, but
 * it may for a worker that is about to leave the next place in the queue. */
static int await_inside(leat_fan *f, uint64_t deadline)
{
	if (fan_made(f) - queue_popped(f->queue) >= f->queue->ring.capacity ||
		needs_taker(f))
		return -EDEADLK;
	wait_yield(leat_after(LEAT_US));
	return leat_now() < deadline ? 0 : -ETIMEDOUT;
}

/* await_room waits until there may be room. It looks around every now and then:
 * for who takes, and since a call that waits for later ones, as it must not,
 * goes on if there is room for them. */
static int await_room(leat_fan *f, uint64_t deadline, uint64_t since)
{
	uint64_t look = leat_after(LOOK);
	uint64_t until = look < deadline ? look : deadline;
	int rc;

	if (fan_inside(f))
		return await_inside(f, deadline);
	rc = needs_taker(f) ? await_taker(f, until, since)
			    : await_workers(f, until);
	return rc == -ETIMEDOUT && until < deadline ? 0 : rc;
}

static FORCE_INLINE int make(leat_fan *f, struct wish w, uint64_t *made)
{
	uint64_t cancelled;
	int rc = -EAGAIN;

	fan_lock(f);
	cancelled = load_relaxed(&f->cancelled);
	if (unlikely(cancelled >= STOPPED))
		rc = cancelled == STOPPED ? -ECANCELED : LEAT_ETHREAD;
	else if (likely(has_room(f)))
		rc = admit(f, w, made);
	fan_unlock(f);
	return rc;
}

static bool is_key(const leat_key *key)
{
	if (likely(key->bytes == NULL))
		return likely(key->size == 8) || key->size == 16;
	return key->size > 0;
}

/* pass_on is for who has made a call, the last one of `made`. */
static FORCE_INLINE void pass_on(leat_fan *f, uint64_t made)
{
	if (!f->alone && unlikely(fan_inside(f)))
		fetch_add(&f->nested, 1);
	hand_new(f, made);
}

/* call_late waits for room and makes the call then; apart, so that the usual
 * call need not save what only this needs. */
static NO_INLINE int call_late(leat_fan *f, struct wish w)
{
	uint64_t since = leat_now();
	uint64_t made = 0;
	int rc = -EAGAIN;

	while (rc == -EAGAIN) {
		rc = await_room(f, w.deadline, since);
		if (rc == 0)
			rc = make(f, w, &made);
	}
	if (rc == 0)
		pass_on(f, made);
	return rc;
}

static FORCE_INLINE int call(leat_fan *f, struct wish w)
{
	uint64_t made = 0;
	int rc;

	if (unlikely(!is_key(w.key)))
		return -EINVAL;
	rc = make(f, w, &made);
	if (unlikely(rc == -EAGAIN) && w.deadline != 0)
		return call_late(f, w);
	if (unlikely(rc < 0))
		return rc;
	pass_on(f, made);
	return 0;
}

int leat_call_by(leat_fan *f, const leat_key *key, const void *in, size_t size,
	uint64_t deadline)
{
	struct wish w = {
		.key = key, .in = in, .size = size, .deadline = deadline};

	return call(f, w);
}

int leat_call(leat_fan *f, leat_key key, const void *in, size_t size)
{
	return leat_call_by(f, &key, in, size, LEAT_NEVER);
}

int leat_trycall(leat_fan *f, leat_key key, const void *in, size_t size)
{
	return leat_call_by(f, &key, in, size, 0);
}

/* call_with is `call` for other kinds of calls. */
static int call_with(leat_fan *f, struct wish w)
{
	return call(f, w);
}

int leat_call_into(leat_fan *f, void *slot, const void *in, size_t size)
{
	leat_key key = leat_u64((uint64_t)(uintptr_t)slot);
	struct wish w = {.key = &key,
		.in = in,
		.size = size,
		.slot = slot,
		.deadline = LEAT_NEVER};

	return call_with(f, w);
}

int leat_call_sized(leat_fan *f, const leat_key *key, const void *in,
	size_t size, const leat_call_opts *opts, size_t opts_size)
{
	struct wish w = {
		.key = key, .in = in, .size = size, .deadline = LEAT_NEVER};
	leat_call_opts o;
	int rc;

	if (opts == NULL)
		return call_with(f, w);
	rc = sized_take(&o, sizeof(o), opts, opts_size);
	if (rc < 0)
		return rc;
	w.slot = o.slot;
	w.handle = o.handle;
	if (o.deadline != 0)
		w.deadline = o.deadline;
	return call_with(f, w);
}
