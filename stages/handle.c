/* SPDX-License-Identifier: BSD-2-Clause */
/* Single calls: their handles, and as they are completed. */
#include <errno.h>
#include "queues/sized.h"
#include "stages/index.h"

int leat_handle_done(const leat_handle *h)
{
	return load_acquire(&h->state) >= STATE_DONE;
}

int leat_handle_cancel(leat_handle *h)
{
	uint64_t state = STATE_WAITS;

	if (!cas(&h->state, &state, STATE_CANCELLED))
		return state == STATE_RUNS ? -EBUSY : -EALREADY;
	bell_ring(&h->fan->ended);
	return 0;
}

/* A cancelled call has not met its worker yet, which will write its code. */
static void show_cancelled(const leat_handle *h, leat_done *done, size_t size)
{
	leat_done d = {.code = -ECANCELED,
		.seq = h->call->seq,
		.text = leat_strerror(-ECANCELED),
		.call = h->call};

	d.key = call_key(h->fan, h->call, &d.key_size);
	sized_give(done, size, &d, sizeof(d));
}

static int await_end(leat_handle *h, uint64_t deadline)
{
	leat_fan *f = h->fan;
	uint32_t heard;

	if (fan_inside(f))
		return -EDEADLK;
	hand_over_now(f);
	heard = bell_listen(&f->ended);
	perturb();
	if (leat_handle_done(h)) {
		bell_leave(&f->ended);
		return 0;
	}
	if (bell_wait(&f->ended, heard, deadline) == 0 || leat_handle_done(h))
		return 0;
	return -ETIMEDOUT;
}

int leat_handle_wait_sized(
	leat_handle *h, leat_done *done, size_t size, uint64_t deadline)
{
	int rc = 0;

	while (rc == 0 && !leat_handle_done(h))
		rc = await_end(h, deadline);
	if (rc < 0 || done == NULL)
		return rc;
	if (load_acquire(&h->state) == STATE_CANCELLED)
		show_cancelled(h, done, size);
	else
		call_show(h->fan, h->call, done, size);
	return 0;
}

void leat_handle_free(leat_handle *h)
{
	leat_fan *f;

	if (h == NULL)
		return;
	f = h->fan;
	fan_lock(f);
	h->freed = true;
	if (h->orphan) {
		f->orphans--;
		call_recycle(f, h->call);
	}
	fan_unlock(f);
}

/* fetch takes results that are there and promised to nobody: for one taker
 * only, as another might be waiting while they lie here. */
static void fetch(leat_fan *f)
{
	uint64_t left = fan_made(f) - f->promised;
	size_t most = left < FETCH ? left : FETCH;
	size_t n = 0;

	if (most > 1 && load_relaxed(&f->taker) == PULLERS_MANY)
		most = 1;
	if (most > 0)
		chain_pull(f->chain, f->fetched, most, &n, 0);
	calls_fetch(f->fetched, n);
	f->fetched_at = 0;
	f->fetched_n = n;
	f->promised += n;
}

/* promise finds a result; or makes sure that one will come, the caller's alone,
 * and returns -EAGAIN; or LEAT_END. */
static int promise(leat_fan *f, void **item)
{
	int rc = -EAGAIN;

	fan_lock(f);
	if (f->fetched_n == 0)
		fetch(f);
	if (f->fetched_n > 0) {
		*item = f->fetched[f->fetched_at++];
		f->fetched_n--;
		rc = 0;
	} else if (f->promised < fan_made(f)) {
		f->promised++;
	} else {
		rc = LEAT_END;
	}
	fan_unlock(f);
	return rc;
}

/* keep_promise waits for the result. */
static int keep_promise(leat_fan *f, void **item, uint64_t deadline)
{
	int rc;

	hand_over_now(f);
	rc = leat_pull_until(f->chain, item, deadline);
	if (rc == 0)
		return 0;
	fan_lock(f);
	f->promised--;
	fan_unlock(f);
	return rc;
}

/* give applies a call, unless a barrier has, and takes it out of the fan. */
static void give(leat_fan *f, struct call *c)
{
	barrier_enter(f);
	if (call_is_new(f, c))
		call_apply(f, c);
	call_detach(f, c);
	f->given++;
	barrier_leave(f);
	if (!f->alone)
		park_signal(&f->space);
}

static void give_back(leat_fan *f, leat_done *done)
{
	struct call *c = done->call;

	if (c == NULL)
		return;
	fan_lock(f);
	call_recycle(f, c);
	fan_unlock(f);
	done->call = NULL;
}

int leat_next_sized(
	leat_fan *f, leat_done *done, size_t size, uint64_t deadline)
{
	void *item;
	int rc;

	if (!(f->opts.flags & LEAT_FAN_NEXT))
		return -EINVAL;
	if (fan_inside(f) || barrier_is_mine(f))
		return -EDEADLK;
	give_back(f, done);
	know_taker(&f->taker);
	rc = promise(f, &item);
	if (rc == -EAGAIN)
		rc = keep_promise(f, &item, deadline);
	if (rc != 0)
		return rc;
	give(f, item);
	call_show(f, item, done, size);
	return 0;
}
