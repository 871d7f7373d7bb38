/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes become a table of rows, options, and two scripts of calls, run by two
 * threads: right tables and wrong ones, calls at the right time and at the
 * wrong one, from outside and from a stage. Whatever they are, a bad table is
 * refused in words, nothing hangs, and every item is freed once.
 *
 * Calls may block. A third thread, the keeper, sees to it that nobody waits for
 * what no script is going to do: it takes results, so that whoever pushes or
 * waits must get through by itself, and once a pull alone is blocked it ends
 * the chain.
 *
 * For libFuzzer (make fuzz), and for replay.c.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tests/stress/items.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS	   4
#define SPARE	   32 /* bytes that a newer header might add to a row */
#define STEPS	   64
#define SECONDS	   20
#define LOOK	   (50 * LEAT_US) /* how often the keeper looks */
#define LOOKS	   10		  /* at a blocked pull, before the end */
#define AT_ONCE	   8		  /* items of one call */
#define MADE_MOST  100		  /* by the source */
#define GIVEN_MOST 2500		  /* by the rows, more than they got */

/* The bytes still to be used; zeroes when they are. */
struct bytes {
	const uint8_t *at;
	size_t n;
};

static uint8_t take(struct bytes *b)
{
	if (b->n == 0)
		return 0;
	b->n--;
	return *b->at++;
}

static uint32_t pick(struct bytes *b, const uint32_t *of, uint32_t n)
{
	return of[take(b) % n];
}

#define PICK(b, ...)                             \
	pick(b, (const uint32_t[]){__VA_ARGS__}, \
		sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

struct trial;

/* What a row's function does: by turns what its four bytes say. */
struct deed {
	struct trial *trial;
	uint8_t what[4];
	uint64_t turn;
};

struct trial {
	struct watch watch;
	struct ledger ledger;
	leat_chain *chain; /* atomic */
	struct deed deed[ROWS];
	uint64_t made, given; /* no more than MADE_MOST and GIVEN_MOST */
	struct bytes script[2];
	/* The keeper, there from the first call that may block. */
	pthread_t keeper;
	uint64_t kept, over, ending;
	uint64_t putting, getting; /* threads in calls that block */
};

static void *item(struct trial *t)
{
	struct worth w = {1, 1};

	return item_make(&t->ledger, KIND_A, w);
}

static leat_chain *chain_of(struct trial *t)
{
	return __atomic_load_n(&t->chain, __ATOMIC_ACQUIRE);
}

static void pushed(int rc, void *it)
{
	if (rc != 0)
		item_free(it);
}

/* From a stage: what would wait for itself must say so. */
static void call_from_inside(struct trial *t, uint8_t what)
{
	leat_chain *c = chain_of(t);
	void *it = item(t);
	int rc = -EDEADLK;

	if (c == NULL || what % 8 < 2) {
		bool may = c != NULL && tick(&t->given, 1) < GIVEN_MOST;

		pushed(may ? leat_trypush(c, it) : -1, it);
		return;
	}
	if (what % 8 == 2)
		rc = leat_push(c, it);
	else if (what % 8 == 3)
		rc = leat_wait(c);
	else if (what % 8 == 4)
		rc = leat_close(c);
	else if (what % 8 == 5)
		leat_cancel(c);
	else if (what % 8 == 6)
		leat_stop(c);
	else
		leat_failure(c, NULL);
	must(t->watch.what, rc == -EDEADLK || rc == LEAT_ESOURCE,
		"%d from inside", rc);
	item_free(it);
}

static int deed(void *in, void **out, leat_worker *w)
{
	struct deed *d = leat_arg(w);
	uint8_t what = d->what[tick(&d->turn, 1) % 4];

	switch (what % 16) {
	case 0:
	case 1:
		*out = in;
		return 0;
	case 2:
		return LEAT_DROP;
	case 3:
		return leat_error(w, -(int)what - 1, "%s", "refused");
	case 4:
		*out = item(d->trial);
		return -EIO;
	case 5:
		item_free(in);
		return LEAT_TOOK | LEAT_DROP;
	case 6:
		for (int i = 0;
			i < what && tick(&d->trial->given, 1) < GIVEN_MOST; i++)
			leat_emit(w, item(d->trial));
		return LEAT_DROP;
	case 7:
		leat_emit(w, in);
		*out = item(d->trial);
		return what & 16 ? -EIO : 0;
	case 8:
		return INT_MAX;
	case 9:
		return INT_MIN;
	case 10:
		call_from_inside(d->trial, what >> 4);
		return 0;
	case 11:
		return 0;
	case 12:
		*out = item(d->trial);
		return LEAT_DROP;
	default:
		*out = item(d->trial);
		return what & 16 ? LEAT_END : 0;
	}
}

/* A source makes no more than so many items, whatever the bytes say. */
static int source(void *in, void **out, leat_worker *w)
{
	struct deed *d = leat_arg(w);
	int rc;

	if (tick(&d->trial->made, 1) >= MADE_MOST)
		return LEAT_END;
	rc = deed(in, out, w);
	return rc > 0 && rc & LEAT_TOOK ? LEAT_DROP : rc;
}

static int open_row(void **state, leat_worker *w)
{
	struct deed *d = leat_arg(w);

	if (d->what[0] == 255 && leat_index(w) == 1)
		return leat_error(w, -EACCES, "not today");
	*state = malloc(1);
	return *state == NULL ? -ENOMEM : 0;
}

static int flush_row(leat_worker *w)
{
	struct deed *d = leat_arg(w);

	leat_emit(w, item(d->trial));
	return d->what[1] == 255 ? -EIO : 0;
}

static uint64_t key_row(const void *in, void *arg)
{
	(void)arg;
	return (uint64_t)(uintptr_t)in % 16;
}

static int failed(void *in, const leat_report *report, void *trial)
{
	(void)trial;
	if (report->seq % 2)
		return 0;
	item_free(in);
	return LEAT_TOOK;
}

static leat_stage row(struct trial *t, struct bytes *b, uint32_t i)
{
	static const char *const names[] = {
		"a", "b", "c", "d", "", "a", NULL, "a long name for a row"};
	uint8_t odd = take(b), more = take(b);
	leat_stage r = {.name = names[odd % 16 ? i : odd / 16 % 8]};

	for (int k = 0; k < 4; k++)
		t->deed[i].what[k] = take(b);
	t->deed[i].trial = t;
	r.arg = &t->deed[i];
	r.fn = more & 1 && i == 0 ? NULL : deed;
	r.source = more & 1 && (i == 0 || more & 128) ? source : NULL;
	r.free_out = more & 2 ? item_free_a : NULL;
	if (more & 4) {
		r.open = open_row;
		r.close = free;
	}
	r.flush = more & 8 ? flush_row : NULL;
	r.key = more & 16 ? key_row : NULL;
	r.flags = more & 32 ? LEAT_ORDERED : 0;
	r.on_error = more & 64 ? LEAT_SKIP : LEAT_STOP;
	r.workers = PICK(b, 0, 1, 1, 2, 3, UINT32_MAX, LEAT_WORKERS_MAX + 1);
	r.queue = PICK(b, 0, 1, 2, 7, UINT32_MAX, 64);
	r.retries = PICK(b, 0, 0, 1, 3);
	r.backoff_ns = PICK(b, 0, 1, 1000, 20000);
	if (odd % 32 == 17)
		r.flags |= 1U << odd % 31;
	if (odd % 32 == 18)
		r.on_error = odd;
	return r;
}

/* open_trial lays the rows out at a stride of its own, as other versions of
 * the header would: none that has `open` but not `close`. */
static int open_trial(struct trial *t, struct bytes *b, leat_report *report)
{
	unsigned char table[ROWS * (sizeof(leat_stage) + SPARE)] = {0};
	size_t n = take(b) % (ROWS + 1);
	size_t stride = sizeof(leat_stage) + PICK(b, 0, 0, 0, 8, SPARE);
	leat_opts opts = {.free_in = item_free_a, .report = report};
	leat_chain *c;
	int rc;

	if (take(b) % 16 == 1)
		stride = PICK(b, 0, 8, 64, 72, 96);
	for (uint32_t i = 0; i < n; i++) {
		leat_stage r = row(t, b, i);

		memcpy(table + i * stride, &r,
			stride < sizeof(r) ? stride : sizeof(r));
	}
	if (stride > sizeof(leat_stage) && take(b) % 8 == 1)
		table[stride - 1] = 1;
	opts.results = PICK(b, 0, 1, 2, 64, 0, UINT32_MAX);
	opts.failed = take(b) & 1 ? failed : NULL;
	opts.stack = PICK(b, 0, 0, 1 << 18, 1);
	rc = leat_open_sized(&c, (leat_stage *)(void *)table, n, stride, &opts,
		sizeof(opts));
	must(t->watch.what, (rc == 0) == (c != NULL), "open: %d", rc);
	__atomic_store_n(&t->chain, c, __ATOMIC_RELEASE);
	return rc;
}

/* end_somehow brings what is blocked in a pull to its end. */
static void end_somehow(struct trial *t)
{
	if (peek(&t->ending) == 0)
		leat_cancel(t->chain);
	else if (peek(&t->ending) == 1)
		leat_stop(t->chain);
	else
		leat_end(t->chain);
}

/* drain takes a result, and waits a little for it. */
static void drain(struct trial *t)
{
	struct timespec ts = {.tv_nsec = LOOK};
	void *it;
	int rc = leat_pull_until(t->chain, &it, leat_after(LOOK));

	if (rc == 0)
		item_free(it);
	else if (rc != -ETIMEDOUT)
		nanosleep(&ts, NULL);
}

static void *keep(void *arg)
{
	struct trial *t = arg;

	for (int looks = 0; peek(&t->over) == 0; looks++) {
		drain(t);
		if (peek(&t->getting) == 0 || peek(&t->putting) > 0)
			looks = 0;
		if (looks == LOOKS)
			end_somehow(t);
	}
	return NULL;
}

static void block(struct trial *t, uint64_t *in, uint8_t what)
{
	if (tick(&t->kept, 1) == 0) {
		poke(&t->ending, what / 16 % 4);
		t->keeper = thread_start(keep, t);
	}
	tick(in, 1);
}

static void unblock(uint64_t *in)
{
	tick(in, UINT64_MAX);
}

static void push_many(struct trial *t, size_t n)
{
	void *items[AT_ONCE];
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		items[i] = item(t);
	if (n == 1)
		done = leat_push(t->chain, items[0]) == 0;
	else
		leat_pushn(t->chain, items, n, &done);
	must(t->watch.what, done <= n, "%zu of %zu pushed", done, n);
	while (done < n)
		item_free(items[done++]);
}

static void pull_many(struct trial *t, size_t max)
{
	void *items[AT_ONCE];
	size_t n = 0;

	if (max == 1)
		n = leat_pull(t->chain, items) == 0;
	else
		leat_pulln(t->chain, items, max, &n);
	must(t->watch.what, n <= max, "%zu of %zu pulled", n, max);
	while (n > 0)
		item_free(items[--n]);
}

static void call_and_block(struct trial *t, uint8_t what)
{
	size_t n = 1 + (what & 64 ? what / 16 % 4 : 0);
	uint64_t *in = what % 4 == 1 ? &t->getting : &t->putting;

	block(t, in, what);
	if (what % 4 == 1)
		pull_many(t, n);
	else if (what % 4 == 2)
		leat_wait(t->chain);
	else
		push_many(t, 2 * n - (n == 1));
	unblock(in);
}

static void call(struct trial *t, struct bytes *b)
{
	leat_chain *c = t->chain;
	uint8_t what = take(b);
	leat_counts counts[ROWS];
	leat_report report;
	void *it = NULL;
	int rc;
	uint64_t soon = leat_after(what * UINT64_C(200));

	if (what >= 128 && what % 16 < 12) {
		call_and_block(t, what);
		return;
	}
	switch (what % 16) {
	case 0:
	case 1:
	case 2:
		it = item(t);
		pushed(leat_trypush(c, it), it);
		break;
	case 3:
	case 4:
		it = item(t);
		pushed(leat_push_until(c, it, soon), it);
		break;
	case 5:
		pushed(leat_push_until(c, NULL, 0), NULL);
		break;
	case 6:
	case 7:
		rc = leat_trypull(c, &it);
		item_free(rc == 0 ? it : NULL);
		break;
	case 8:
	case 9:
		rc = leat_pull_until(c, &it, soon);
		item_free(rc == 0 ? it : NULL);
		break;
	case 10:
		leat_wait_until(c, soon);
		break;
	case 11:
		leat_stats(c, counts, what / 16 % (ROWS + 1));
		break;
	case 12:
		leat_failure(c, what & 16 ? NULL : &report);
		break;
	case 13:
		if (what == 13)
			leat_cancel(c);
		break;
	case 14:
		if (what < 64)
			leat_end(c);
		break;
	default:
		if (what == 15)
			leat_stop(c);
	}
}

static void *run_script(void *arg)
{
	struct trial *t = arg;

	for (int i = 0; i < STEPS && t->script[1].n > 0; i++)
		call(t, &t->script[1]);
	return NULL;
}

/* split gives each of two threads a half of the bytes. */
static void run_scripts(struct trial *t, struct bytes b)
{
	size_t half = b.n / 2;
	pthread_t other;

	t->script[0] = (struct bytes){b.at, half};
	t->script[1] = (struct bytes){b.at + half, b.n - half};
	other = thread_start(run_script, t);
	for (int i = 0; i < STEPS && t->script[0].n > 0; i++)
		call(t, &t->script[0]);
	thread_join(other);
	poke(&t->over, 1);
	if (t->kept > 0)
		thread_join(t->keeper);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trial *t = calloc(1, sizeof(*t));
	struct bytes b = {data, size};
	leat_report report;
	int rc;

	must("the test", t != NULL, "no memory");
	watch_begin(&t->watch, SECONDS, "this input");
	rc = open_trial(t, &b, &report);
	must(t->watch.what, report.code == rc && (rc == 0 || report.text[0]),
		"open returned %d without a word", rc);
	if (rc == 0) {
		watch_chain(&t->watch, t->chain);
		run_scripts(t, b);
		rc = leat_close(t->chain);
		must(t->watch.what, rc <= 0 && rc != -EDEADLK,
			"close returned %d", rc);
	}
	ledger_check(&t->ledger, t->watch.what);
	watch_end(&t->watch);
	free(t);
	return 0;
}
