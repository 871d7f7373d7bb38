/* SPDX-License-Identifier: BSD-2-Clause */
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include "stages/chain.h"
#include "tests/unit/unit.h"

#define ALIVE UINT64_C(0xA11CEA11CEA11CE5)
#define DEAD  UINT64_C(0xDEADDEADDEADDEAD)

#define PATIENCE (20 * LEAT_S) /* longer than any wait that ends */

struct item {
	uint64_t magic;
	uint64_t n;
	struct item *before; /* in the grave */
};

static uint64_t made, freed, failures;
static const char *first_failure; /* written by who counted the first */
static char failure_text[256];

/* Freed items stay here, dead but readable, so that every use is seen. */
static struct item *grave;

void check_failed(const char *file, int line, const char *condition)
{
	if (count_up(&failures) > 0)
		return;
	snprintf(failure_text, sizeof(failure_text), "%s:%d: %s", file, line,
		condition);
	__atomic_store_n(&first_failure, failure_text, __ATOMIC_RELEASE);
}

static void empty_grave(void)
{
	while (grave != NULL) {
		struct item *i = grave;

		grave = i->before;
		free(i);
	}
}

void settle(void)
{
	empty_grave();
	cr_assert_eq(look(&failures), 0, "%lu checks failed, the first: %s",
		look(&failures), first_failure);
	cr_assert_eq(items_alive(), 0, "%lu of %lu items were never freed",
		items_alive(), items_made());
}

void *item_make(uint64_t n)
{
	struct item *i = malloc(sizeof(*i));

	if (i == NULL)
		abort();
	*i = (struct item){.magic = ALIVE, .n = n};
	count_up(&made);
	return i;
}

static uint64_t magic_of(const struct item *i)
{
	return __atomic_load_n(&i->magic, __ATOMIC_RELAXED);
}

uint64_t item_n(const void *item)
{
	const struct item *i = item;

	check(magic_of(i) == ALIVE);
	return i->n;
}

void item_free(void *item)
{
	struct item *i = item;

	if (__atomic_exchange_n(&i->magic, DEAD, __ATOMIC_ACQ_REL) != ALIVE) {
		check(!"an item was freed twice");
		return;
	}
	count_up(&freed);
	i->n = DEAD;
	i->before = __atomic_load_n(&grave, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&grave, &i->before, i, false,
		__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

uint64_t items_made(void)
{
	return look(&made);
}

uint64_t items_alive(void)
{
	return look(&made) - look(&freed);
}

struct bits bits_open(uint64_t n)
{
	struct bits b = {.word = calloc(n / 64 + 1, sizeof(uint64_t)), .n = n};

	cr_assert_not_null(b.word);
	return b;
}

void bits_set(struct bits *b, uint64_t i)
{
	uint64_t bit = UINT64_C(1) << (i % 64);

	check(i < b->n);
	if (i < b->n)
		check(!(__atomic_fetch_or(
				&b->word[i / 64], bit, __ATOMIC_RELAXED) &
			bit));
}

uint64_t bits_count(const struct bits *b)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i <= b->n / 64; i++)
		count += (uint64_t)__builtin_popcountll(b->word[i]);
	return count;
}

void bits_close_full(struct bits *b)
{
	cr_assert_eq(bits_count(b), b->n, "%lu of %lu items came through",
		bits_count(b), b->n);
	free(b->word);
}

struct start {
	thread_body *body;
	void *arg;
	size_t index;
};

static void *thread_main(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	s.body(s.arg, s.index);
	return NULL;
}

void threads_start(struct threads *t, size_t n, thread_body *body, void *arg)
{
	t->n = 0;
	cr_assert(n <= THREADS_MAX);
	for (; t->n < n; t->n++) {
		struct start *s = malloc(sizeof(*s));

		cr_assert_not_null(s);
		*s = (struct start){body, arg, t->n};
		cr_assert_eq(
			pthread_create(&t->thread[t->n], NULL, thread_main, s),
			0);
	}
}

void threads_join(struct threads *t)
{
	for (size_t i = 0; i < t->n; i++)
		pthread_join(t->thread[i], NULL);
	t->n = 0;
}

void with_threads(size_t n, thread_body *body, void *arg)
{
	struct threads t;

	threads_start(&t, n, body, arg);
	threads_join(&t);
}

void rest(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / LEAT_S),
		.tv_nsec = (long)(ns % LEAT_S),
	};

	nanosleep(&ts, NULL);
}

/* A short sleep, as processors are few. */
static void wait_a_little(uint64_t until)
{
	check(leat_now() < until);
	rest(20 * LEAT_US);
}

void await_at_least(const uint64_t *counter, uint64_t n)
{
	uint64_t until = leat_after(PATIENCE);

	while (look(counter) < n && leat_now() < until)
		wait_a_little(until);
	check(look(counter) >= n);
}

void await_parked(const struct park *p, uint64_t n)
{
	uint64_t until = leat_after(PATIENCE);

	while (park_waiters(p) < n)
		wait_a_little(until);
}

void gate_pass(struct gate *g)
{
	count_up(&g->arrived);
	await_at_least(&g->open, 1);
}

void gate_await(struct gate *g, uint64_t n)
{
	await_at_least(&g->arrived, n);
}

void gate_open(struct gate *g)
{
	count_up(&g->open);
}

uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static uint64_t pages_of_process(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages;
}

bool limit_memory(uint64_t more)
{
#if SANITIZER
	(void)more;
	(void)pages_of_process;
	return false;
#else
	uint64_t pages = pages_of_process();
	struct rlimit r;

	if (pages == 0 || getrlimit(RLIMIT_AS, &r) != 0)
		return false;
	r.rlim_cur = pages * 4096 + more;
	return setrlimit(RLIMIT_AS, &r) == 0;
#endif
}

void unlimit_memory(void)
{
	struct rlimit r;

	cr_assert_eq(getrlimit(RLIMIT_AS, &r), 0);
	r.rlim_cur = r.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_AS, &r), 0);
}

static void take_results(leat_chain *c)
{
	const struct edge *e = &c->edge[c->n];
	void *item;

	while (e->n > 0 && leat_pull(c, &item) == 0)
		edge_free(e, item);
}

static void await_left(struct stage *s)
{
	uint64_t until = leat_after(PATIENCE);

	while (load_acquire(&s->live) > 0 && leat_now() < until)
		wait_a_little(until);
	cr_assert_eq(load_acquire(&s->live), 0, "%s: %lu workers hang",
		s->row.name, load_acquire(&s->live));
}

void chain_rest(leat_chain *c)
{
	leat_end(c);
	take_results(c);
	for (size_t i = 0; i < c->n; i++)
		await_left(&c->stage[i]);
}

static void balance_of(const leat_counts *s)
{
	uint64_t settled = s->done + s->dropped + s->failed + s->cancelled;

	cr_assert_eq(s->taken, settled,
		"%s: taken %lu, but %lu done, %lu dropped, %lu failed, "
		"%lu cancelled",
		s->stage, s->taken, s->done, s->dropped, s->failed,
		s->cancelled);
	cr_assert_leq(s->high_water, s->capacity);
}

static void flow_between(const leat_counts *s, size_t i)
{
	cr_assert_eq(s[i - 1].gave, s[i].taken + s[i].depth,
		"%s gave %lu, %s took %lu, %lu left", s[i - 1].stage,
		s[i - 1].gave, s[i].stage, s[i].taken, s[i].depth);
}

void chain_balance(leat_chain *c)
{
	size_t n = leat_stats(c, NULL, 0);
	leat_counts *s = calloc(n, sizeof(*s));
	const struct edge *out = &c->edge[n];
	leat_queue_counts q = {0};

	cr_assert_not_null(s);
	cr_assert_eq(leat_stats(c, s, n), n);
	for (size_t i = 0; i < n; i++)
		balance_of(&s[i]);
	for (size_t i = 1; i < n; i++)
		flow_between(s, i);
	if (out->n > 0)
		leat_queue_stats(out->queue[0], &q);
	cr_assert_eq(s[n - 1].gave, q.popped + q.depth,
		"%s gave %lu, %lu pulled, %lu left", s[n - 1].stage,
		s[n - 1].gave, q.popped, q.depth);
	free(s);
}

int chain_close(leat_chain *c)
{
	chain_rest(c);
	chain_balance(c);
	return leat_close(c);
}

leat_report unit_report;

leat_chain *open_chain(const leat_stage *rows, size_t n, const leat_opts *opts)
{
	leat_opts o = {0};
	leat_chain *c;
	int rc;

	if (opts != NULL)
		o = *opts;
	if (o.report == NULL)
		o.report = &unit_report;
	rc = leat_open(&c, rows, n, &o);
	cr_assert_eq(rc, 0, "%s", o.report->text);
	return c;
}

leat_chain *single(leat_stage row, uint64_t results)
{
	leat_opts opts = {.free_in = item_free, .results = results};

	return open_chain(&row, 1, &opts);
}

void push_items(leat_chain *c, uint64_t first, uint64_t n)
{
	for (uint64_t i = first; i < first + n; i++)
		cr_assert_eq(leat_push(c, item_make(i)), 0);
}

int pass(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = in;
	return 0;
}

int swallow(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	(void)w;
	return 0;
}

int drop(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	(void)w;
	return LEAT_DROP;
}

int hold(void *in, void **out, leat_worker *w)
{
	gate_pass(leat_arg(w));
	*out = in;
	return 0;
}

int fail_at_once(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	(void)w;
	return -EIO;
}

int add(void *in, void **out, leat_worker *w)
{
	__atomic_fetch_add(
		(uint64_t *)leat_arg(w), item_n(in), __ATOMIC_RELAXED);
	*out = in;
	return 0;
}

int twice(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = item_make(2 * item_n(in));
	return 0;
}

int count_down(void *in, void **out, leat_worker *w)
{
	uint64_t *left = leat_arg(w);

	(void)in;
	if (*left == 0)
		return LEAT_END;
	*out = item_make((*left)--);
	return 0;
}
