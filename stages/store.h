/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store: records of one size, by id, from 1. They never move. They come from
 * slabs, contiguous as long as none is given back; those given back are used
 * first.
 */
#ifndef LEAT_STORE_H
#define LEAT_STORE_H

#include <stddef.h>
#include <stdint.h>

struct store {
	size_t size; /* of a record, a multiple of 16 */
	char **slab;
	uint32_t slabs, room; /* slabs there are, and places for more */
	uint32_t used;	      /* ids handed out so far, free ones included */
	uint32_t free;	      /* the first free id, 0 if none */
	unsigned shift;	      /* a slab has 1 << shift records */
};

void store_init(struct store *s, size_t size);
void store_fini(struct store *s);

void store_give(struct store *s, uint32_t id);

/* store_wipe takes all records back, which keep their memory. */
void store_wipe(struct store *s);

static inline void *store_at(const struct store *s, uint32_t id)
{
	uint32_t i = id - 1;
	uint32_t mask = (UINT32_C(1) << s->shift) - 1;

	return s->slab[i >> s->shift] + (i & mask) * s->size;
}

/* store_take_more is store_take when there is no fresh record at hand. */
void *store_take_more(struct store *s, uint32_t *id);

/* store_take returns a record with garbage in it, and its id; NULL without
 * memory. */
static inline void *store_take(struct store *s, uint32_t *id)
{
	if (s->free != 0 || s->used >> s->shift == s->slabs)
		return store_take_more(s, id);
	*id = ++s->used;
	return store_at(s, *id);
}

#endif
