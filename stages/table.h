/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table: finds calls by the hash of their key. It holds pairs of a hash and
 * a call's id, in open addressing with linear probing; whether two keys are
 * equal is for the caller to say.
 *
 * Why not a library's: a call has 25 ns for everything. uthash costs a
 * pointer-chasing bucket list and 56 bytes a call, hcreate has no removal, and
 * CK's tables, made for many readers, allocate and are slower to put into by
 * one writer.
 *
 * The first place tried is the lower bits of the hash, and hash_words keeps
 * those of an integer: keys that count up lie side by side, and cost no cache
 * miss each. Lower bits that no key uses, as in the addresses of slots, are
 * left out: the table looks which those are whenever it grows. Where keys
 * collide, double hashing scatters them, so patterns do no harm.
 */
#ifndef LEAT_TABLE_H
#define LEAT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "queues/atomic.h"

#define ENTRY_DEAD UINT32_MAX /* was removed: the search goes on */

struct entry {
	uint32_t hash;
	uint32_t id; /* 0: nothing here, the search ends */
};

struct table {
	struct entry *entry;
	uint64_t mask; /* entries - 1 */
	uint64_t left; /* gaps that it may fill before it grows */
	uint64_t dead;
	unsigned shift; /* lower bits of hashes to leave out */
};

uint32_t hash_bytes(const void *key, size_t size);

/* hash_words is hash_bytes of 8 or 16 bytes. */
static inline uint32_t hash_words(uint64_t a, uint64_t b, size_t size)
{
	uint64_t high = a >> 32;

	if (likely(size == 8))
		return (uint32_t)a +
		       (uint32_t)((high * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
	a = (a ^ high) * UINT64_C(0x9E3779B97F4A7C15);
	b += (b >> 32) * UINT64_C(0xBF58476D1CE4E5B9);
	return (uint32_t)(b + (a >> 32));
}

int table_init(struct table *t); /* 0 or -ENOMEM */
void table_fini(struct table *t);

/* table_grow makes the table larger, or rids it of the dead: 0 or -ENOMEM. */
int table_grow(struct table *t);

/* table_reserve makes sure that one more fits, and that there is an end to
 * every search: 0 or -ENOMEM. */
static inline int table_reserve(struct table *t)
{
	return likely(t->left > 0) ? 0 : table_grow(t);
}

/* table_home is the first place of a hash. What is left out at the bottom
 * comes in at the top. */
static inline uint64_t table_home(const struct table *t, uint32_t hash)
{
	return (hash >> t->shift | hash << (-t->shift & 31)) & t->mask;
}

/* table_step is how far it is from one place of a hash to the next. */
static inline uint64_t table_step(uint32_t hash)
{
	return (hash * UINT64_C(0xD6E8FEB86659FD93)) >> 32 | 1;
}

#define TABLE_NOWHERE UINT64_MAX

/* table_find is where that very pair is. */
static inline uint64_t table_find(
	const struct table *t, uint32_t hash, uint32_t id)
{
	uint64_t i = table_home(t, hash);

	for (; t->entry[i].id != 0; i = (i + table_step(hash)) & t->mask)
		if (t->entry[i].id == id)
			return i;
	return TABLE_NOWHERE;
}

static inline void table_put(
	struct table *t, uint64_t i, uint32_t hash, uint32_t id)
{
	if (likely(t->entry[i].id == 0))
		t->left--;
	else
		t->dead--;
	t->entry[i] = (struct entry){.hash = hash, .id = id};
}

void table_remove(struct table *t, uint64_t i);

/* table_wipe removes all, if it is so much that it costs little for each; else
 * nothing, and it returns false. */
bool table_wipe(struct table *t);

/* table_tidy is for when much has been removed: with nothing left it forgets
 * the dead. */
void table_tidy(struct table *t);

#endif
