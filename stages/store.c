/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "stages/store.h"

/*
 * A slab is two megabytes, a huge page, which a million calls in one wave need
 * 30 of: first touches cost more than the calls do. Memory that is not touched
 * is not there, so a small fan pays nothing; but huge pages are asked for only
 * from the second slab on.
 */
#define SLAB ((size_t)2 << 20)

void store_init(struct store *s, size_t size)
{
	*s = (struct store){.size = size};
	while (size << (s->shift + 1) <= SLAB)
		s->shift++;
}

void store_fini(struct store *s)
{
	for (uint32_t i = 0; i < s->slabs; i++)
		free(s->slab[i]);
	free(s->slab);
}

static int make_room(struct store *s)
{
	uint32_t room = s->room == 0 ? 8 : 2 * s->room;
	char **slab = realloc(s->slab, room * sizeof(*slab));

	if (slab == NULL)
		return -1;
	s->slab = slab;
	s->room = room;
	return 0;
}

static int add_slab(struct store *s)
{
	size_t bytes = s->size << s->shift;
	char *slab;

	if (s->slabs == s->room && make_room(s) < 0)
		return -1;
	if (s->slabs == 0 || bytes < SLAB / 2) {
		slab = aligned_alloc(64, (bytes + 63) / 64 * 64);
	} else {
		slab = aligned_alloc(SLAB, (bytes + SLAB - 1) / SLAB * SLAB);
		if (slab != NULL)
			madvise(slab, SLAB, MADV_HUGEPAGE);
	}
	if (slab == NULL)
		return -1;
	s->slab[s->slabs++] = slab;
	return 0;
}

void *store_take_more(struct store *s, uint32_t *id)
{
	void *record;

	if (s->free != 0) {
		*id = s->free;
		record = store_at(s, *id);
		memcpy(&s->free, record, sizeof(s->free));
		return record;
	}
	if (s->used == UINT32_MAX - 1 ||
		(s->used >> s->shift == s->slabs && add_slab(s) < 0))
		return NULL;
	*id = ++s->used;
	return store_at(s, *id);
}

void store_give(struct store *s, uint32_t id)
{
	memcpy(store_at(s, id), &s->free, sizeof(s->free));
	s->free = id;
}

void store_wipe(struct store *s)
{
	s->used = 0;
	s->free = 0;
}
