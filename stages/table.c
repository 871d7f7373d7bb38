/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "stages/table.h"

#define SIZE_BIG   ((uint64_t)1 << 20) /* grows by less from here on */
#define SIZE_MIN   128
#define SIZE_MOST  ((uint64_t)1 << 32)
#define SHIFT_MOST 12
#define HUGE_PAGE  ((size_t)2 << 20)

uint32_t hash_bytes(const void *key, size_t size)
{
	const unsigned char *p = key;
	uint64_t x = size;
	uint64_t word;

	if (size == 8 || size == 16) {
		uint64_t words[2] = {0};

		memcpy(words, key, size);
		return hash_words(words[0], words[1], size);
	}
	for (; size > 0; p += sizeof(word)) {
		size_t n = size < sizeof(word) ? size : sizeof(word);

		word = 0;
		memcpy(&word, p, n);
		x = (x ^ word) * UINT64_C(0x9E3779B97F4A7C15);
		x = (x ^ (x >> 32)) * UINT64_C(0xBF58476D1CE4E5B9);
		x ^= x >> 29;
		size -= n;
	}
	return (uint32_t)(x >> 16);
}

/* A large table is touched all over, so it had better have huge pages. */
static struct entry *new_entries(uint64_t size)
{
	struct entry *entry = calloc(size, sizeof(*entry));
	uintptr_t at = ((uintptr_t)entry + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	size_t bytes = size * sizeof(*entry);

	if (entry != NULL && bytes >= 2 * HUGE_PAGE)
		madvise((void *)at, bytes - HUGE_PAGE, MADV_HUGEPAGE);
	return entry;
}

/* most is how many entries there may be, the dead ones included; used is how
 * many there are. */
static uint64_t most(const struct table *t)
{
	return t->mask - t->mask / 4 + 1;
}

static uint64_t used(const struct table *t)
{
	return most(t) - t->left;
}

int table_init(struct table *t)
{
	*t = (struct table){.mask = SIZE_MIN - 1};
	t->left = most(t);
	t->entry = new_entries(SIZE_MIN);
	return t->entry == NULL ? -ENOMEM : 0;
}

void table_fini(struct table *t)
{
	free(t->entry);
}

static void move_in(struct table *t, struct entry e)
{
	uint64_t i = table_home(t, e.hash);

	while (t->entry[i].id != 0)
		i = (i + table_step(e.hash)) & t->mask;
	t->entry[i] = e;
}

static bool is_live(const struct entry *e)
{
	return e->id != 0 && e->id != ENTRY_DEAD;
}

/* unused_bits is how many of the lowest bits are 0 in every hash. */
static unsigned unused_bits(const struct table *t)
{
	uint32_t used = UINT32_C(1) << SHIFT_MOST;

	for (uint64_t i = 0; i <= t->mask; i++)
		if (is_live(&t->entry[i]))
			used |= t->entry[i].hash;
	return (unsigned)__builtin_ctz(used);
}

int table_grow(struct table *t)
{
	uint64_t size = t->mask + 1;
	uint64_t live = used(t) - t->dead;
	struct table old = *t;

	if (live > size / 2)
		size *= size < SIZE_BIG ? 4 : 2;
	if (size > SIZE_MOST)
		return -ENOMEM;
	t->entry = new_entries(size);
	if (t->entry == NULL) {
		*t = old;
		return -ENOMEM;
	}
	t->mask = size - 1;
	t->left = most(t) - live;
	t->dead = 0;
	t->shift = unused_bits(&old);
	for (uint64_t i = 0; i <= old.mask; i++)
		if (is_live(&old.entry[i]))
			move_in(t, old.entry[i]);
	free(old.entry);
	return 0;
}

void table_remove(struct table *t, uint64_t i)
{
	t->entry[i].id = ENTRY_DEAD;
	t->dead++;
}

bool table_wipe(struct table *t)
{
	if (used(t) <= t->mask / 8)
		return false;
	memset(t->entry, 0, (t->mask + 1) * sizeof(*t->entry));
	t->left = most(t);
	t->dead = 0;
	return true;
}

void table_tidy(struct table *t)
{
	if (t->dead == used(t))
		table_wipe(t);
}
