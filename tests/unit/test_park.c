/* SPDX-License-Identifier: BSD-2-Clause */
/* Parks and bells: announcements, tokens, rings, deadlines. */
#include "queues/park.h"
#include "tests/unit/unit.h"

#define WORD(waiters, tokens) ((uint64_t)(waiters) << 32 | (tokens))

TEST(park, nobody_there_means_nothing_to_do)
{
	struct park p = {0};

	park_signal(&p);
	park_signal_all(&p);
	park_post(&p);
	park_post_all(&p);
	cr_assert_eq(p.word, 0);
	cr_assert_not(park_busy(&p));
}

TEST(park, announcing_and_taking_it_back_leaves_no_trace)
{
	struct park p = {0};

	park_announce(&p);
	cr_assert(park_busy(&p));
	cr_assert_eq(p.word, WORD(1, 0));
	park_retract(&p);
	cr_assert_eq(p.word, 0);
}

TEST(park, at_most_one_wake_is_in_flight)
{
	struct park p = {0};

	for (int i = 0; i < 3; i++)
		park_announce(&p);
	park_signal(&p);
	park_signal(&p);
	park_post(&p);
	cr_assert_eq(p.word, WORD(2, 1));
	cr_assert_eq(park_wait(&p, LEAT_NEVER), 0);
	cr_assert_eq(p.word, WORD(2, 0));
	park_signal(&p);
	cr_assert_eq(p.word, WORD(1, 1));
	cr_assert_eq(park_wait(&p, LEAT_NEVER), 0);
	park_retract(&p);
	cr_assert_eq(p.word, 0);
}

/* The wake that was meant for us is on its way: it must not stay behind. */
TEST(park, taking_back_after_the_wake_swallows_the_token)
{
	struct park p = {0};

	park_announce(&p);
	park_signal(&p);
	park_retract(&p);
	cr_assert_eq(p.word, 0);
}

/* A wake that another one may sleep on stays there for it. */
TEST(park, taking_back_leaves_the_token_to_who_is_left)
{
	struct park p = {0};

	park_announce(&p);
	park_announce(&p);
	park_signal(&p);
	park_retract(&p);
	cr_assert_eq(p.word, WORD(0, 1));
	cr_assert_eq(park_wait(&p, LEAT_NEVER), 0);
	cr_assert_eq(p.word, 0);
}

TEST(park, all_are_woken_at_once_also_with_a_wake_in_flight)
{
	struct park p = {0};

	for (int i = 0; i < 4; i++)
		park_announce(&p);
	park_signal(&p);
	park_signal_all(&p);
	cr_assert_eq(p.word, WORD(0, 4));
	for (int i = 0; i < 4; i++)
		cr_assert_eq(park_wait(&p, LEAT_NEVER), 0);
	cr_assert_eq(p.word, 0);
}

TEST(park, a_deadline_takes_the_announcement_back)
{
	struct park p = {0};
	uint64_t t = leat_after(20 * LEAT_MS);

	errno = 4711;
	park_announce(&p);
	cr_assert_eq(park_wait(&p, t), -ETIMEDOUT);
	cr_assert_geq(leat_now(), t);
	cr_assert_eq(p.word, 0);
	park_announce(&p);
	cr_assert_eq(park_wait(&p, 1), -ETIMEDOUT);
	cr_assert_eq(p.word, 0);
	cr_assert_eq(errno, 4711);
}

/* become_quiet looks in vain until it is quiet; or for long enough, where the
 * kernel does not do what that takes. */
static bool become_quiet(struct park *p)
{
	uint64_t calm = 0;

	park_open();
	for (int i = 0; i < 100000 && !park_quiet(p); i++)
		cr_assert_not(park_look(p, &calm));
	return park_quiet(p);
}

TEST(park, it_is_quiet_after_many_looks_in_vain_until_somebody_announces)
{
	struct park p = {0};
	uint64_t calm = 0;

	cr_assert_not(park_quiet(&p));
	if (!become_quiet(&p))
		cr_skip_test("no membarrier(2) here");
	cr_assert_not(park_busy(&p));
	park_post(&p);
	park_post_all(&p);
	cr_assert(park_quiet(&p));
	park_announce(&p);
	cr_assert_not(park_quiet(&p));
	cr_assert(park_look(&p, &calm));
	cr_assert_eq(p.word, WORD(1, 0));
	park_retract(&p);
	cr_assert_eq(p.word, 0);
}

/* Whoever sleeps often is not made to fence all threads each time. */
TEST(park, waiters_put_off_the_quiet)
{
	struct park p = {0};
	uint64_t calm = 0;

	park_open();
	for (int i = 0; i < 100000; i++) {
		if (i % 100 == 0)
			park_announce(&p);
		cr_assert_eq(park_look(&p, &calm), i % 100 == 0);
		cr_assert_not(park_quiet(&p));
		if (i % 100 == 0)
			park_retract(&p);
	}
}

TEST(park, tokens_keep_it_from_becoming_quiet)
{
	struct park p = {0};

	park_announce(&p);
	park_post(&p);
	cr_assert_not(become_quiet(&p));
	cr_assert_eq(p.word, WORD(0, 1));
	cr_assert_eq(park_wait(&p, LEAT_NEVER), 0);
}

/* A condition that many wait for, and that is made true again and again. */
struct turnstile {
	struct park park;
	uint64_t tickets;
	uint64_t passed;
};

static bool take_ticket(struct turnstile *t)
{
	uint64_t n = look(&t->tickets);

	while (n > 0)
		if (__atomic_compare_exchange_n(&t->tickets, &n, n - 1, false,
			    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
	return false;
}

static void pass_turnstile(struct turnstile *t, uint64_t *seed)
{
	while (!take_ticket(t)) {
		park_announce(&t->park);
		if (look(&t->tickets) > 0)
			park_retract(&t->park);
		else
			park_wait(&t->park, next_random(seed) % 4
						    ? LEAT_NEVER
						    : leat_after(20 * LEAT_US));
	}
	if (look(&t->tickets) > 0)
		park_signal(&t->park);
	count_up(&t->passed);
}

#define TICKETS 4000

static void turnstile_body(void *arg, size_t i)
{
	struct turnstile *t = arg;
	uint64_t seed = 7 + i;

	for (int k = 0; k < TICKETS; k++) {
		if (i < 4) {
			pass_turnstile(t, &seed);
		} else {
			count_up(&t->tickets);
			park_signal(&t->park);
		}
	}
}

TEST(park, no_wake_is_lost_with_deadlines_among_the_waiters)
{
	struct turnstile t = {{0}, 0, 0};

	with_threads(8, turnstile_body, &t);
	cr_assert_eq(t.passed, 4 * TICKETS);
	cr_assert_eq(t.tickets, 0);
	cr_assert_eq(t.park.word, 0);
}

/* Bells */

TEST(bell, a_ring_ends_the_wait_of_whoever_listened_before)
{
	struct bell b = {0};
	uint32_t heard = bell_listen(&b);

	cr_assert_eq(b.word, WORD(1, 0));
	bell_ring(&b);
	cr_assert_eq(b.word, WORD(1, 1));
	cr_assert_eq(bell_wait(&b, heard, LEAT_NEVER), 0);
	cr_assert_eq(b.word, WORD(0, 1));
}

TEST(bell, without_listeners_it_does_not_ring)
{
	struct bell b = {0};

	bell_ring(&b);
	cr_assert_eq(b.word, 0);
	bell_listen(&b);
	bell_leave(&b);
	cr_assert_eq(b.word, 0);
}

TEST(bell, rings_wrap_and_leave_the_listeners_alone)
{
	struct bell b = {WORD(0, UINT32_MAX)};
	uint32_t heard = bell_listen(&b);

	cr_assert_eq(heard, UINT32_MAX);
	bell_ring(&b);
	cr_assert_eq(b.word, WORD(1, 0));
	cr_assert_eq(bell_wait(&b, heard, LEAT_NEVER), 0);
	cr_assert_eq(b.word, 0);
}

TEST(bell, a_deadline_leaves)
{
	struct bell b = {0};
	uint64_t t = leat_after(20 * LEAT_MS);
	uint32_t heard = bell_listen(&b);

	errno = 4711;
	cr_assert_eq(bell_wait(&b, heard, t), -ETIMEDOUT);
	cr_assert_geq(leat_now(), t);
	cr_assert_eq(b.word, 0);
	cr_assert_eq(errno, 4711);
}

struct round {
	struct bell bell;
	uint64_t at; /* whose turn it is */
};

/* Each waits for a number of its own: every ring must reach everybody. */
static void wait_own_turn(void *arg, size_t i)
{
	struct round *r = arg;

	for (uint64_t turn = i; turn < 4000; turn += 4) {
		while (look(&r->at) != turn) {
			uint32_t heard = bell_listen(&r->bell);

			if (look(&r->at) == turn)
				bell_leave(&r->bell);
			else
				bell_wait(&r->bell, heard, LEAT_NEVER);
		}
		count_up(&r->at);
		bell_ring(&r->bell);
	}
}

TEST(bell, every_ring_reaches_everybody)
{
	struct round r = {{0}, 0};

	with_threads(4, wait_own_turn, &r);
	cr_assert_eq(r.at, 4000);
	cr_assert_eq(r.bell.word >> 32, 0);
}
