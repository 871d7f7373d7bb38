/* SPDX-License-Identifier: BSD-2-Clause */
/* The barrier, and what can be read after it. */
#include <errno.h>
#include <string.h>
#include "queues/sized.h"
#include "stages/index.h"

/* apply_puts lets go of the lock for the caller's functions, which may make
 * calls, and clear. The call itself stays: other barriers and leat_next are
 * kept out, and leat_fan_clear leaves alone what is not `past`. */
static void apply_puts(leat_fan *f, struct call *c)
{
	const struct leat_handle *more = call_more(c);
	struct put put;

	for (size_t i = 0; i < more->n_puts;
		i += sizeof(put) + (put.size + 15) / 16 * 16) {
		const char *value = more->puts + i + sizeof(put);

		memcpy(&put, more->puts + i, sizeof(put));
		if (put.apply == NULL) {
			memcpy(put.to, value, put.size);
			continue;
		}
		fan_unlock(f);
		put.apply(put.to, value, put.size);
		fan_lock(f);
	}
}

static void fill_slot(leat_fan *f, struct call *c)
{
	const struct leat_handle *more = call_more(c);
	void *slot = more != NULL ? more->slot : c->slot;

	if (f->opts.out_size > 0)
		memcpy(slot, call_out(f, c), f->opts.out_size);
	c->fate |= FATE_MOVED;
}

void call_apply(leat_fan *f, struct call *c)
{
	if (c->fate & FATE_PUTS)
		apply_puts(f, c);
	if (c->code == 0 && c->flags & CALL_SLOT)
		fill_slot(f, c);
}

/* forget_old: the key's result before this one is past. What leat_next has
 * not given yet stays, but is found no more; so does the failure that this
 * barrier will report. */
static void forget_old(leat_fan *f, struct call *c)
{
	struct call *old;
	bool failed;

	if (c->old == 0)
		return;
	old = call_at(f, c->old);
	c->old = 0;
	if (f->opts.flags & LEAT_FAN_NEXT)
		return;
	failed = old->id == f->failed;
	call_unlink(f, old);
	if (failed)
		f->failed = f->buried = old->id;
	else
		call_recycle(f, old);
}

static void forget_failure(leat_fan *f)
{
	f->failed = 0;
	if (f->buried != 0)
		call_recycle(f, call_at(f, f->buried));
	f->buried = 0;
}

/* note_failure keeps the first one; what was cancelled, because another one has
 * failed, comes after all others. */
static void note_failure(leat_fan *f, const struct call *c)
{
	const struct call *first;

	if (c->code == 0)
		return;
	if (f->failed != 0) {
		first = call_at(f, f->failed);
		if (c->code == -ECANCELED || first->code != -ECANCELED)
			return;
	}
	forget_failure(f);
	f->failed = c->id;
}

/* settle makes one call's effects visible. */
static void settle(leat_fan *f, struct call *c)
{
	call_apply(f, c);
	note_failure(f, c);
	forget_old(f, c);
	if (c->fate & FATE_MOVED && !(f->opts.flags & LEAT_FAN_NEXT)) {
		call_detach(f, c);
		call_recycle(f, c);
	}
}

/* settle_to settles the calls below mark; under the lock. */
static void settle_to(leat_fan *f, uint64_t mark)
{
	uint64_t todo = f->chores + load_relaxed(&f->odd);
	struct call *c;

	forget_failure(f);
	if (todo == f->settled && mark == fan_made(f)) {
		f->applied = mark;
		f->fresh = 0;
		return;
	}
	while (f->fresh != 0 && (c = call_at(f, f->fresh))->seq < mark) {
		f->fresh = c->next;
		f->applied = c->seq + 1;
		settle(f, c);
	}
	f->applied = mark;
	table_tidy(&f->table);
	if (mark == fan_made(f))
		f->settled = todo;
}

/* Calls made from inside of calls belong to this barrier too. */
static int wait_calls(leat_fan *f, uint64_t deadline, uint64_t *mark)
{
	uint64_t nested;
	int rc;

	do {
		nested = load_acquire(&f->nested);
		fan_lock(f);
		*mark = fan_made(f);
		fan_unlock(f);
		hand_over_now(f);
		rc = leat_wait_until(f->chain, deadline);
	} while (rc == 0 && load_acquire(&f->nested) != nested);
	return rc;
}

bool barrier_is_mine(const leat_fan *f)
{
	return load_relaxed(&f->barrier_owner) == thread_id();
}

void barrier_enter(leat_fan *f)
{
	if (!f->alone)
		pthread_mutex_lock(&f->barrier);
	store_relaxed(&f->barrier_owner, thread_id());
	fan_lock(f);
}

void barrier_leave(leat_fan *f)
{
	fan_unlock(f);
	store_relaxed(&f->barrier_owner, 0);
	if (!f->alone)
		pthread_mutex_unlock(&f->barrier);
}

/* is_stopped: by a call that the barrier does not wait for. */
static bool is_stopped(const leat_fan *f, uint64_t mark)
{
	return load_relaxed(&f->stopper) > mark;
}

/* take_back ends a stop, unless a later call has stopped the fan. A cancel
 * during it stays: it is in `unwanted`. A cancel or a failure that comes just
 * now either sees that the stop has ended or is seen here. */
static void take_back(leat_fan *f, uint64_t mark)
{
	uint64_t unwanted = load_relaxed(&f->unwanted);
	uint64_t stopped = STOPPED;

	if (is_stopped(f, mark) || !cas(&f->cancelled, &stopped,
					   unwanted > mark ? unwanted : mark))
		return;
	fence_full();
	raise_to(&f->cancelled, load_relaxed(&f->unwanted));
	if (is_stopped(f, mark))
		raise_to(&f->cancelled, STOPPED);
}

/* Another thread's barrier may have settled our calls already. */
static int settle_all(leat_fan *f, uint64_t mark)
{
	int rc;

	barrier_enter(f);
	if (mark >= f->applied)
		settle_to(f, mark);
	f->past = f->applied;
	rc = f->failed == 0 ? 0 : call_at(f, f->failed)->code;
	take_back(f, mark);
	barrier_leave(f);
	return rc;
}

int leat_fan_wait_until(leat_fan *f, uint64_t deadline)
{
	uint64_t mark;
	int rc;

	if (fan_inside(f) || barrier_is_mine(f))
		return -EDEADLK;
	rc = wait_calls(f, deadline, &mark);
	return rc < 0 ? rc : settle_all(f, mark);
}

int leat_fan_wait(leat_fan *f)
{
	return leat_fan_wait_until(f, LEAT_NEVER);
}

static int result(leat_fan *f, const leat_key *key, void **out)
{
	const struct call *c = call_find(f, key);
	int rc = -ENOENT;

	while (c != NULL && call_is_new(f, c)) {
		rc = -EAGAIN;
		c = c->old == 0 ? NULL : call_at(f, c->old);
	}
	if (c == NULL)
		return rc;
	*out = c->code == 0 ? call_out(f, c) : NULL;
	return c->code;
}

int leat_result_by(leat_fan *f, const leat_key *key, void **out)
{
	int rc;

	*out = NULL;
	fan_lock(f);
	rc = result(f, key, out);
	fan_unlock(f);
	return rc;
}

int leat_result(leat_fan *f, leat_key key, void **out)
{
	return leat_result_by(f, &key, out);
}

int leat_each_sized(leat_fan *f, leat_done *done, size_t size)
{
	const struct call *c = done->call;
	uint32_t id;

	fan_lock(f);
	id = c == NULL ? f->list.next : c->next;
	c = id == 0 ? NULL : call_at(f, id);
	if (c != NULL && call_is_new(f, c))
		c = NULL;
	if (c != NULL)
		call_show(f, c, done, size);
	else
		sized_give(done, size, &(leat_done){0}, sizeof(*done));
	fan_unlock(f);
	return c != NULL ? 0 : LEAT_END;
}

int leat_fan_failure_sized(leat_fan *f, leat_done *done, size_t size)
{
	const struct call *c = NULL;

	fan_lock(f);
	if (f->failed != 0)
		c = call_at(f, f->failed);
	if (c != NULL)
		call_show(f, c, done, size);
	else
		sized_give(done, size, &(leat_done){0}, sizeof(*done));
	fan_unlock(f);
	return c == NULL ? 0 : c->code;
}

/* is_past: a barrier has applied it, and is over. */
static bool is_past(const leat_fan *f, const struct call *c)
{
	return c->seq < f->past;
}

/* wipe forgets all calls at once, if no record owns anything, all are past, and
 * they fill enough of the table. */
static bool wipe(leat_fan *f)
{
	if (f->last == &f->list || !is_past(f, f->last) ||
		!fan_owns_nothing(f) || !table_wipe(&f->table))
		return false;
	store_wipe(&f->store);
	f->list.next = 0;
	f->last = &f->list;
	return true;
}

/* start_anew: if there is no record left, none owns anything. */
static void start_anew(leat_fan *f)
{
	if (f->last != &f->list || f->orphans > 0)
		return;
	f->owns = false;
	f->odd_past = load_relaxed(&f->odd);
	store_wipe(&f->store);
}

/* forget takes the calls that are past out one by one. */
static void forget(leat_fan *f)
{
	uint32_t id = f->list.next;

	while (id != 0 && is_past(f, call_at(f, id))) {
		struct call *c = call_at(f, id);

		id = c->next;
		call_detach(f, c);
		call_recycle(f, c);
	}
	table_tidy(&f->table);
	start_anew(f);
}

/* It does not wait for a barrier that is under way, which may be waiting for
 * the caller: a call of the fan. That barrier's calls and its failure stay. */
void leat_fan_clear(leat_fan *f)
{
	if (f->opts.flags & LEAT_FAN_NEXT)
		return;
	fan_lock(f);
	if (f->past == f->applied)
		forget_failure(f);
	if (!wipe(f))
		forget(f);
	fan_unlock(f);
}

void leat_fan_cancel(leat_fan *f)
{
	uint64_t made = fan_made(f);

	raise_to(&f->unwanted, made);
	fence_full();
	raise_to(&f->cancelled, made);
}
