/* SPDX-License-Identifier: BSD-2-Clause */
/* Where calls are found: by their key, and in call order. */
#include <string.h>
#include "stages/index.h"

bool call_has_key(const leat_fan *f, const struct call *c, const leat_key *key)
{
	size_t size;
	const void *bytes = call_key(f, c, &size);

	return size == key->size && memcmp(bytes, key_bytes(key), size) == 0;
}

struct call *call_find(const leat_fan *f, const leat_key *key)
{
	struct place p = call_seek(f, key);

	return p.id == 0 ? NULL : call_at(f, p.id);
}

static leat_key key_of(const leat_fan *f, const struct call *c)
{
	leat_key key = {0};

	key.bytes = call_key(f, c, &key.size);
	return key;
}

/* unchain takes a call out from among the older ones of its key. */
static void unchain(leat_fan *f, const struct call *c, const leat_key *key)
{
	struct call *newer = call_find(f, key);

	while (newer != NULL && newer->old != c->id)
		newer = newer->old == 0 ? NULL : call_at(f, newer->old);
	if (newer != NULL)
		newer->old = c->old;
}

/* unfile takes a call out of the table; its older one takes its place. */
static void unfile(leat_fan *f, const struct call *c)
{
	leat_key key = key_of(f, c);
	uint64_t at = table_find(&f->table, key_hash(&key), c->id);

	if (at == TABLE_NOWHERE)
		unchain(f, c, &key);
	else if (c->old == 0)
		table_remove(&f->table, at);
	else
		f->table.entry[at].id = c->old;
}

void call_unlink(leat_fan *f, struct call *c)
{
	struct call *prev = c->prev == 0 ? &f->list : call_at(f, c->prev);

	prev->next = c->next;
	if (c->next != 0)
		call_at(f, c->next)->prev = c->prev;
	else
		f->last = prev;
	if (f->fresh == c->id)
		f->fresh = c->next;
	if (f->failed == c->id)
		f->failed = 0;
}

void call_detach(leat_fan *f, struct call *c)
{
	unfile(f, c);
	call_unlink(f, c);
}
