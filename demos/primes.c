/* SPDX-License-Identifier: BSD-2-Clause */
/* primes: of 1000 large numbers, a star for each that is prime. A call each. */
#include "twin.h"

#define FIRST 1000000000000
#define LAST  1000000000999

static int is_prime(void *in, void *out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)in, d = 2;

	while (d * d <= n && n % d != 0)
		d++;
	*(char *)out = d * d > n ? '*' : '.';
	return 0;
}

static int primes(char *stars)
{
	leat_fan_opts opts = {.fn = is_prime, .out_size = 1};
	leat_fan *fan;
	int rc = leat_fan_open(&fan, &opts), end;

	for (uint64_t n = FIRST; n <= LAST && rc == 0; n++)
		rc = leat_call_into(fan, stars++, &n, sizeof(n));
	end = leat_fan_close(fan);
	return rc < 0 ? rc : end;
}

static void serially(char *stars)
{
	for (uint64_t n = FIRST; n <= LAST; n++)
		is_prime(&n, stars++, NULL);
}

int main(void)
{
	char stars[LAST - FIRST + 2] = "", twins[sizeof(stars)] = "";
	uint64_t start = leat_now();
	double took;
	int rc = primes(stars);

	if (rc < 0) {
		fprintf(stderr, "primes: %s\n", leat_strerror(rc));
		return 1;
	}
	took = since(start);
	start = leat_now();
	serially(twins);
	puts(stars);
	return compare(
		"primes", took, since(start), stars, twins, sizeof(stars));
}
