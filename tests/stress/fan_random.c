/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fan_random [-n PROGRAMS] [-t SECONDS] [-s SEED]
 *
 * Random programs of calls, keyed writes and waves, each run by a fan and by a
 * plain loop, and compared after every barrier: results, their order, slots,
 * cells, a log that calls append to, failures. A program follows from its
 * seed, which is printed when it fails.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <leat.h>

enum { KEYS = 40, SLOTS = 20, CELLS = 16, LOG = 4096, HANDLES = 16, WIDE = 5 };

static uint64_t seed;

#define CHECK(cond)                                                           \
	do {                                                                  \
		if (!(cond)) {                                                \
			printf("seed %llu: %s:%d: %s\n",                      \
				(unsigned long long)seed, __FILE__, __LINE__, \
				#cond);                                       \
			exit(1);                                              \
		}                                                             \
	} while (0)

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

struct dice {
	uint64_t state;
};

static uint64_t roll(struct dice *d, uint64_t n)
{
	d->state += UINT64_C(0x9E3779B97F4A7C15);
	return mix(d->state) % n;
}

/* What a program works on: one for the fan, one for the loop. */
struct world {
	uint64_t slot[SLOTS][WIDE];
	uint64_t cell[CELLS];
	uint64_t log[LOG];
	size_t logged;
};

/* What the loop knows of a key. */
struct known {
	bool there;
	int code;
	uint64_t value;
	uint64_t seq;
	uint64_t wave; /* of its last call */
};

struct program {
	struct dice dice;
	leat_fan_opts opts;
	leat_fan *fan;
	struct world fans, loops;
	struct known key[KEYS], slot[SLOTS];
	int kind; /* of keys */
	uint64_t seq, wave;
	int first_code; /* the first failure of the wave */
	leat_handle *handle[HANDLES];
	uint64_t handle_arg[HANDLES];
	int handles;
};

/* Everything about a call follows from its argument. */
static int fails(uint64_t arg)
{
	return mix(arg) % 11 == 0 ? -2000 - (int)(arg % 50) : 0;
}

static uint32_t bad_attempts(uint64_t arg)
{
	return (uint32_t)(mix(arg + 1) % 7 == 0 ? mix(arg) % 3 : 0);
}

static size_t n_writes(uint64_t arg)
{
	return mix(arg + 2) % 4;
}

static uint64_t value_of(uint64_t arg)
{
	return mix(arg + 3);
}

static void append(void *table, const void *value, size_t size)
{
	struct world *world = table;

	CHECK(size == sizeof(uint64_t) && world->logged < LOG);
	memcpy(&world->log[world->logged++], value, size);
}

static void spin(uint64_t arg)
{
	uint64_t n = mix(arg + 4) % 64 == 0 ? 3000 : arg % 20;

	for (uint64_t i = 0; i < n; i++)
		__asm__ volatile("");
}

/* run is the function of the fan. The world is that of the fan. */
static int run(void *in, void *out, leat_worker *w)
{
	struct world *world = leat_arg(w);
	uint64_t arg, value;

	memcpy(&arg, in, sizeof(arg));
	spin(arg);
	for (size_t i = 0; i < n_writes(arg); i++) {
		value = mix(arg + i);
		leat_put(w, &world->cell[value % CELLS], &value, sizeof(value));
	}
	if (mix(arg + 5) % 4 == 0)
		leat_apply(w, append, world, &arg, sizeof(arg));
	if (leat_attempt(w) < bad_attempts(arg))
		return -EAGAIN;
	value = value_of(arg);
	memcpy(out, &value, sizeof(value));
	return fails(arg) ? leat_error(w, fails(arg), "argument %llu",
				    (unsigned long long)arg)
			  : 0;
}

/* loop_run is what a call does when it is made in a plain loop. */
static int loop_run(struct program *p, uint64_t arg, uint64_t *out)
{
	struct world *world = &p->loops;
	int rc = fails(arg);

	if (bad_attempts(arg) > p->opts.retries)
		rc = -EAGAIN;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n_writes(arg); i++) {
		uint64_t value = mix(arg + i);

		world->cell[value % CELLS] = value;
	}
	if (mix(arg + 5) % 4 == 0)
		append(world, &arg, sizeof(arg));
	*out = value_of(arg);
	return 0;
}

static leat_key key_of(const struct program *p, uint64_t k, char *buffer)
{
	switch (p->kind) {
	case 0:
		return leat_u64(k);
	case 1:
		return leat_u64(k << 40);
	case 2:
		return leat_pair(k / 7, k % 7);
	case 3:
		sprintf(buffer, "%llu", (unsigned long long)k);
		return leat_str(buffer);
	default:
		memset(buffer, 'k', 100);
		sprintf(buffer + 100, "%llu", (unsigned long long)k);
		return leat_str(buffer);
	}
}

static void loop_note(
	struct program *p, struct known *k, int rc, uint64_t value)
{
	k->there = true;
	k->code = rc;
	k->value = value;
	k->seq = p->seq++;
	k->wave = p->wave;
	if (rc < 0 && p->first_code == 0)
		p->first_code = rc;
}

/* loop_call makes the call in the loop, if the fan takes it. */
static int loop_call(
	struct program *p, struct known *k, uint64_t *slot, uint64_t arg)
{
	uint64_t value = 0;
	int rc;

	if (k->wave == p->wave && !(p->opts.flags & LEAT_FAN_REPLACE))
		return -EEXIST;
	rc = loop_run(p, arg, &value);
	loop_note(p, k, rc, value);
	if (slot != NULL && rc == 0) {
		*slot = value;
		k->there = false;
	}
	return 0;
}

static void free_arg(void *in)
{
	free(in);
}

/* fan_call passes the argument as the program's options want it. */
static int fan_call(
	struct program *p, leat_key key, uint64_t *slot, uint64_t arg)
{
	leat_call_opts opts = {0};
	bool watch = p->handles < HANDLES && roll(&p->dice, 8) == 0;
	uint64_t *far;
	int rc;

	opts.slot = slot;
	if (watch)
		opts.handle = &p->handle[p->handles];
	if (p->opts.free_in == NULL || roll(&p->dice, 2)) {
		rc = leat_call_with(p->fan, key, &arg, sizeof(arg), &opts);
	} else {
		far = malloc(sizeof(*far));
		*far = arg;
		rc = leat_call_with(p->fan, key, far, 0, &opts);
		if (rc < 0)
			free(far);
	}
	if (rc == 0 && watch)
		p->handle_arg[p->handles++] = arg;
	return rc;
}

static void step(struct program *p)
{
	uint64_t arg = roll(&p->dice, 1000000);
	uint64_t k = roll(&p->dice, KEYS);
	char buffer[128];

	if (roll(&p->dice, 3) > 0) {
		CHECK(fan_call(p, key_of(p, k, buffer), NULL, arg) ==
			loop_call(p, &p->key[k], NULL, arg));
		return;
	}
	k %= SLOTS;
	CHECK(fan_call(p,
		      leat_pair((uintptr_t)p->fans.slot[k], UINT64_C(1) << 63),
		      p->fans.slot[k],
		      arg) == loop_call(p, &p->slot[k], p->loops.slot[k], arg));
}

/* Before the barrier everything is as it was after the last one. */
static void check_early(struct program *p, const struct world *before)
{
	CHECK(memcmp(before, &p->fans, sizeof(*before)) == 0);
}

static void check_key(struct program *p, leat_key key, const struct known *k)
{
	void *out;
	int rc = leat_result(p->fan, key, &out);

	if (!k->there) {
		CHECK(rc == -ENOENT && out == NULL);
		return;
	}
	CHECK(rc == k->code);
	CHECK((out != NULL) == (rc == 0));
	if (rc == 0)
		CHECK(memcmp(out, &k->value, sizeof(k->value)) == 0);
}

static void check_order(struct program *p)
{
	leat_done done = {0};
	uint64_t n = 0, expected = 0, last = 0;

	for (int k = 0; k < KEYS; k++)
		expected += p->key[k].there;
	for (int k = 0; k < SLOTS; k++)
		expected += p->slot[k].there;
	while (leat_each(p->fan, &done) == 0) {
		CHECK(n == 0 || done.seq > last);
		last = done.seq;
		n++;
	}
	CHECK(n == expected);
}

static void check_handles(struct program *p)
{
	leat_done done;

	for (int i = 0; i < p->handles; i++) {
		uint64_t arg = p->handle_arg[i], value = value_of(arg);
		int rc = bad_attempts(arg) > p->opts.retries ? -EAGAIN
							     : fails(arg);

		CHECK(leat_handle_wait(p->handle[i], &done, LEAT_NEVER) == 0);
		CHECK(done.code == rc);
		CHECK(rc < 0 || memcmp(done.out, &value, sizeof(value)) == 0);
	}
}

static void check_wave(struct program *p)
{
	char buffer[128];

	CHECK(memcmp(&p->fans, &p->loops, sizeof(p->fans)) == 0);
	for (uint64_t k = 0; k < KEYS; k++)
		check_key(p, key_of(p, k, buffer), &p->key[k]);
	for (uint64_t k = 0; k < SLOTS; k++)
		check_key(p,
			leat_pair(
				(uintptr_t)p->fans.slot[k], UINT64_C(1) << 63),
			&p->slot[k]);
	check_order(p);
	CHECK(leat_fan_failure(p->fan, &(leat_done){0}) == p->first_code);
}

static void forget(struct program *p)
{
	if (roll(&p->dice, 3) == 0) {
		leat_fan_clear(p->fan);
		memset(p->key, 0, sizeof(p->key));
		memset(p->slot, 0, sizeof(p->slot));
	}
	if (roll(&p->dice, 2) == 0)
		return;
	while (p->handles > 0)
		leat_handle_free(p->handle[--p->handles]);
}

static void wave(struct program *p)
{
	struct world before = p->fans;
	uint64_t calls = roll(&p->dice, 4) == 0 ? 150 : 20;

	p->wave++;
	p->first_code = 0;
	for (uint64_t n = roll(&p->dice, calls); n > 0; n--)
		step(p);
	if (roll(&p->dice, 2))
		check_handles(p);
	check_early(p, &before);
	CHECK(leat_fan_wait(p->fan) == p->first_code);
	check_handles(p);
	check_wave(p);
	forget(p);
}

static void choose(struct program *p)
{
	static const uint32_t queues[] = {1, 2, 3, 10, 64, 200, 0};
	static const size_t rooms[] = {0, 8, 24};

	p->kind = (int)roll(&p->dice, 5);
	p->opts = (leat_fan_opts){
		.fn = run,
		.arg = &p->fans,
		.out_size = roll(&p->dice, 3) ? 8 : 8 * WIDE,
		.in_size = rooms[roll(&p->dice, 3)],
		.key_size = roll(&p->dice, 2) ? 0 : 8,
		.workers = 1 + (uint32_t)roll(&p->dice, 4),
		.queue = queues[roll(&p->dice, 7)],
		.flags = roll(&p->dice, 2) ? LEAT_FAN_REPLACE : 0,
		.callers = (uint32_t)roll(&p->dice, 2),
		.retries = (uint32_t)roll(&p->dice, 3),
		.backoff_ns = roll(&p->dice, 2) * 1000,
		.free_in = roll(&p->dice, 2) ? free_arg : NULL,
	};
}

static void run_program(void)
{
	struct program *p = calloc(1, sizeof(*p));
	uint64_t waves;

	CHECK(p != NULL);
	p->dice.state = mix(seed);
	choose(p);
	CHECK(leat_fan_open(&p->fan, &p->opts) == 0);
	for (waves = 1 + roll(&p->dice, 6); waves > 0; waves--)
		wave(p);
	p->wave++;
	p->first_code = 0;
	for (uint64_t n = roll(&p->dice, 20); n > 0; n--)
		step(p);
	CHECK(leat_fan_close(p->fan) == p->first_code);
	CHECK(memcmp(&p->fans, &p->loops, sizeof(p->fans)) == 0);
	free(p);
}

int main(int argc, char **argv)
{
	uint64_t n = UINT64_MAX, ran = 0, until = LEAT_NEVER;

	seed = leat_now();
	for (int i = 1; i + 1 < argc; i += 2) {
		uint64_t value = strtoull(argv[i + 1], NULL, 0);

		if (strcmp(argv[i], "-n") == 0)
			n = value;
		else if (strcmp(argv[i], "-t") == 0)
			until = leat_after(value * LEAT_S);
		else if (strcmp(argv[i], "-s") == 0)
			seed = value;
	}
	for (; ran < n && leat_now() < until; ran++, seed++)
		run_program();
	printf("%llu random programs\n", (unsigned long long)ran);
	return ran == 0;
}
