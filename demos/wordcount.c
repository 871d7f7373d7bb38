/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wordcount [FILE]: how often each word comes in a text. A word always goes
 * to the same counter, which is therefore alone with its count: no lock.
 *
 *	cut lines -> cut words x2 -> count x4, by word -> gather
 *
 * Items are pointers into the text, until the counters are at the end of it
 * and send what they counted.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "twin.h"

enum { SLOTS = 4096, TOP = 8 };

struct count {
	struct count *next;
	unsigned long n;
	const char *word; /* in the text */
};

struct counter {
	struct count *slots[SLOTS];
};

static uint64_t hash(const void *word, void *arg)
{
	uint64_t h = 14695981039346656037u;

	(void)arg;
	for (const char *s = word; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return h ^ h >> 29;
}

static struct count *find(struct counter *counter, const char *word)
{
	struct count **at = &counter->slots[hash(word, NULL) % SLOTS];

	while (*at != NULL && strcmp((*at)->word, word) != 0)
		at = &(*at)->next;
	if (*at == NULL && (*at = calloc(1, sizeof(**at))) != NULL)
		(*at)->word = word;
	return *at;
}

static struct count *take(struct counter *counter, int slot)
{
	struct count *count = counter->slots[slot];

	if (count != NULL)
		counter->slots[slot] = count->next;
	return count;
}

static void counter_close(void *state)
{
	struct counter *counter = state;

	for (int i = 0; i < SLOTS; i++)
		for (struct count *c; (c = take(counter, i)) != NULL;)
			free(c);
	free(counter);
}

/* Cuts the next word off a line; NULL at its end. */
static char *next_word(char **line)
{
	char *word;

	while (**line != '\0' && !isalpha((unsigned char)**line))
		++*line;
	word = *line;
	for (; isalpha((unsigned char)**line); ++*line)
		**line = tolower((unsigned char)**line);
	if (**line != '\0')
		*(*line)++ = '\0';
	return *word != '\0' ? word : NULL;
}

static int cut_lines(void *in, void **out, leat_worker *w)
{
	char **rest = leat_arg(w);

	(void)in;
	*out = strsep(rest, "\n");
	return *out != NULL ? 0 : LEAT_END;
}

static int cut_words(void *in, void **out, leat_worker *w)
{
	char *line = in, *word;

	(void)out;
	while ((word = next_word(&line)) != NULL)
		leat_emit(w, word);
	return LEAT_DROP;
}

static int counter_open(void **state, leat_worker *w)
{
	*state = calloc(1, sizeof(struct counter));
	return *state != NULL ? 0 : leat_error(w, -ENOMEM, "out of memory");
}

static int count(void *in, void **out, leat_worker *w)
{
	struct count *count = find(leat_state(w), in);

	(void)out;
	if (count == NULL)
		return -ENOMEM;
	count->n++;
	return LEAT_DROP;
}

static int send_counts(leat_worker *w)
{
	for (int i = 0; i < SLOTS; i++)
		for (struct count *c; (c = take(leat_state(w), i)) != NULL;)
			leat_emit(w, c);
	return 0;
}

/* What came of it; the gather stage has one worker. */
struct result {
	struct counter *serial;
	unsigned long words, different, wrong;
	struct count top[TOP];
};

static void top_put(struct count *top, struct count count)
{
	for (int i = 0; i < TOP; i++) {
		struct count here = top[i];

		if (here.n > count.n ||
			(here.n == count.n && here.word != NULL &&
				strcmp(here.word, count.word) < 0))
			continue;
		top[i] = count;
		count = here;
		if (count.word == NULL)
			return;
	}
}

static int gather(void *in, void **out, leat_worker *w)
{
	struct result *result = leat_arg(w);
	struct count *count = in, *serial = find(result->serial, count->word);

	(void)out;
	result->words += count->n;
	result->different++;
	result->wrong += serial == NULL || serial->n != count->n;
	top_put(result->top, *count);
	return 0;
}

static unsigned long count_serially(struct counter *counter, char *text)
{
	unsigned long words = 0;
	char *line, *word;

	while ((line = strsep(&text, "\n")) != NULL)
		while ((word = next_word(&line)) != NULL) {
			struct count *count = find(counter, word);

			words += count != NULL && ++count->n > 0;
		}
	return words;
}

/* A text in a language of its own, in which some words are common and most
 * are rare, as in any other. */
static char *text_make(size_t words)
{
	char *text = malloc(words * 10 + 1), *at = text;
	uint64_t x = 1;

	for (size_t i = 0; text != NULL && i < words; i++) {
		unsigned pick, length;

		x = x * 6364136223846793005u + 1442695040888963407u;
		pick = (unsigned)(x >> 33) % (1 + (unsigned)(x >> 50) % 4000);
		for (length = 0; length < 2 || pick > 0; length++) {
			*at++ = "ktrslmn"[pick % 7];
			*at++ = "aeiou"[pick / 7 % 5];
			pick /= 35;
		}
		*at++ = i % 12 == 11 ? '\n' : ' ';
	}
	if (text != NULL)
		*at = '\0';
	return text;
}

static char *text_read(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = NULL;
	size_t room = 0;
	ssize_t n;

	if (file == NULL)
		return NULL;
	n = getdelim(&text, &room, '\0', file);
	if (n > 0 && text[n - 1] == '\0') {
		fprintf(stderr, "wordcount: the text has a NUL byte\n");
		exit(1);
	}
	if (n < 0) {
		free(text);
		text = feof(file) ? strdup("") : NULL;
	}
	fclose(file);
	return text;
}

static int count_by_chain(struct result *result, char *text)
{
	leat_stage rows[] = {
		{.name = "cut lines", .source = cut_lines, .arg = &text},
		{"cut words", cut_words, .workers = 2},
		{"count", count, .key = hash, .workers = 4,
			.open = counter_open, .flush = send_counts,
			.close = counter_close, .free_out = free},
		{"gather", gather, .arg = result, .workers = 1},
	};
	leat_report report;
	leat_opts opts = {.report = &report};
	int rc = leat_run(rows, 4, &opts);

	if (rc < 0)
		fprintf(stderr, "wordcount: %s: %s\n", report.stage,
			report.text);
	return rc;
}

int main(int argc, char **argv)
{
	struct result result = {0};
	char *text, *copy;
	unsigned long words;
	int rc;

	if (argc > 2) {
		fprintf(stderr, "Usage: wordcount [FILE]\n");
		return 2;
	}
	text = argc > 1 ? text_read(argv[1]) : text_make(300000);
	copy = text != NULL ? strdup(text) : NULL;
	if (copy == NULL ||
		(result.serial = calloc(1, sizeof(struct counter))) == NULL) {
		perror(argc > 1 ? argv[1] : "wordcount");
		return 1;
	}
	words = count_serially(result.serial, copy);
	rc = count_by_chain(&result, text);
	for (int i = 0; i < TOP && result.top[i].n > 0; i++)
		printf("%8lu %s\n", result.top[i].n, result.top[i].word);
	printf("%lu words, %lu different, %lu counted otherwise than by a "
	       "plain loop\n",
		result.words, result.different, result.wrong);
	counter_close(result.serial);
	free(copy);
	free(text);
	if (rc < 0 || result.wrong > 0 || result.words != words)
		return 1;
	return printed("wordcount");
}
