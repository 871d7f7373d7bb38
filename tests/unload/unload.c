/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unload LIBRARY
 *
 * Loads the library, runs chains and a fan, closes them, unloads it; many times
 * over. Each time the library is really gone from the process, and with it all
 * threads, descriptors and mappings that it had.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <leat.h>

#define ROUNDS	  20
#define ITEMS	  2000
#define GONE_MS	  10000
#define SUM_TO(n) ((uint64_t)(n) * ((n)-1) / 2)

/* What the test uses of the library: nothing is linked. */
struct leat {
	void *handle;
	int (*open)(leat_chain **, const leat_stage *, size_t, size_t,
		const leat_opts *, size_t);
	int (*push)(leat_chain *, void *);
	int (*pull)(leat_chain *, void **);
	void (*end)(leat_chain *);
	void (*cancel)(leat_chain *);
	int (*close)(leat_chain *);
	int (*fan_open)(leat_fan **, const leat_fan_opts *, size_t);
	int (*call_into)(leat_fan *, void *, const void *, size_t);
	int (*fan_close)(leat_fan *);
};

static unsigned failed;

static void is(const char *what, int ok)
{
	if (ok)
		return;
	printf("not so: %s\n", what);
	failed++;
}

/* The standard has no cast from an object's pointer to a function's. */
static void find(const struct leat *l, const char *name, void *fn)
{
	void *at = dlsym(l->handle, name);

	if (at == NULL) {
		printf("no %s\n", name);
		exit(1);
	}
	memcpy(fn, &at, sizeof(at));
}

static struct leat load(const char *path)
{
	struct leat l = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};

	if (l.handle == NULL) {
		printf("%s\n", dlerror());
		exit(1);
	}
	find(&l, "leat_open_sized", &l.open);
	find(&l, "leat_push", &l.push);
	find(&l, "leat_pull", &l.pull);
	find(&l, "leat_end", &l.end);
	find(&l, "leat_cancel", &l.cancel);
	find(&l, "leat_close", &l.close);
	find(&l, "leat_fan_open_sized", &l.fan_open);
	find(&l, "leat_call_into", &l.call_into);
	find(&l, "leat_fan_close", &l.fan_close);
	return l;
}

static int pass(void *in, void **out, leat_worker *w)
{
	(void)w;
	*out = in;
	return 0;
}

static leat_chain *open_chain(const struct leat *l)
{
	static const leat_stage rows[3] = {
		{.name = "a", .fn = pass, .workers = 1, .queue = 16},
		{.name = "b",
			.fn = pass,
			.workers = 3,
			.queue = 16,
			.flags = LEAT_ORDERED},
		{.name = "c", .fn = pass, .workers = 1},
	};
	static const leat_opts opts = {.results = ITEMS};
	leat_chain *c;
	int rc = l->open(&c, rows, 3, sizeof(*rows), &opts, sizeof(opts));

	is("open a chain", rc == 0);
	if (rc < 0)
		exit(1);
	return c;
}

static void push_all(const struct leat *l, leat_chain *c)
{
	for (uintptr_t i = 0; i < ITEMS; i++)
		if (l->push(c, (void *)i) != 0)
			is("push", 0);
}

static void run_chain(const struct leat *l)
{
	leat_chain *c = open_chain(l);
	uint64_t sum = 0;
	void *item;

	push_all(l, c);
	l->end(c);
	while (l->pull(c, &item) == 0)
		sum += (uintptr_t)item;
	is("a chain's results", sum == SUM_TO(ITEMS));
	is("close a chain", l->close(c) == 0);
}

/* Closed in the midst of its work; its threads come to an end all the same. */
static void break_chain_off(const struct leat *l)
{
	leat_chain *c = open_chain(l);

	push_all(l, c);
	l->cancel(c);
	is("close a cancelled chain", l->close(c) == -ECANCELED);
}

static int square(void *in, void *out, leat_worker *w)
{
	uint64_t n;

	(void)w;
	memcpy(&n, in, sizeof(n));
	n *= n;
	memcpy(out, &n, sizeof(n));
	return 0;
}

static void run_fan(const struct leat *l)
{
	static uint64_t squares[ITEMS];
	leat_fan_opts opts = {
		.fn = square, .out_size = sizeof(*squares), .workers = 3};
	uint64_t wrong = 0;
	leat_fan *fan;

	memset(squares, 0, sizeof(squares));
	is("open a fan", l->fan_open(&fan, &opts, sizeof(opts)) == 0);
	for (uint64_t i = 0; i < ITEMS; i++)
		if (l->call_into(fan, &squares[i], &i, sizeof(i)) != 0)
			is("call", 0);
	is("close a fan", l->fan_close(fan) == 0);
	for (uint64_t i = 0; i < ITEMS; i++)
		wrong += squares[i] != i * i;
	is("a fan's results", wrong == 0);
}

static unsigned entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		closedir(dir);
	return n;
}

/* Threads leave /proc a little after they were joined, those counted first too;
 * what every round left behind would add up. */
static int back_to(unsigned tasks)
{
	struct timespec ms = {.tv_nsec = 1000000};

	for (int i = 0; i < GONE_MS && entries("/proc/self/task") > tasks; i++)
		nanosleep(&ms, NULL);
	return entries("/proc/self/task") <= tasks;
}

static int is_mapped(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4200];
	int found = 0;

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		found |= strstr(line, name) != NULL;
	if (maps != NULL)
		fclose(maps);
	return found;
}

/* ThreadSanitizer's runtime keeps what it has seen. */
static int is_gone(const char *path)
{
#ifdef __SANITIZE_THREAD__
	(void)path;
	return 1;
#else
	return !is_mapped("libleat.so") &&
	       dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL;
#endif
}

static void round_of(const char *path, unsigned tasks)
{
	unsigned files = entries("/proc/self/fd");
	struct leat l = load(path);

	is("it is loaded", is_mapped("libleat.so"));
	run_chain(&l);
	run_fan(&l);
	break_chain_off(&l);
	is("unload", dlclose(l.handle) == 0);
	is("it is gone", is_gone(path));
	is("no thread is left", back_to(tasks));
	is("no descriptor is left", entries("/proc/self/fd") == files);
}

static void *nothing(void *arg)
{
	return arg;
}

/* A sanitizer starts a thread of its own with the first. */
static void start_one(void)
{
	pthread_t t;

	is("start a thread", pthread_create(&t, NULL, nothing, NULL) == 0 &&
				     pthread_join(t, NULL) == 0);
}

int main(int argc, char **argv)
{
	unsigned tasks;

	if (argc != 2)
		return 2;
	start_one();
	tasks = entries("/proc/self/task");
	for (int i = 0; i < ROUNDS; i++)
		round_of(argv[1], tasks);
	printf("loaded and unloaded %d times\n", ROUNDS);
	return failed != 0;
}
