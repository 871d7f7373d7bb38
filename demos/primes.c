/* SPDX-License-Identifier: BSD-2-Clause */
/* primes: a star for each prime number below 1000, by 1000 concurrent calls. */
#include <stdio.h>
#include <leat.h>

static int is_prime(void *in, void *out, leat_worker *w)
{
	uint64_t n = *(uint64_t *)in, d = 2;

	while (d * d <= n && n % d != 0)
		d++;
	*(char *)out = n >= 2 && d * d > n ? '*' : '.';
	return 0;
}

int main(void)
{
	char stars[1001] = "";
	leat_fan_opts opts = {.fn = is_prime, .out_size = 1};
	leat_fan *fan;
	int rc = leat_fan_open(&fan, &opts);

	for (uint64_t n = 0; n < 1000 && rc == 0; n++)
		rc = leat_call_into(fan, &stars[n], &n, sizeof(n));
	return rc < 0 || leat_fan_close(fan) < 0 || puts(stars) < 0;
}
