/* SPDX-License-Identifier: BSD-2-Clause */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "queues/cpus.h"

#define CGROUP "/sys/fs/cgroup"
#define PATH   4096

/* Processors in the affinity mask, which may be larger than a cpu_set_t. */
static uint32_t affinity(void)
{
	for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {
		cpu_set_t *set = CPU_ALLOC(cpus);
		size_t size = CPU_ALLOC_SIZE(cpus);
		int n = 0;

		if (set == NULL)
			return 1;
		if (sched_getaffinity(0, size, set) == 0)
			n = CPU_COUNT_S(size, set);
		CPU_FREE(set);
		if (n > 0)
			return (uint32_t)n;
	}
	return 1;
}

/* read_line reads a file's first line; 0 when it cannot. */
static int read_line(const char *path, char *line, int size)
{
	FILE *f = fopen(path, "re");
	int ok = 0;

	if (f == NULL)
		return 0;
	ok = fgets(line, size, f) != NULL;
	fclose(f);
	return ok;
}

static uint32_t ceil_div(long long quota, long long period)
{
	long long n = (quota + period - 1) / period;

	return n < 1 ? 1 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* quota_v2 reads "max 100000" or "150000 100000". */
static uint32_t quota_v2(const char *dir)
{
	char path[PATH + 64], line[64];
	long long quota, period;

	snprintf(path, sizeof(path), "%s/cpu.max", dir);
	if (read_line(path, line, sizeof(line)) &&
		sscanf(line, "%lld %lld", &quota, &period) == 2 && period > 0)
		return ceil_div(quota, period);
	return UINT32_MAX;
}

/* quota_v1 reads the two files of version 1; a quota of -1 means none. */
static uint32_t quota_v1(const char *dir)
{
	char path[PATH + 64], quota[32], period[32];

	snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", dir);
	if (!read_line(path, quota, sizeof(quota)))
		return UINT32_MAX;
	snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", dir);
	if (!read_line(path, period, sizeof(period)))
		return UINT32_MAX;
	if (atoll(quota) <= 0 || atoll(period) <= 0)
		return UINT32_MAX;
	return ceil_div(atoll(quota), atoll(period));
}

/* The tightest quota of a group and all groups around it. */
static uint32_t tightest(
	const char *mount, const char *group, uint32_t (*quota)(const char *))
{
	size_t root = strlen(mount);
	char dir[PATH];
	uint32_t least = UINT32_MAX;

	if ((size_t)snprintf(dir, sizeof(dir), "%s%s", mount, group) >=
		sizeof(dir))
		return least;
	for (;;) {
		uint32_t n = quota(dir);
		char *slash;

		least = n < least ? n : least;
		slash = strrchr(dir, '/');
		if (slash == NULL || slash < dir + root)
			return least;
		*slash = '\0';
	}
}

/* has_cpu: is "cpu" one of a comma-separated list of controllers? */
static int has_cpu(const char *list)
{
	for (; list != NULL; list = strchr(list, ',')) {
		list += *list == ',';
		if (strncmp(list, "cpu", 3) == 0 &&
			(list[3] == ',' || list[3] == '\0'))
			return 1;
	}
	return 0;
}

/* A line of /proc/self/cgroup: "0::/a" or, of version 1, "1:cpu,cpuacct:/a". */
static uint32_t quota_of_line(char *line)
{
	char *list = strchr(line, ':');
	char *group = list ? strchr(list + 1, ':') : NULL;
	uint32_t n = UINT32_MAX;

	if (group == NULL)
		return n;
	*group++ = '\0';
	list++;
	group[strcspn(group, "\n")] = '\0';
	if (*list == '\0')
		return tightest(CGROUP, group, quota_v2);
	if (has_cpu(list)) {
		uint32_t both =
			tightest(CGROUP "/cpu,cpuacct", group, quota_v1);

		n = tightest(CGROUP "/cpu", group, quota_v1);
		n = both < n ? both : n;
	}
	return n;
}

static uint32_t cgroup_quota(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	uint32_t least = UINT32_MAX;
	char line[PATH];

	if (f == NULL)
		return least;
	while (fgets(line, sizeof(line), f) != NULL) {
		uint32_t n = quota_of_line(line);

		least = n < least ? n : least;
	}
	fclose(f);
	return least;
}

uint32_t cpus_usable(void)
{
	uint32_t cpus = affinity();
	uint32_t quota = cgroup_quota();

	return quota < cpus ? quota : cpus;
}
