/* SPDX-License-Identifier: BSD-2-Clause */
/* Where calls are found: by their key, and in call order. */
#include <string.h>
#include "stages/fan.h"

static uint32_t hash_of(const leat_key *key)
{
	if (likely(key->bytes == NULL))
		return hash_words(key->word[0], key->word[1], key->size);
	return hash_bytes(key->bytes, key->size);
}

static bool has_key(
	const leat_fan *f, const struct call *c, const leat_key *key)
{
	const void *bytes;
	uint64_t word;
	size_t size;

	if (likely(key->bytes == NULL && key->size == 8)) {
		memcpy(&word, call_place(c, f->key_at), sizeof(word));
		return c->key_size == 8 && word == key->word[0];
	}
	bytes = call_key(f, c, &size);
	return size == key->size && memcmp(bytes, key_bytes(key), size) == 0;
}

/* look_up finds the key's entry, or the gap where it belongs. */
static uint64_t look_up(const leat_fan *f, const leat_key *key, uint32_t hash)
{
	const struct table *t = &f->table;
	uint64_t gap = UINT64_MAX;
	uint64_t i = table_home(t, hash);

	for (; t->entry[i].id != 0; i = (i + table_step(hash)) & t->mask) {
		if (t->entry[i].id == ENTRY_DEAD) {
			if (gap == UINT64_MAX)
				gap = i;
			continue;
		}
		if (t->entry[i].hash == hash &&
			has_key(f, call_at(f, t->entry[i].id), key))
			return i;
	}
	return gap == UINT64_MAX ? i : gap;
}

/* call_id is what an entry stands for: a call, or 0. */
static uint32_t call_id(const struct entry *e)
{
	return e->id == ENTRY_DEAD ? 0 : e->id;
}

void call_seek(const leat_fan *f, const leat_key *key, struct place *p)
{
	p->hash = hash_of(key);
	p->at = look_up(f, key, p->hash);
	p->id = call_id(&f->table.entry[p->at]);
}

struct call *call_find(const leat_fan *f, const leat_key *key)
{
	struct place p;

	call_seek(f, key, &p);
	return p.id == 0 ? NULL : call_at(f, p.id);
}

static void link_last(leat_fan *f, struct call *c)
{
	if (f->last != 0)
		call_at(f, f->last)->next = c->id;
	else
		f->first = c->id;
	f->last = c->id;
	if (f->fresh == 0)
		f->fresh = c->id;
}

void call_file(leat_fan *f, struct call *c, const struct place *p)
{
	if (likely(p->id == 0))
		table_put(&f->table, p->at, p->hash, c->id);
	else
		f->table.entry[p->at].id = c->id;
	c->old = p->id;
	link_last(f, c);
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
	uint64_t at = table_find(&f->table, hash_of(&key), c->id);

	if (at == TABLE_NOWHERE)
		unchain(f, c, &key);
	else if (c->old == 0)
		table_remove(&f->table, at);
	else
		f->table.entry[at].id = c->old;
}

void call_unlink(leat_fan *f, struct call *c)
{
	if (c->prev != 0)
		call_at(f, c->prev)->next = c->next;
	else
		f->first = c->next;
	if (c->next != 0)
		call_at(f, c->next)->prev = c->prev;
	else
		f->last = c->prev;
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
