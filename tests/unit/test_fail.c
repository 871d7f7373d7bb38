/* SPDX-License-Identifier: BSD-2-Clause */
/* Failures: codes and texts, the first one kept, reports. */
#include <limits.h>
#include <stdio.h>
#include "stages/fail.h"
#include "tests/unit/unit.h"

#define CODE(name, value, text) {name, value, text},

TEST(fail, every_own_code_has_its_text)
{
	static const struct {
		int code, value;
		const char *text;
	} codes[] = {LEAT_ERRORS(CODE)};

	EACH(i, codes)
	{
		cr_assert_eq(codes[i].code, codes[i].value);
		cr_assert_lt(codes[i].code, -4096);
		cr_assert_str_eq(leat_strerror(codes[i].code), codes[i].text);
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(codes[i].code, codes[k].code);
	}
}

TEST(fail, errno_codes_have_the_systems_text)
{
	cr_assert_str_eq(leat_strerror(0), "Success");
	for (int i = 1; i < 133; i++)
		if (strerrordesc_np(i) != NULL)
			cr_assert_str_eq(leat_strerror(-i), strerrordesc_np(i));
}

TEST(fail, other_codes_are_unknown)
{
	static const int codes[] = {1, 4, EIO, INT_MAX, INT_MIN, -4095, -4096,
		-20000, -20010, -1000000};

	EACH(i, codes)
	{
		cr_assert_str_eq(leat_strerror(codes[i]), "unknown error");
	}
}

TEST(fail, the_version_is_three_numbers)
{
	int a, b, c, end = 0;

	cr_assert_eq(sscanf(leat_version(), "%d.%d.%d%n", &a, &b, &c, &end), 3);
	cr_assert_eq(leat_version()[end], '\0');
}

TEST(fail, names_and_texts_are_shortened)
{
	char longer[500];
	leat_report r;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	report_name(&r, longer);
	report_text(&r, "%s%d", longer, 5);
	cr_assert_eq(strlen(r.stage), sizeof(r.stage) - 1);
	cr_assert_eq(strlen(r.text), sizeof(r.text) - 1);
}

static void note(void *arg, size_t i)
{
	leat_report r = {.code = -1 - (int)i, .seq = i};

	for (int k = 0; k < 1000; k++)
		fail_note(arg, &r, false);
}

TEST(fail, the_first_of_many_is_kept_and_the_others_are_counted)
{
	struct fail f;
	leat_report r = {.code = -4711, .more = 99}, got;

	cr_assert_eq(fail_init(&f), 0);
	cr_assert_eq(fail_get(&f, &got), 0);
	cr_assert_eq(got.code, 0);
	fail_note(&f, &r, false);
	with_threads(4, note, &f);
	cr_assert_eq(fail_get(&f, NULL), -4711);
	cr_assert_eq(fail_get(&f, &got), -4711);
	cr_assert_eq(got.more, 4000);
	cr_assert_eq(fail_end(&f), 0);
	fail_fini(&f);
}

/* Through a chain */

static int third_fails(void *in, void **out, leat_worker *w)
{
	uint64_t n = item_n(in);

	*out = in;
	if (n % 3 != 2)
		return 0;
	return leat_error(w, -1000 - (int)n, "item %lu, attempt %u",
		(unsigned long)n, leat_attempt(w));
}

TEST(fail, the_report_names_row_item_attempt_and_text)
{
	leat_stage rows[2] = {
		{.name = "first", .fn = pass},
		{.name = "a name of more than thirty-one characters",
			.fn = third_fails,
			.workers = 1,
			.retries = 2,
			.on_error = LEAT_SKIP},
	};
	leat_report r = {.code = 1}, own;
	leat_opts opts = {.free_in = item_free, .report = &r};
	leat_chain *c;

	rows[0].workers = 1;
	c = open_chain(rows, 2, &opts);
	cr_assert_eq(r.code, 0, "cleared by open");
	cr_assert_eq(r.row, 0);
	cr_assert_str_eq(r.stage, "");
	cr_assert_eq(leat_failure(c, &own), 0);
	cr_assert_eq(own.text[0], '\0');
	push_items(c, 0, 10);
	cr_assert_eq(leat_wait(c), 0);
	cr_assert_eq(leat_failure(c, &own), -1002);
	cr_assert_eq(chain_close(c), -1002);
	cr_assert_eq(memcmp(&r, &own, sizeof(r)), 0);
	cr_assert_eq(r.code, -1002);
	cr_assert_eq(r.row, 1);
	cr_assert_str_eq(r.stage, "a name of more than thirty-one ");
	cr_assert_eq(r.seq, 2);
	cr_assert_eq(r.attempt, 2);
	cr_assert_eq(r.more, 2);
	cr_assert_str_eq(r.text, "item 2, attempt 2");
}

/* A text belongs to the code it was given for. */
static int say_one_fail_with_another(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	leat_error(w, -EIO, "that was it");
	return item_n(in) == 0 ? -ENOSPC : 0;
}

TEST(fail, a_text_is_for_the_code_it_was_given_for)
{
	leat_stage row = {
		.name = "a", .fn = say_one_fail_with_another, .workers = 1};
	leat_chain *c = single(row, 0);

	push_items(c, 0, 1);
	cr_assert_eq(chain_close(c), -ENOSPC);
	cr_assert_str_eq(unit_report.text, leat_strerror(-ENOSPC));
	c = single(row, 0);
	push_items(c, 1, 5);
	cr_assert_eq(chain_close(c), 0);
}

static uint64_t letters;

static int dead_letter(void *item, const leat_report *r, void *arg)
{
	bits_set(arg, item_n(item));
	check(r->seq == item_n(item));
	check(r->code == -1000 - (int)r->seq);
	check(r->row == 0);
	check(strcmp(r->stage, "a") == 0);
	check(strncmp(r->text, "item ", 5) == 0);
	count_up(&letters);
	return 0;
}

TEST(fail, with_skip_every_failed_item_is_shown_once_and_the_rest_goes_on)
{
	static const uint32_t workers[] = {1, 2, 7};

	EACH(i, workers)
	{
		struct bits seen = bits_open(1000);
		leat_stage row = {.name = "a",
			.fn = third_fails,
			.workers = workers[i],
			.on_error = LEAT_SKIP};
		leat_opts opts = {.free_in = item_free,
			.failed = dead_letter,
			.failed_arg = &seen,
			.report = &unit_report};
		leat_chain *c = open_chain(&row, 1, &opts);
		leat_counts s;

		letters = 0;
		push_items(c, 0, 1000);
		cr_assert_eq(leat_wait(c), 0);
		leat_stats(c, &s, 1);
		cr_assert_eq(s.failed, 333);
		cr_assert_eq(s.done, 667);
		chain_balance(c);
		cr_assert_lt(chain_close(c), 0);
		cr_assert_eq(letters, 333);
		cr_assert_eq(bits_count(&seen), 333);
		cr_assert_eq(unit_report.more, 332);
		free(seen.word);
	}
}

TEST(fail, with_stop_the_first_failure_ends_the_chain)
{
	static const uint32_t workers[] = {1, 2, 7};

	EACH(i, workers)
	{
		leat_stage row = {.name = "a",
			.fn = third_fails,
			.workers = workers[i],
			.queue = 4};
		leat_chain *c = single(row, 0);
		uint64_t n = 0;
		int rc;

		for (;;) {
			void *item = item_make(n++);

			rc = leat_push(c, item);
			if (rc == 0)
				continue;
			item_free(item);
			break;
		}
		cr_assert_eq(rc, -ECANCELED);
		rc = leat_failure(c, NULL);
		cr_assert(rc < -1000 && (-1000 - rc) % 3 == 2);
		cr_assert_eq(leat_wait(c), rc);
		cr_assert_eq(chain_close(c), rc);
	}
}

/* Fails with the code that the item says. */
static int fail_as_told(void *in, void **out, leat_worker *w)
{
	(void)out;
	(void)w;
	return -(int)item_n(in);
}

static leat_chain *skip_then(int code)
{
	leat_stage rows[2] = {
		{.name = "skips",
			.fn = third_fails,
			.workers = 1,
			.on_error = LEAT_SKIP},
		{.name = "stops", .fn = fail_as_told, .workers = 1},
	};
	leat_opts opts = {.free_in = item_free};
	leat_chain *c = open_chain(rows, 2, &opts);

	push_items(c, 2, 1);
	cr_assert_eq(leat_wait(c), 0);
	cr_assert_eq(leat_failure(c, NULL), -1002);
	if (code != 0)
		push_items(c, (uint64_t)code, 1);
	return c;
}

/* A failure that ends the chain counts for more than one that was skipped. */
TEST(fail, the_one_that_ended_the_chain_is_kept_whatever_was_skipped_before)
{
	leat_chain *c = skip_then(ENOSPC);
	leat_report r;

	cr_assert_eq(leat_wait(c), -ENOSPC);
	cr_assert_eq(leat_failure(c, &r), -ENOSPC);
	cr_assert_eq(r.row, 1);
	cr_assert_str_eq(r.stage, "stops");
	cr_assert_eq(r.more, 1);
	cr_assert_eq(chain_close(c), -ENOSPC);
}

TEST(fail, a_wait_that_is_cancelled_says_so_whatever_was_skipped_before)
{
	leat_chain *c = skip_then(0);

	leat_cancel(c);
	cr_assert_eq(leat_wait(c), -ECANCELED);
	cr_assert_eq(chain_close(c), -1002);
}

static uint64_t interrupted;

static int fail_when_stopped(void *in, void **out, leat_worker *w)
{
	(void)in;
	(void)out;
	count_up(&interrupted);
	while (!leat_stopping(w))
		sched_yield();
	return -EINTR;
}

TEST(fail, what_fails_since_it_is_cancelled_has_not_ended_the_chain)
{
	leat_stage row = {.name = "a", .fn = fail_when_stopped, .workers = 1};
	leat_chain *c = single(row, 0);
	leat_report r;

	push_items(c, 0, 1);
	await_at_least(&interrupted, 1);
	leat_cancel(c);
	while (leat_failure(c, &r) == 0)
		sched_yield();
	cr_assert_eq(r.code, -EINTR);
	cr_assert_eq(leat_wait(c), -ECANCELED);
	cr_assert_eq(chain_close(c), -EINTR);
}
