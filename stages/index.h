/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where calls are found: by their key, and in call order. All under the lock.
 *
 * What every call passes is inline, here and in call.c.
 */
#ifndef LEAT_INDEX_H
#define LEAT_INDEX_H

#include <string.h>
#include "stages/fan.h"

/* Where a key is in the table, or would be; id is its last call, or 0. */
struct place {
	uint64_t at;
	uint32_t hash;
	uint32_t id;
};

/* call_has_key is has_key for keys of any kind. */
bool call_has_key(const leat_fan *f, const struct call *c, const leat_key *key);

/* call_find finds the last call with the key; NULL if there is none. */
struct call *call_find(const leat_fan *f, const leat_key *key);

/* call_detach takes a call out of the table and the list. */
void call_detach(leat_fan *f, struct call *c);

/* call_unlink takes it out of the list alone: a later call with its key has
 * taken its place in the table. */
void call_unlink(leat_fan *f, struct call *c);

static inline uint32_t key_hash(const leat_key *key)
{
	if (likely(key->bytes == NULL))
		return hash_words(key->word[0], key->word[1], key->size);
	return hash_bytes(key->bytes, key->size);
}

static inline bool has_key(
	const leat_fan *f, const struct call *c, const leat_key *key)
{
	uint64_t word;

	if (unlikely(key->bytes != NULL || key->size != sizeof(word)))
		return call_has_key(f, c, key);
	memcpy(&word, call_place(c, f->key_at), sizeof(word));
	return c->key_size == sizeof(word) && word == key->word[0];
}

/* look_up finds the key's entry, or the gap where it belongs. */
static FORCE_INLINE uint64_t look_up(
	const leat_fan *f, const leat_key *key, uint32_t hash)
{
	const struct table *t = &f->table;
	uint64_t gap = TABLE_NOWHERE;
	uint64_t i = table_home(t, hash);

	for (; t->entry[i].id != 0; i = (i + table_step(hash)) & t->mask) {
		if (t->entry[i].id == ENTRY_DEAD) {
			if (gap == TABLE_NOWHERE)
				gap = i;
			continue;
		}
		if (t->entry[i].hash == hash &&
			has_key(f, call_at(f, t->entry[i].id), key))
			return i;
	}
	return gap == TABLE_NOWHERE ? i : gap;
}

static FORCE_INLINE struct place call_seek(
	const leat_fan *f, const leat_key *key)
{
	uint32_t hash = key_hash(key);
	uint64_t at = look_up(f, key, hash);
	uint32_t id = f->table.entry[at].id;

	return (struct place){at, hash, id == ENTRY_DEAD ? 0 : id};
}

#endif
