/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of calls: what is in them, and to whom it belongs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "queues/sized.h"
#include "stages/fan.h"

/* Pointers in a record: the place may hold bytes just as well. */
static void pointer_put(void *at, void *pointer)
{
	memcpy(at, &pointer, sizeof(pointer));
}

static void *pointer_at(const void *at)
{
	void *pointer;

	memcpy(&pointer, at, sizeof(pointer));
	return pointer;
}

static struct far_key *far_key(const struct call *c, const leat_fan *f)
{
	return pointer_at(call_place(c, f->key_at));
}

const void *call_key(const leat_fan *f, const struct call *c, size_t *size)
{
	if (unlikely(c->flags & CALL_KEY_FAR)) {
		const struct far_key *far = far_key(c, f);

		*size = far->size;
		return far->bytes;
	}
	*size = c->key_size;
	return call_place(c, f->key_at);
}

/* in_place is where the argument is in the record, NULL if it is not. */
static void *in_place(const leat_fan *f, const struct call *c)
{
	if (c->flags & CALL_IN_NEAR)
		return call_place(c, f->key_at + (c->key_size + 7u) / 8 * 8);
	return f->in_room > 0 ? call_place(c, f->in_at) : NULL;
}

void *call_in_other(const leat_fan *f, const struct call *c)
{
	size_t size;
	void *at;

	if (c->flags & CALL_IN_KEY)
		return (void *)(uintptr_t)call_key(f, c, &size);
	at = in_place(f, c);
	if (likely(!(c->flags & CALL_IN_FAR)))
		return at;
	return at == NULL ? c->more->in : pointer_at(at);
}

static struct leat_handle *more_new(leat_fan *f, struct call *c)
{
	struct leat_handle *more = calloc(1, sizeof(*more));

	if (more == NULL)
		return NULL;
	more->fan = f;
	more->call = c;
	more->freed = true;
	return more;
}

struct leat_handle *call_attach(leat_fan *f, struct call *c)
{
	struct leat_handle *more = call_more(c);

	if (more != NULL)
		return more;
	more = more_new(f, c);
	if (more == NULL)
		return NULL;
	more->slot = c->slot;
	c->more = more;
	c->fate |= FATE_MORE;
	return more;
}

void call_release(leat_fan *f, struct call *c)
{
	struct leat_handle *more = call_more(c);

	if (c->flags & CALL_KEY_FAR)
		free(far_key(c, f));
	if (f->opts.free_out != NULL && c->code == 0 && !(c->fate & FATE_MOVED))
		f->opts.free_out(call_out(f, c));
	if (more != NULL) {
		free(more->text);
		free(more->puts);
		free(more);
	}
	c->flags = 0;
	c->fate = 0;
	c->code = -ENOENT; /* a free record has nothing to release */
}

void call_recycle(leat_fan *f, struct call *c)
{
	if (c->flags & CALL_WATCHED && !c->more->freed) {
		c->more->orphan = true;
		f->orphans++;
		return;
	}
	call_release(f, c);
	store_give(&f->store, c);
}

static int place_key(leat_fan *f, struct call *c, const leat_key *key)
{
	struct far_key *far;
	void *at = call_place(c, f->key_at);

	if (likely(key->bytes == NULL && key->size == 8)) {
		memcpy(at, key->word, 8);
		c->key_size = 8;
		return 0;
	}
	if (likely(key->size <= f->key_room)) {
		memcpy(at, key_bytes(key), key->size);
		c->key_size = (uint16_t)key->size;
		return 0;
	}
	far = malloc(sizeof(*far) + key->size);
	if (far == NULL)
		return -ENOMEM;
	far->size = key->size;
	memcpy(far->bytes, key_bytes(key), key->size);
	pointer_put(at, far);
	c->flags |= CALL_KEY_FAR;
	f->owns = true;
	return 0;
}

/* fits_near: the key leaves room for a small argument, or a pointer. */
static bool fits_near(
	const leat_fan *f, const struct call *c, const struct wish *w)
{
	return f->in_room == 0 && w->in != NULL && w->size <= 8 &&
	       !(c->flags & CALL_KEY_FAR) &&
	       (c->key_size + 7u) / 8 * 8 + 8 <= f->key_room;
}

/* needs_more: the record alone cannot hold all there is. */
static bool needs_more(
	const leat_fan *f, const struct call *c, const struct wish *w)
{
	if (w->handle != NULL)
		return true;
	return f->in_room == 0 && w->in != NULL && !(c->flags & CALL_IN_NEAR);
}

static int place_more(leat_fan *f, struct call *c, const struct wish *w)
{
	struct leat_handle *more;

	if (w->slot != NULL)
		c->flags |= CALL_SLOT;
	if (fits_near(f, c, w))
		c->flags |= CALL_IN_NEAR;
	if (likely(!needs_more(f, c, w))) {
		c->slot = w->slot;
		return 0;
	}
	more = more_new(f, c);
	if (more == NULL)
		return -ENOMEM;
	more->slot = w->slot;
	c->more = more;
	c->flags |= CALL_MORE;
	f->owns = true;
	if (w->handle != NULL) {
		c->flags |= CALL_WATCHED;
		more->freed = false;
	}
	return 0;
}

/* place_in comes last, so that a call that is refused has freed nothing of
 * the caller's. */
static int place_in(leat_fan *f, struct call *c, const struct wish *w)
{
	void *far = (void *)(uintptr_t)w->in;
	void *at;

	if (w->in == NULL) {
		c->flags |= CALL_IN_KEY;
		return 0;
	}
	at = in_place(f, c);
	if (w->size > 0 && (w->size <= f->in_room || c->flags & CALL_IN_NEAR)) {
		memcpy(at, w->in, w->size);
		return 0;
	}
	if (w->size > 0) {
		far = malloc(w->size);
		if (far == NULL)
			return -ENOMEM;
		memcpy(far, w->in, w->size);
		c->flags |= CALL_IN_COPY;
	}
	c->flags |= CALL_IN_FAR;
	if (at != NULL)
		pointer_put(at, far);
	else
		c->more->in = far;
	return 0;
}

static struct call *give_up(leat_fan *f, struct call *c)
{
	c->code = -ENOMEM;
	call_release(f, c);
	store_give(&f->store, c);
	return NULL;
}

struct call *call_fill(leat_fan *f, struct call *c, struct wish w)
{
	int rc = place_key(f, c, w.key);

	if (rc == 0)
		rc = place_more(f, c, &w);
	if (rc == 0)
		rc = place_in(f, c, &w);
	if (rc == 0)
		return c;
	return give_up(f, c);
}

void call_show(
	const leat_fan *f, const struct call *c, leat_done *done, size_t size)
{
	const struct leat_handle *more = call_more(c);
	leat_done d = {.seq = c->seq, .code = c->code, .text = ""};

	d.key = call_key(f, c, &d.key_size);
	d.call = (void *)(uintptr_t)c;
	if (c->code == 0)
		d.out = call_out(f, c);
	else if (more != NULL && more->text != NULL)
		d.text = more->text;
	else
		d.text = leat_strerror(c->code);
	sized_give(done, size, &d, sizeof(d));
}
