/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * soak [-m MINUTES | -t SECONDS] [SEED]
 *
 * Chaos: random chains and fans, three at a time, on a library that yields and
 * sleeps at random at the hand-over points, while signals rain on the process,
 * threads are moved between processors, file descriptors run out, waits return
 * early, and, in every other epoch, memory, threads and locks fail at random.
 * Deadlines must not heed a clock that somebody sets: looking at one fails.
 * After every epoch nothing may be left: no item, memory, thread, descriptor.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "tests/fault/fault.h"
#include "tests/stress/fanplay.h"
#include "tests/stress/perturb.h"
#include "tests/stress/play.h"

#define SOAKERS	    3
#define EPOCH	    (2 * LEAT_S)
#define DESCRIPTORS 64

struct soaker {
	uint64_t seed, until;
	bool faulty;
	struct played played;
	uint64_t fans, calls;
};

/* What has been inflicted. */
struct chaos {
	uint64_t over;
	struct rng rng;
	uint64_t signals, moves, famines;
};

static void *soak(void *arg)
{
	struct soaker *s = arg;

	for (; leat_now() < s->until; s->seed++) {
		if (mix(s->seed, 9) % 8 == 0) {
			s->calls += fan_play(s->seed, s->faulty);
			s->fans++;
		} else {
			play_seed(s->seed, &s->played, s->faulty);
		}
	}
	return NULL;
}

static void nothing(int signo)
{
	(void)signo;
}

static uint32_t entries(const char *path)
{
	DIR *dir = opendir(path);
	uint32_t n = 0;

	must("soak", dir != NULL, "%s cannot be read", path);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* move_threads gives every thread other processors, at least one. */
static void move_threads(struct chaos *c, const cpu_set_t *all)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		cpu_set_t set;

		CPU_ZERO(&set);
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, all) && rng_chance(&c->rng, 60))
				CPU_SET(i, &set);
		if (CPU_COUNT(&set) > 0 && atoi(e->d_name) > 0)
			c->moves += sched_setaffinity(atoi(e->d_name),
					    sizeof(set), &set) == 0;
	}
	if (dir != NULL)
		closedir(dir);
}

/* famine takes all descriptors for a moment. */
static void famine(struct chaos *c)
{
	struct timespec ts = {.tv_nsec = 5000000};
	int fd[DESCRIPTORS], n = 0;

	while (n < DESCRIPTORS && (fd[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	nanosleep(&ts, NULL);
	while (n-- > 0)
		close(fd[n]);
	c->famines++;
}

static void *disturb(void *arg)
{
	struct chaos *c = arg;
	struct timespec ts = {0};
	cpu_set_t all;

	sched_getaffinity(0, sizeof(all), &all);
	while (peek(&c->over) == 0) {
		kill(getpid(), SIGUSR1);
		c->signals++;
		if (rng_chance(&c->rng, 2))
			move_threads(c, &all);
		if (rng_chance(&c->rng, 1))
			famine(c);
		ts.tv_nsec = rng_below(&c->rng, 500000);
		nanosleep(&ts, NULL);
	}
	return NULL;
}

static void add(struct soaker *sum, const struct soaker *s)
{
	sum->played.chains += s->played.chains;
	sum->played.items += s->played.items;
	sum->played.attempts += s->played.attempts;
	sum->played.failures += s->played.failures;
	sum->played.halted += s->played.halted;
	sum->fans += s->fans;
	sum->calls += s->calls;
}

static void run_soakers(uint64_t seed, bool faulty, struct soaker *sum)
{
	struct soaker s[SOAKERS];
	pthread_t t[SOAKERS];

	for (uint64_t i = 0; i < SOAKERS; i++) {
		s[i] = (struct soaker){.seed = mix(seed, i) % 1000000000,
			.until = leat_after(EPOCH),
			.faulty = faulty};
		t[i] = thread_start(soak, &s[i]);
	}
	for (int i = 0; i < SOAKERS; i++) {
		thread_join(t[i]);
		add(sum, &s[i]);
	}
}

/* epoch returns how many resource calls failed. */
static uint64_t epoch(
	uint64_t seed, bool faulty, struct soaker *sum, struct chaos *c)
{
	uint32_t fds = entries("/proc/self/fd");
	pthread_t disturber;
	uint64_t hits;

	poke(&c->over, 0);
	perturb_seed(seed);
	fault_wakes(7);
	if (faulty)
		fault_arm(FAULT_RANDOM, 200);
	disturber = thread_start(disturb, c);
	run_soakers(seed, faulty, sum);
	poke(&c->over, 1);
	thread_join(disturber);
	hits = fault_disarm();
	must("soak", fault_left() == 0, "%d things left", (int)fault_left());
	must("soak", entries("/proc/self/fd") == fds, "descriptors are left");
	return hits;
}

/* Signals interrupt whatever sleeps; descriptors are few. */
static void set_up(void)
{
	struct sigaction sa = {.sa_handler = nothing};
	struct rlimit few = {DESCRIPTORS, DESCRIPTORS};

	sigaction(SIGUSR1, &sa, NULL);
	setrlimit(RLIMIT_NOFILE, &few);
}

int main(int argc, char **argv)
{
	uint64_t ns = 10 * LEAT_S, until, hits = 0, wakes = 0, looks = 0, seed;
	struct soaker sum = {0};
	struct chaos c = {0};
	int opt;

	while ((opt = getopt(argc, argv, "m:t:")) != -1) {
		if (opt != 'm' && opt != 't')
			return 2;
		ns = strtoull(optarg, NULL, 0) * LEAT_S * (opt == 'm' ? 60 : 1);
	}
	seed = optind < argc ? strtoull(argv[optind], NULL, 0) : fresh_seed();
	printf("seed %" PRIu64 "\n", seed);
	fflush(stdout);
	c.rng.state = seed;
	set_up();
	until = leat_after(ns);
	for (uint64_t i = 0; leat_now() < until; i++) {
		hits += epoch(seed + i, i % 2, &sum, &c);
		wakes += fault_wakes(0);
		looks += fault_looks();
	}
	printf("%" PRIu64 " chains, %" PRIu64 " of them halted; %" PRIu64
	       " items, %" PRIu64 " calls of stages, %" PRIu64
	       " failures; %" PRIu64 " fans, %" PRIu64 " calls of them\n",
		sum.played.chains, sum.played.halted, sum.played.items,
		sum.played.attempts, sum.played.failures, sum.fans, sum.calls);
	printf("inflicted: %" PRIu64 " resource failures, %" PRIu64
	       " waits (every 7th returned early), %" PRIu64
	       " signals, %" PRIu64 " moves between processors, %" PRIu64
	       " times no descriptors\n",
		hits, wakes, c.signals, c.moves, c.famines);
	printf("%" PRIu64 " looks at the clock, all at the monotonic one\n",
		looks);
	must("soak", looks > 0, "the library's clock is not watched");
	printf("nothing lost, doubled, leaked or hung\n");
	return 0;
}
