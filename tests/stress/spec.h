/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A random chain, all of it made from one seed: its rows, what their functions
 * do with an item, who pushes and pulls, and what happens to it meanwhile.
 */
#ifndef SPEC_H
#define SPEC_H

#include "tests/stress/items.h"

#define ROWS_MAX    8
#define WORKERS_MAX 8

/* In what order items are: any; each group's; as the serial run has them. */
enum order { ORDER_NONE, ORDER_FINE, ORDER_COARSE, ORDER_TOTAL };

enum keying { KEY_NONE, KEY_FINE, KEY_COARSE };

struct row_spec {
	uint64_t seed;
	char name[16];
	uint32_t workers;
	uint32_t queue;
	bool ordered;
	enum keying keying;
	uint32_t on_error;
	uint32_t retries;
	uint64_t backoff_ns;
	enum kind in, out;
	bool own_free; /* states free_out, though it could inherit it */
	/* Percentages of items: */
	uint32_t fail, drop, pass, take, keep, none, emit, pause;
	uint32_t emit_max;    /* the most that one attempt emits */
	uint32_t flush_makes; /* items that each worker's flush makes */
	bool flush_fails;
	enum order before; /* of its input */
};

/* What happens to the chain, and when. */
enum event { EVENT_NONE, EVENT_CANCEL, EVENT_STOP, EVENT_END };
enum when { WHEN_RUN, WHEN_PUSH, WHEN_PULL, WHEN_TIME, WHENS };

struct spec {
	uint64_t seed;
	uint32_t n;
	struct row_spec row[ROWS_MAX];
	bool source;
	uint64_t items;
	uint64_t results;
	uint32_t pushers, pullers;
	bool alone; /* one thread pushes and pulls */
	bool hook;  /* opts.failed is set */
	bool waits; /* a pusher calls leat_wait now and then */
	bool early; /* closed without waiting for the end */
	enum event event;
	enum when when;
	uint64_t moment;
	uint64_t stack;
	enum order after; /* of the results */
};

void spec_make(struct spec *s, uint64_t seed);

/* spec_print describes the chain in a few lines. */
void spec_print(const struct spec *s);

/* spec_settle works out the orders, after a change by hand. */
void spec_settle(struct spec *s);

/* spec_calm takes the growth out of a chain that makes too many items. */
void spec_calm(struct spec *s);

/* What the function does with an item: a matter of the row and the item. */
enum fate {
	FATE_MAP,  /* a new item */
	FATE_PASS, /* the item itself */
	FATE_DROP,
	FATE_NONE /* a NULL item */
};

enum hold {
	HOLD_NONE,
	HOLD_FREE,   /* the function takes the item and frees it */
	HOLD_INSIDE, /* it becomes part of the new one */
	HOLD_KEEP    /* it waits for the flush */
};

struct plan {
	uint32_t fails; /* attempts that fail first */
	int code;	/* with this code */
	bool bad_out;	/* and with *out set */
	uint32_t emits; /* items emitted, in each attempt */
	bool emits_in;	/* so is the item itself, at last */
	enum fate fate;
	enum hold hold;
};

void plan_make(struct plan *p, const struct row_spec *r, bool source,
	struct worth worth);

/* The worth of the j-th thing that a row makes of an item, *out being 0; the
 * worth of what is passed on, which changes unless the attempt may have to be
 * repeated; of what a flush, and what a source, makes. */
struct worth made_worth(const struct row_spec *r, struct worth w, uint32_t j);
struct worth passed_worth(
	const struct row_spec *r, const void *item, struct worth w);
struct worth flush_worth(const struct row_spec *r, uint32_t index, uint32_t j);
struct worth input_worth(const struct spec *s, uint64_t producer, uint64_t seq);

/* key_index is which key an item has, below GROUPS. */
uint32_t key_index(enum keying keying, struct worth w);

/* source_share is how many items a source's worker makes. */
uint64_t source_share(const struct spec *s, uint32_t index);

#endif
