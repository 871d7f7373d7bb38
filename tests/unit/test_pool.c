/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool: a gate that all or none pass, and the number of processors.
 * Linked with fopen wrapped, so that files of the kernel can be made up.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "queues/cpus.h"
#include "stages/pool.h"
#include "tests/unit/unit.h"

/* The gate */

struct arrivals {
	struct pool pool;
	uint64_t n, passed, turned;
	int code; /* of the last one */
	uint64_t who;
};

static void *arrive(void *arg)
{
	struct arrivals *a = arg;
	bool last = count_up(&a->n) == a->who;

	if (pool_arrive(&a->pool, last ? a->code : 0) == 0)
		count_up(&a->passed);
	else
		count_up(&a->turned);
	return NULL;
}

static void arrive_all(struct arrivals *a, size_t n)
{
	cr_assert_eq(pool_init(&a->pool, n), 0);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(pool_start(&a->pool, arrive, a, 0), 0);
}

TEST(pool, all_pass_when_none_fails)
{
	struct arrivals a = {.n = 0};

	arrive_all(&a, 20);
	cr_assert_eq(pool_release(&a.pool, 0), 0);
	pool_join(&a.pool);
	cr_assert_eq(a.passed, 20);
	pool_fini(&a.pool);
}

/* Who comes to the gate wakes nobody there: else n threads are woken n times
 * each, which took a third of the time that a chain of 64 stages lives. */
TEST(pool, who_comes_to_the_gate_leaves_the_others_asleep)
{
	struct arrivals a = {.n = 0};
	struct rusage r;
	long switches;

	getrusage(RUSAGE_SELF, &r);
	switches = r.ru_nvcsw;
	arrive_all(&a, 200);
	cr_assert_eq(pool_release(&a.pool, 0), 0);
	pool_join(&a.pool);
	getrusage(RUSAGE_SELF, &r);
	cr_assert_leq(r.ru_nvcsw - switches, 10 * 200);
	pool_fini(&a.pool);
}

TEST(pool, none_passes_when_one_fails)
{
	for (uint64_t who = 0; who < 20; who++) {
		struct arrivals a = {.who = who, .code = -ENXIO};

		arrive_all(&a, 20);
		cr_assert_eq(pool_release(&a.pool, 0), -ENXIO);
		pool_fini(&a.pool);
		cr_assert_eq(a.passed, 0);
		cr_assert_eq(a.turned, 20);
	}
}

TEST(pool, none_passes_when_the_start_failed)
{
	struct arrivals a = {.code = -ENXIO};

	arrive_all(&a, 3);
	cr_assert_eq(pool_release(&a.pool, -EAGAIN), -EAGAIN);
	pool_fini(&a.pool);
	cr_assert_eq(a.turned, 3);
}

static void *tell_stack(void *arg)
{
	pthread_attr_t attr;
	size_t size = 0;

	check(pthread_getattr_np(pthread_self(), &attr) == 0);
	check(pthread_attr_getstacksize(&attr, &size) == 0);
	pthread_attr_destroy(&attr);
	__atomic_store_n((uint64_t *)arg, size, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST(pool, threads_get_the_stack_asked_for)
{
	struct pool p;
	uint64_t size = 0;

	cr_assert_eq(pool_init(&p, 1), 0);
	cr_assert_eq(pool_start(&p, tell_stack, &size, 1 << 20), 0);
	pool_fini(&p);
	cr_assert_eq(size, 1 << 20);
}

TEST(pool, a_stack_too_small_is_refused)
{
	struct pool p;

	cr_assert_eq(pool_init(&p, 1), 0);
	cr_assert_eq(pool_start(&p, tell_stack, NULL, 1), -EINVAL);
	pool_fini(&p);
	p.thread = NULL;
	pool_fini(&p); /* never made */
}

static void *tell_mask(void *arg)
{
	sigset_t set;
	uint64_t blocked = 0;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	for (int i = 1; i < 32; i++)
		blocked += sigismember(&set, i) == 1;
	__atomic_store_n((uint64_t *)arg, blocked, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST(pool, threads_have_all_signals_blocked_and_the_caller_none)
{
	struct pool p;
	uint64_t theirs = 0, before = 0, after = 0;

	tell_mask(&before);
	cr_assert_eq(pool_init(&p, 1), 0);
	cr_assert_eq(pool_start(&p, tell_mask, &theirs, 0), 0);
	pool_fini(&p);
	tell_mask(&after);
	cr_assert_eq(before, after);
	cr_assert_eq(theirs, 29); /* all but SIGKILL and SIGSTOP */
}

/* Processors */

/* The kernel's files, made up in a folder: their slashes become '@'. */
static char fake[PATH_MAX - 300];

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

static void fake_path(char *to, const char *path)
{
	int n = snprintf(to, PATH_MAX, "%s/", fake);

	snprintf(to + n, (size_t)(PATH_MAX - n), "%s", path);
	for (char *c = to + n; *c; c++)
		if (*c == '/')
			*c = '@';
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	char to[PATH_MAX];

	if (fake[0] == '\0' || (strncmp(path, "/sys/", 5) != 0 &&
				       strncmp(path, "/proc/", 6) != 0))
		return __real_fopen(path, mode);
	fake_path(to, path);
	return __real_fopen(to, mode);
}

static void fake_file(const char *path, const char *text)
{
	char to[PATH_MAX];
	FILE *f;

	fake_path(to, path);
	f = __real_fopen(to, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static void begin_fake(void)
{
	snprintf(fake, sizeof(fake), "%s/leat-XXXXXX",
		getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	cr_assert_not_null(mkdtemp(fake));
}

static void end_fake(void)
{
	char command[PATH_MAX];

	snprintf(command, sizeof(command), "rm -r '%s'", fake);
	fake[0] = '\0';
	cr_assert_eq(system(command), 0);
}

#define V2 "/sys/fs/cgroup"

/* A kernel of version 2: group /a/b, with these quotas from the root on. */
static uint32_t with_quotas(const char *root, const char *a, const char *b)
{
	uint32_t n;

	begin_fake();
	fake_file("/proc/self/cgroup", "0::/a/b\n");
	if (root != NULL)
		fake_file(V2 "/cpu.max", root);
	if (a != NULL)
		fake_file(V2 "/a/cpu.max", a);
	if (b != NULL)
		fake_file(V2 "/a/b/cpu.max", b);
	n = cpus_usable();
	end_fake();
	return n;
}

static uint32_t affinity_count(void)
{
	cpu_set_t set;

	cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	return (uint32_t)CPU_COUNT(&set);
}

/* one_of: what there is at most, by affinity. */
static uint32_t one_of(uint32_t n)
{
	uint32_t cpus = affinity_count();

	return n < cpus ? n : cpus;
}

TEST(cpus, follow_the_affinity_of_the_process)
{
	cpu_set_t all, set;
	uint32_t n = 0;

	begin_fake();
	cr_assert_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&set);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_SET(i, &set);
		cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
		cr_assert_eq(cpus_usable(), ++n);
	}
	end_fake();
}

TEST(cpus, follow_the_tightest_quota_of_all_groups_around)
{
	static const char *none = "max 100000\n";
	uint32_t all = affinity_count();

	cr_assert_eq(with_quotas(none, none, none), all);
	cr_assert_eq(with_quotas(NULL, NULL, NULL), all);
	cr_assert_eq(with_quotas(none, none, "100000 100000\n"), 1);
	cr_assert_eq(with_quotas(none, "100000 100000\n", none), 1);
	cr_assert_eq(with_quotas("100000 100000\n", NULL, none), 1);
	cr_assert_eq(with_quotas("900000 100000", "100000 100000", none), 1);
	cr_assert_eq(with_quotas(none, none, "1000 100000\n"), 1);
	cr_assert_eq(with_quotas(none, none, "100001 100000\n"), one_of(2));
	cr_assert_eq(with_quotas(none, none, "9999999999999 1\n"), all);
}

TEST(cpus, files_that_make_no_sense_limit_nothing)
{
	static const char *bad[] = {
		"", "\n", "nonsense\n", "100000\n", "100000 0\n", "1 -5\n"};

	EACH(i, bad)
	{
		cr_assert_eq(with_quotas(NULL, NULL, bad[i]), affinity_count());
	}
}

/* A kernel of version 1, or of both. */
static uint32_t with_groups(const char *groups, const char *dir,
	const char *quota, const char *period)
{
	char path[256];
	uint32_t n;

	begin_fake();
	fake_file("/proc/self/cgroup", groups);
	snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", dir);
	if (quota != NULL)
		fake_file(path, quota);
	snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", dir);
	if (period != NULL)
		fake_file(path, period);
	n = cpus_usable();
	end_fake();
	return n;
}

TEST(cpus, follow_quotas_of_version_one)
{
	static const char *groups =
		"5:memory:/x\n4:cpu,cpuacct:/a/b\n1:name=systemd:/y\n0::/\n";
	static const char *alone = "3:cpuset:/\n2:cpu:/a\n";
	static const char *both = V2 "/cpu,cpuacct";
	uint32_t all = affinity_count();

	cr_assert_eq(with_groups(groups, V2 "/cpu,cpuacct/a/b", "50000\n",
			     "100000\n"),
		1);
	cr_assert_eq(
		with_groups(groups, V2 "/cpu/a", "100000\n", "100000\n"), 1);
	cr_assert_eq(with_groups(groups, both, "100000\n", "100000\n"), 1);
	cr_assert_eq(
		with_groups(alone, V2 "/cpu/a", "100000\n", "100000\n"), 1);
	cr_assert_eq(with_groups(groups, both, "-1\n", "100000\n"), all);
	cr_assert_eq(with_groups(groups, both, "100000\n", "0\n"), all);
	cr_assert_eq(with_groups(groups, both, "100000\n", NULL), all);
	cr_assert_eq(with_groups(groups, both, NULL, NULL), all);
	cr_assert_eq(
		with_groups("4:cpuacct:/a\n", V2 "/cpu/a", "1\n", "1\n"), all);
	cr_assert_eq(with_groups("nonsense\n4:cpu\n", both, "1\n", "1\n"), all);
}

TEST(cpus, a_group_of_absurd_length_limits_nothing)
{
	static char groups[5000];

	memset(groups, 'x', 4990);
	memcpy(groups, "0::/", 4);
	cr_assert_eq(with_groups(groups, V2, NULL, NULL), affinity_count());
	memset(groups + 4080, 0, 900);
	cr_assert_eq(with_groups(groups, V2, NULL, NULL), affinity_count());
}
