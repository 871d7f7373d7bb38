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

/* open_slab goes on with the slab that the next fresh record belongs to. */
static int open_slab(struct store *s)
{
	uint32_t i = s->used >> s->shift;

	if (i >= (UINT32_MAX - 1) >> s->shift ||
		(i == s->slabs && add_slab(s) < 0))
		return -1;
	s->at = s->slab[i];
	s->end = s->at + (s->size << s->shift);
	return 0;
}

void *store_take_more(struct store *s)
{
	struct stored *record;

	if (s->free != 0) {
		record = store_at(s, s->free);
		s->free = record->free;
		return record;
	}
	return open_slab(s) < 0 ? NULL : store_take(s);
}

void store_give(struct store *s, void *record)
{
	struct stored *r = record;

	r->free = s->free;
	s->free = r->id;
}

void store_wipe(struct store *s)
{
	s->used = 0;
	s->free = 0;
	s->at = s->end;
}
