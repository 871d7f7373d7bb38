/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include "tests/stress/items.h"

#define ALIVE UINT64_C(0xA11CEA11CEA11CE5)
#define DEAD  UINT64_C(0xDEADDEADDEADDEAD)

static void *raw(struct worth w)
{
	return (void *)(uintptr_t)(w.value << 9 | w.group << 1 | 1);
}

static bool is_raw(const void *item)
{
	return (uintptr_t)item & 1;
}

void *item_make(struct ledger *l, enum kind kind, struct worth worth)
{
	struct item *i;

	if (kind == KIND_RAW)
		return raw(worth);
	i = malloc(sizeof(*i));
	must("an item", i != NULL, "no memory for it");
	*i = (struct item){
		.magic = ALIVE,
		.id = tick(&l->made, 1),
		.value = worth.value,
		.group = worth.group,
		.kind = kind,
		.ledger = l,
	};
	tick(&l->made_sum, mix(1, i->id));
	return i;
}

static const struct item *alive(const void *item)
{
	const struct item *i = item;

	must("an item", !is_raw(item), "%p is a number", item);
	must("an item", i->magic == ALIVE, "%p: not alive: magic %#" PRIx64,
		item, i->magic);
	return i;
}

struct worth item_worth(enum kind kind, const void *item)
{
	uint64_t n = (uint64_t)(uintptr_t)item;

	if (item == NULL)
		return (struct worth){0};
	if (kind == KIND_RAW) {
		must("an item", is_raw(item), "%p is no number", item);
		return (struct worth){n >> 9, n >> 1 & 0xff};
	}
	must("an item", alive(item)->kind == kind, "kind %d, not %d",
		alive(item)->kind, kind);
	return (struct worth){alive(item)->value, alive(item)->group};
}

void item_free(void *item)
{
	struct item *i = item;

	if (item == NULL || is_raw(item))
		return;
	alive(item);
	item_free(i->inner);
	tick(&i->ledger->freed, 1);
	tick(&i->ledger->freed_sum, mix(1, i->id));
	i->magic = DEAD;
	free(i);
}

static void free_kind(void *item, enum kind kind)
{
	must("a destructor", item != NULL, "called with NULL");
	must("a destructor", alive(item)->kind == kind,
		"of kind %d called for kind %d", kind, alive(item)->kind);
	item_free(item);
}

void item_free_a(void *item)
{
	free_kind(item, KIND_A);
}

void item_free_b(void *item)
{
	free_kind(item, KIND_B);
}

void ledger_check(const struct ledger *l, const char *what)
{
	uint64_t made = peek(&l->made), freed = peek(&l->freed);

	must(what, made == freed, "%" PRIu64 " items made, %" PRIu64 " freed",
		made, freed);
	must(what, peek(&l->made_sum) == peek(&l->freed_sum),
		"the items freed are not the items made");
}
