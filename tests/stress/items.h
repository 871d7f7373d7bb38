/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Items that tell on whoever mishandles them. Each is counted in a ledger when
 * it is made and when it is freed, with a sum over identities, so that one
 * freed twice does not hide one never freed. An item is plain memory, written
 * by its maker and read by its owner: a race on it is a race of the chain.
 *
 * What an item is worth is a value of 55 bits and a group of 8. A raw item is
 * no memory but a number in a pointer; NULL is an item like any other.
 */
#ifndef ITEMS_H
#define ITEMS_H

#include "tests/stress/lab.h"

#define VALUE_MASK ((UINT64_C(1) << 55) - 1)
#define GROUPS	   256

/* How the items on an edge are made, and thus freed. */
enum kind { KIND_A, KIND_B, KIND_RAW, KINDS };

struct ledger {
	uint64_t made, freed;
	uint64_t made_sum, freed_sum;
};

struct item {
	uint64_t magic;
	uint64_t id;
	uint64_t value;
	uint64_t group;
	enum kind kind;
	struct ledger *ledger;
	struct item *inner; /* owned by this item, or NULL */
};

/* What an item is worth. */
struct worth {
	uint64_t value;
	uint64_t group;
};

void *item_make(struct ledger *l, enum kind kind, struct worth worth);

/* item_worth also checks that the item is alive, and of the kind. */
struct worth item_worth(enum kind kind, const void *item);

/* The destructors, by kind; item_free is for the test's own items. */
void item_free_a(void *item);
void item_free_b(void *item);
void item_free(void *item);

/* ledger_check: everything made was freed, once. */
void ledger_check(const struct ledger *l, const char *what);

#endif
