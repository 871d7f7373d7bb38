/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fan_threads [-t SECONDS] [-m CALLS]
 *
 * What several threads do to one fan, over and over: calls and barriers;
 * calls that nobody waits for by the fan's own means; calls taken as they
 * complete, by others or in turns; cancelling what may be starting; calls made
 * by calls. With -m, that many calls are taken as they complete, and memory
 * must stay flat.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <leat.h>

enum { CALLERS = 3, CALLS = 300, TREE = 64 };

#define CHECK(cond)                                                        \
	do {                                                               \
		if (!(cond)) {                                             \
			printf("%s, lap %llu: line %d: %s\n", scenario,    \
				(unsigned long long)lap, __LINE__, #cond); \
			exit(1);                                           \
		}                                                          \
	} while (0)

static const char *scenario;
static uint64_t lap;

static uint64_t pick(uint64_t i, uint64_t n)
{
	uint64_t x = (lap * 1000 + i) * UINT64_C(0x9E3779B97F4A7C15);

	return (x ^ (x >> 31)) % n;
}

static void add(uint64_t *p, uint64_t n)
{
	__atomic_fetch_add(p, n, __ATOMIC_RELAXED);
}

static uint64_t get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static leat_fan *open_fan(leat_call_fn fn, void *arg, uint32_t flags)
{
	leat_fan_opts opts = {.fn = fn,
		.arg = arg,
		.out_size = 8,
		.workers = 1 + (uint32_t)pick(1, 4),
		.queue = 1 + (uint32_t)pick(2, 200),
		.flags = flags};
	leat_fan *fan;

	CHECK(leat_fan_open(&fan, &opts) == 0);
	return fan;
}

static int twice(void *in, void *out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)in;

	(void)w;
	n *= 2;
	memcpy(out, &n, sizeof(n));
	return 0;
}

/* Calls and barriers */

struct caller {
	pthread_t thread;
	leat_fan *fan;
	uint64_t id;
	uint64_t slot[CALLS];
	uint64_t taken, sum;
};

static void check_results(struct caller *c, uint64_t upto)
{
	for (uint64_t n = 0; n < upto; n++) {
		void *out;

		if (n % 2) {
			CHECK(c->slot[n] == 2 * n);
			continue;
		}
		CHECK(leat_result(c->fan, leat_pair(c->id, n), &out) == 0);
		CHECK(*(uint64_t *)out == 2 * n);
	}
}

static void *call_and_wait(void *arg)
{
	struct caller *c = arg;

	for (uint64_t n = 0; n < CALLS; n++) {
		int rc;

		if (n % 2)
			rc = leat_call_into(c->fan, &c->slot[n], &n, 8);
		else
			rc = leat_call(c->fan, leat_pair(c->id, n), &n, 8);
		CHECK(rc == 0);
		if (pick(n + c->id, 50) == 0) {
			CHECK(leat_fan_wait(c->fan) == 0);
			check_results(c, n + 1);
		}
	}
	return NULL;
}

static void run_callers(leat_fan *fan, void *(*body)(void *))
{
	struct caller *c = calloc(CALLERS, sizeof(*c));

	CHECK(c != NULL);
	for (uint64_t i = 0; i < CALLERS; i++) {
		c[i].fan = fan;
		c[i].id = i;
		CHECK(pthread_create(&c[i].thread, NULL, body, &c[i]) == 0);
	}
	for (int i = 0; i < CALLERS; i++)
		pthread_join(c[i].thread, NULL);
	CHECK(leat_fan_close(fan) == 0);
	free(c);
}

static void callers(void)
{
	run_callers(open_fan(twice, NULL, 0), call_and_wait);
}

/* Calls that nobody waits for by the fan's own means: every one must start
 * though its caller does nothing more for it. */

static int post(void *in, void *out, leat_worker *w)
{
	sem_t *done;

	(void)out;
	(void)w;
	memcpy(&done, in, sizeof(done));
	sem_post(done);
	return 0;
}

static void *call_and_forget(void *arg)
{
	struct caller *c = arg;
	sem_t done, *at = &done;

	sem_init(&done, 0, 0);
	for (uint64_t n = 0; n < CALLS;) {
		uint64_t batch = 1 + pick(n + c->id, 6);

		for (uint64_t i = 0; i < batch; i++, n++)
			CHECK(leat_call(c->fan, leat_pair(c->id, n), &at,
				      sizeof(at)) == 0);
		for (uint64_t i = 0; i < batch; i++)
			sem_wait(&done);
	}
	sem_destroy(&done);
	return NULL;
}

static void forgotten(void)
{
	run_callers(open_fan(post, NULL, 0), call_and_forget);
}

/* Calls taken as they complete */

static uint64_t to_take;

static void *take(void *arg)
{
	struct caller *c = arg;
	leat_done done = {0};

	while (get(&to_take) > 0) {
		int rc = leat_next_until(c->fan, &done, leat_after(LEAT_MS));

		CHECK(rc == 0 || rc == LEAT_END || rc == -ETIMEDOUT);
		if (rc != 0)
			continue;
		c->sum += *(uint64_t *)done.out;
		add(&to_take, UINT64_MAX);
	}
	if (done.call != NULL)
		CHECK(leat_next(c->fan, &done) == LEAT_END);
	return NULL;
}

static void *call_only(void *arg)
{
	struct caller *c = arg;

	for (uint64_t n = 0; n < CALLS; n++) {
		CHECK(leat_call(c->fan, leat_pair(c->id, n), &n, 8) == 0);
		if (pick(n + c->id, 100) == 0)
			CHECK(leat_fan_wait(c->fan) == 0);
	}
	return NULL;
}

static void completed(void)
{
	leat_fan *fan = open_fan(twice, NULL, LEAT_FAN_NEXT);
	struct caller takers[2] = {{.fan = fan}, {.fan = fan}};
	struct caller makers[CALLERS] = {{.fan = fan}};

	to_take = (uint64_t)CALLERS * CALLS;
	for (int i = 0; i < 2; i++)
		pthread_create(&takers[i].thread, NULL, take, &takers[i]);
	for (uint64_t i = 0; i < CALLERS; i++) {
		makers[i].fan = fan;
		makers[i].id = i;
		pthread_create(&makers[i].thread, NULL, call_only, &makers[i]);
	}
	for (int i = 0; i < CALLERS; i++)
		pthread_join(makers[i].thread, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(takers[i].thread, NULL);
	CHECK(takers[0].sum + takers[1].sum ==
		(uint64_t)CALLERS * CALLS * (CALLS - 1));
	CHECK(leat_fan_close(fan) == 0);
}

/* One thread that calls and takes, and never makes more calls than there is
 * room for: so it may wait for a worker, but never for itself. */
static void in_turns(void)
{
	uint64_t room = 1 + pick(2, 4), given = 0;
	leat_fan_opts opts = {.fn = twice,
		.out_size = 8,
		.workers = 1 + (uint32_t)pick(1, 4),
		.queue = (uint32_t)room,
		.flags = LEAT_FAN_NEXT};
	leat_done done = {0};
	leat_fan *fan;

	CHECK(leat_fan_open(&fan, &opts) == 0);
	for (uint64_t n = 0; n < CALLS; n++) {
		if (n - given == room) {
			CHECK(leat_next(fan, &done) == 0);
			given++;
		}
		CHECK(leat_call(fan, leat_u64(n), NULL, 0) == 0);
	}
	for (; leat_next(fan, &done) == 0; given++)
		;
	CHECK(given == CALLS);
	CHECK(leat_fan_close(fan) == 0);
}

/* Cancelling what may be starting: it runs, or it never does. */

static int count(void *in, void *out, leat_worker *w)
{
	(void)out;
	add((uint64_t *)leat_arg(w) + *(uint64_t *)in, 1);
	return 0;
}

static void cancelled(void)
{
	uint64_t ran[CALLS] = {0};
	bool stopped[CALLS];
	leat_fan *fan = open_fan(count, ran, 0);
	leat_handle *h;
	leat_call_opts with = {.handle = &h};
	int rc;

	for (uint64_t n = 0; n < CALLS; n++) {
		CHECK(leat_call_with(fan, leat_u64(n), &n, 8, &with) == 0);
		for (uint64_t i = pick(n, 300); i > 0; i--)
			__asm__ volatile("");
		rc = leat_handle_cancel(h);
		CHECK(rc == 0 || rc == -EBUSY || rc == -EALREADY);
		stopped[n] = rc == 0;
		if (n % 3 == 0)
			CHECK(leat_handle_wait(h, NULL, LEAT_NEVER) == 0);
		leat_handle_free(h);
	}
	rc = leat_fan_wait(fan);
	CHECK(rc == 0 || rc == -ECANCELED);
	for (uint64_t n = 0; n < CALLS; n++) {
		void *out;

		CHECK(ran[n] == !stopped[n]);
		CHECK(leat_result(fan, leat_u64(n), &out) ==
			(stopped[n] ? -ECANCELED : 0));
	}
	leat_fan_close(fan);
}

/* Calls made by calls */

struct tree {
	leat_fan *fan;
	uint64_t leaves;
};

static int divide(void *in, void *out, leat_worker *w)
{
	struct tree *t = leat_arg(w);
	uint64_t *range = in, middle = (range[0] + range[1]) / 2;
	int rc = 0;

	(void)out;
	if (middle == range[0]) {
		add(&t->leaves, 1);
		return 0;
	}
	rc = leat_call(t->fan, leat_pair(range[0], middle), NULL, 0);
	if (rc == 0)
		rc = leat_call(t->fan, leat_pair(middle, range[1]), NULL, 0);
	return rc;
}

static void nested(void)
{
	leat_fan_opts opts = {.fn = divide, .queue = 2 * TREE};
	struct tree t = {0};

	opts.arg = &t;
	opts.workers = 1 + (uint32_t)pick(1, 4);
	CHECK(leat_fan_open(&t.fan, &opts) == 0);
	CHECK(leat_call(t.fan, leat_pair(0, TREE), NULL, 0) == 0);
	CHECK(leat_fan_wait(t.fan) == 0);
	CHECK(t.leaves == TREE);
	CHECK(leat_fan_close(t.fan) == 0);
}

/* Stopping and cancelling the fan from another thread */

static void *cancel_now(void *fan)
{
	leat_fan_cancel(fan);
	return NULL;
}

static void stopped(void)
{
	uint64_t ran[CALLS] = {0};
	leat_fan *fan = open_fan(count, ran, 0);
	pthread_t thread;
	int rc;

	for (uint64_t n = 0; n < CALLS; n++) {
		CHECK(leat_call(fan, leat_u64(n), &n, 8) == 0);
		if (n == CALLS / 2)
			pthread_create(&thread, NULL, cancel_now, fan);
	}
	pthread_join(thread, NULL);
	rc = leat_fan_wait(fan);
	CHECK(rc == 0 || rc == -ECANCELED);
	for (uint64_t n = 0; n < CALLS; n++) {
		void *out;

		rc = leat_result(fan, leat_u64(n), &out);
		CHECK(rc == (ran[n] ? 0 : -ECANCELED) && ran[n] <= 1);
	}
	leat_fan_close(fan);
}

/* Memory */

static long memory_kb(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static void feed(leat_fan *fan, uint64_t from, uint64_t calls)
{
	leat_done done = {0};
	uint64_t sum = 0;

	for (uint64_t n = from; n < from + calls; n++) {
		while (leat_trycall(fan, leat_u64(n), NULL, 0) == -EAGAIN) {
			CHECK(leat_next(fan, &done) == 0);
			sum += *(uint64_t *)done.out;
		}
	}
	while (leat_next(fan, &done) == 0)
		sum += *(uint64_t *)done.out;
	CHECK(sum == (2 * from + calls - 1) * calls);
}

/* watch calls one key with a handle, wave after wave; the handle is freed
 * when the fan has forgotten its call. */
static void watch(leat_fan *fan, uint64_t waves)
{
	leat_handle *h, *last = NULL;
	leat_call_opts with = {.handle = &h};

	for (uint64_t n = 0; n < waves; n++) {
		CHECK(leat_call_with(fan, leat_u64(1), NULL, 0, &with) == 0);
		CHECK(leat_fan_wait(fan) == 0);
		leat_handle_free(last);
		last = h;
	}
	leat_handle_free(last);
}

/* What is called again and again takes no more memory than once. */
static void flat_waves(uint64_t waves)
{
	leat_fan_opts opts = {.fn = twice, .out_size = 1000};
	leat_fan *fan;
	long first;

	scenario = "memory of waves";
	CHECK(leat_fan_open(&fan, &opts) == 0);
	watch(fan, waves / 10);
	first = memory_kb();
	watch(fan, waves);
	printf("%llu waves: %ld KB, then %ld KB\n", (unsigned long long)waves,
		first, memory_kb());
	CHECK(memory_kb() - first < 1024);
	leat_fan_close(fan);
}

static int flat(uint64_t calls)
{
	leat_fan_opts opts = {
		.fn = twice, .out_size = 8, .flags = LEAT_FAN_NEXT};
	leat_fan *fan;
	long first;

	flat_waves(10000);
	scenario = "memory";
	CHECK(leat_fan_open(&fan, &opts) == 0);
	feed(fan, 0, calls / 20);
	first = memory_kb();
	feed(fan, calls / 20, calls);
	printf("%llu calls: %ld KB, then %ld KB\n", (unsigned long long)calls,
		first, memory_kb());
	CHECK(memory_kb() - first < 1024);
	return leat_fan_close(fan);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} all[] = {
		{"callers", callers},
		{"forgotten", forgotten},
		{"completed", completed},
		{"in turns", in_turns},
		{"cancelled", cancelled},
		{"nested", nested},
		{"stopped", stopped},
	};
	uint64_t until = leat_after(2 * LEAT_S);

	if (argc == 3 && strcmp(argv[1], "-m") == 0)
		return flat(strtoull(argv[2], NULL, 0)) < 0;
	if (argc == 3 && strcmp(argv[1], "-t") == 0)
		until = leat_after(strtoull(argv[2], NULL, 0) * LEAT_S);
	for (; lap == 0 || leat_now() < until; lap++)
		for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
			scenario = all[i].name;
			all[i].run();
		}
	printf("%llu rounds\n", (unsigned long long)lap);
	return 0;
}
