/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store: records of one size, by id, from 1. They never move. They come from
 * slabs, contiguous as long as none is given back; those given back are used
 * first. A record begins with its id, which the store writes.
 */
#ifndef LEAT_STORE_H
#define LEAT_STORE_H

#include <stddef.h>
#include <stdint.h>

struct store {
	size_t size; /* of a record, a multiple of 16 */
	char *at;    /* the next fresh record, in a slab that ends there */
	char *end;
	char **slab;
	uint32_t slabs, room; /* slabs there are, and places for more */
	uint32_t used;	      /* ids handed out so far, free ones included */
	uint32_t free;	      /* the first free id, 0 if none */
	unsigned shift;	      /* a slab has 1 << shift records */
};

/* How a record begins. */
struct stored {
	uint32_t id;
	uint32_t free; /* while it is: the next free id, 0 if none */
};

void store_init(struct store *s, size_t size);
void store_fini(struct store *s);

void store_give(struct store *s, void *record);

/* store_wipe takes all records back, which keep their memory. */
void store_wipe(struct store *s);

static inline void *store_at(const struct store *s, uint32_t id)
{
	uint32_t i = id - 1;
	uint32_t mask = (UINT32_C(1) << s->shift) - 1;

	return s->slab[i >> s->shift] + (i & mask) * s->size;
}

/* store_take_more is store_take when there is no fresh record at hand. */
void *store_take_more(struct store *s);

/* store_take returns a record with its id and garbage in it; NULL without
 * memory. */
static inline void *store_take(struct store *s)
{
	char *record = s->at;

	if (s->free != 0 || record == s->end)
		return store_take_more(s);
	s->at += s->size;
	((struct stored *)record)->id = ++s->used;
	return record;
}

#endif
