/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening and closing a fan. */
#include <errno.h>
#include <stdlib.h>
#include "queues/lines.h"
#include "queues/sized.h"
#include "stages/fan.h"

#define QUEUE_DEFAULT 4096
#define KEY_DEFAULT   16
#define SIZE_MOST     (((size_t)1 << 30) - 1)
#define KEY_MOST      UINT16_MAX /* as call.key_size has no more bits */

#define KNOWN_FLAGS \
	((uint32_t)(LEAT_FAN_REPLACE | LEAT_FAN_STOP | LEAT_FAN_NEXT))

static int check_size(
	const char *name, size_t size, size_t most, leat_report *r)
{
	if (size <= most)
		return 0;
	report_text(r, "%s: %zu is over %zu", name, size, most);
	return LEAT_ESIZE;
}

static int check_sizes(const leat_fan_opts *o, leat_report *r)
{
	int rc = check_size("out_size", o->out_size, SIZE_MOST, r);

	if (rc == 0)
		rc = check_size("in_size", o->in_size, SIZE_MOST, r);
	if (rc == 0)
		rc = check_size("key_size", o->key_size, KEY_MOST, r);
	return rc;
}

static int check(const leat_fan_opts *o, leat_report *r)
{
	if (o->fn == NULL) {
		report_text(r, "fn is missing");
		return LEAT_EFN;
	}
	if (o->flags & ~KNOWN_FLAGS) {
		report_text(
			r, "flags: unknown bits %#x", o->flags & ~KNOWN_FLAGS);
		return LEAT_EFLAGS;
	}
	return check_sizes(o, r);
}

/* A type that needs an alignment of 16 has a size of at least that. */
static size_t align(size_t at, size_t size)
{
	size_t to = size >= 16 ? 16 : 8;

	return (at + to - 1) / to * to;
}

/* lay_out decides where in a record things are. A place for arguments also
 * takes a pointer to one. */
static void lay_out(leat_fan *f)
{
	const leat_fan_opts *o = &f->opts;
	size_t key = o->key_size == 0 ? KEY_DEFAULT : o->key_size;

	f->key_room = align(key, 8);
	if (f->key_room > KEY_MOST)
		f->key_room = KEY_MOST;
	f->in_room = o->in_size;
	if (f->in_room < sizeof(void *) &&
		(o->in_size > 0 || o->free_in != NULL))
		f->in_room = sizeof(void *);
	f->key_at = sizeof(struct call);
	f->in_at = align(f->key_at + f->key_room, f->in_room);
	f->out_at = align(f->in_at + f->in_room, o->out_size);
	store_init(&f->store, align(f->out_at + o->out_size, 16));
}

static int init_locks(leat_fan *f)
{
	int rc = -pthread_mutex_init(&f->lock, NULL);

	if (rc < 0)
		return rc;
	rc = -pthread_mutex_init(&f->barrier, NULL);
	if (rc < 0)
		pthread_mutex_destroy(&f->lock);
	return rc;
}

static void fini_locks(leat_fan *f)
{
	pthread_mutex_destroy(&f->barrier);
	pthread_mutex_destroy(&f->lock);
}

/* open_chain: the chain carries the fan in failed_arg; nothing ever fails as
 * far as the chain can see, since failures are the calls' own. */
static int open_chain(leat_fan *f, leat_report *r)
{
	const leat_fan_opts *o = &f->opts;
	leat_stage row = {
		.name = o->name != NULL ? o->name : "fan",
		.fn = call_run,
		.arg = o->arg,
		.open = o->open,
		.close = o->close,
		.workers = o->workers,
		.queue = (uint32_t)f->room,
		.on_error = LEAT_SKIP,
		.retries = o->retries,
		.backoff_ns = o->backoff_ns,
	};
	leat_opts opts = {
		.failed_arg = f,
		.stack = o->stack,
		.results = o->flags & LEAT_FAN_NEXT ? f->room + 1 : 0,
	};
	struct hooks hooks = {.look = hand_look,
		.look_arg = f,
		.thin = hand_wait,
		.single = true,
		.taken = calls_fetch,
		.ended = call_ended,
		.unwanted = call_unwanted};
	int rc = chain_open(&f->chain, &row, 1, &opts, &hooks, r);

	if (rc < 0)
		return rc;
	f->stage = f->chain->stage;
	f->queue = f->chain->edge[0].queue[0];
	return 0;
}

static int open_parts(leat_fan *f, leat_report *r)
{
	int rc = table_init(&f->table);

	if (rc < 0)
		return rc;
	rc = open_chain(f, r);
	if (rc < 0)
		table_fini(&f->table);
	return rc;
}

static int open_fan(leat_fan **fan, const leat_fan_opts *o, leat_report *r)
{
	leat_fan *f = calloc_lines(1, sizeof(*f));
	int rc;

	if (f == NULL)
		return -ENOMEM;
	f->opts = *o;
	f->room = o->queue != 0 ? o->queue : QUEUE_DEFAULT;
	f->alone = o->callers == 1;
	f->last = &f->list;
	f->ends = o->free_in != NULL || o->done != NULL;
	lay_out(f);
	rc = init_locks(f);
	if (rc == 0) {
		rc = open_parts(f, r);
		if (rc == 0) {
			*fan = f;
			return 0;
		}
		fini_locks(f);
	}
	free(f);
	return rc;
}

int leat_fan_open_sized(leat_fan **fan, const leat_fan_opts *opts, size_t size)
{
	leat_report r = {0};
	leat_fan_opts o = {0};
	int rc;

	if (fan == NULL)
		return -EINVAL;
	*fan = NULL;
	if (opts == NULL)
		return -EINVAL;
	rc = sized_take(&o, sizeof(o), opts, size);
	if (rc == 0)
		rc = check(&o, &r);
	if (rc == 0)
		rc = open_fan(fan, &o, &r);
	if (rc < 0 && r.text[0] == '\0')
		report_text(&r, "%s", leat_strerror(rc));
	r.code = rc;
	if (o.report != NULL)
		*o.report = r;
	return rc;
}

/* release_all frees what the records own, of which most fans have nothing. */
static void release_all(leat_fan *f)
{
	if (fan_owns_nothing(f))
		return;
	for (uint32_t id = 1; id <= f->store.used; id++)
		call_release(f, call_at(f, id));
}

/* last_barriers: what a barrier calls may make calls, which the next one is
 * for. */
static int last_barriers(leat_fan *f)
{
	uint64_t made;
	int rc = 0;

	do {
		int code;

		made = fan_made(f);
		code = leat_fan_wait(f);
		if (rc == 0)
			rc = code;
	} while (fan_made(f) != made);
	return rc;
}

int leat_fan_close(leat_fan *f)
{
	int rc, left;

	if (f == NULL)
		return 0;
	if (fan_inside(f) || barrier_is_mine(f))
		return -EDEADLK;
	rc = last_barriers(f);
	left = leat_close(f->chain); /* not 0 if opts.close ended its thread */
	if (rc == 0)
		rc = left;
	release_all(f);
	store_fini(&f->store);
	table_fini(&f->table);
	fini_locks(f);
	free(f);
	return rc;
}
