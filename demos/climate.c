/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * climate [DEGREES]: the mean temperature of each cell of a grid of latitudes
 * and longitudes, DEGREES apart (3). A call for each cell; its result goes
 * straight into the grid. The two loops differ in a single line.
 */
#include <math.h>

#include "twin.h"

enum { DAYS = 365, HOURS = 24, LAT_MOST = 180, LON_MOST = 360 };

struct cell {
	double lat, lon;
};

typedef double grid[LAT_MOST][LON_MOST];

static const double rad = 3.14159265358979323846 / 180;

/* Sunlight in watts per square metre. */
static double sunlight(const struct cell *c, int day, int hour)
{
	double tilt = -23.44 * rad * cos(2 * 180 * rad * (day + 10) / DAYS);
	double turn = (15.0 * hour + c->lon - 180) * rad;
	double height = sin(c->lat * rad) * sin(tilt) +
			cos(c->lat * rad) * cos(tilt) * cos(turn);

	return height > 0 ? 1361 * height : 0;
}

/* Seas keep their warmth; here is where they are, more or less. */
static double inertia(const struct cell *c)
{
	double land = sin(2 * c->lon * rad) + cos(3 * c->lat * rad);

	return land > 0.3 ? 40 : 400;
}

/* A cell warms by the sun and radiates the rest away, hour by hour. */
static double simulate(const struct cell *c)
{
	double kelvin = 288, sum = 0;

	for (int day = 0; day < DAYS; day++)
		for (int hour = 0; hour < HOURS; hour++) {
			double in = 0.7 * sunlight(c, day, hour);
			double out = 3.5e-8 * kelvin * kelvin * kelvin * kelvin;

			kelvin += (in - out) / inertia(c) / 10;
			sum += kelvin;
		}
	return sum / (DAYS * HOURS) - 273.15;
}

static int simulate_cell(void *in, void *out, leat_worker *w)
{
	(void)w;
	*(double *)out = simulate(in);
	return 0;
}

static int by_fan(grid temperature, int step)
{
	leat_fan_opts opts = {.fn = simulate_cell,
		.in_size = sizeof(struct cell),
		.out_size = sizeof(double)};
	leat_fan *fan;
	int rc = leat_fan_open(&fan, &opts), end;

	for (int lat = 0; lat < LAT_MOST; lat += step)
		for (int lon = 0; lon < LON_MOST && rc == 0; lon += step) {
			struct cell c = {lat - 90, lon};

			rc = leat_call_into(
				fan, &temperature[lat][lon], &c, sizeof(c));
		}
	end = leat_fan_close(fan);
	return rc < 0 ? rc : end;
}

static void serially(grid temperature, int step)
{
	for (int lat = 0; lat < LAT_MOST; lat += step)
		for (int lon = 0; lon < LON_MOST; lon += step) {
			struct cell c = {lat - 90, lon};

			temperature[lat][lon] = simulate(&c);
		}
}

/* One letter for each cell, from cold to hot. */
static void draw(grid temperature, int step)
{
	static const char letters[] = " .:-=+*#%@";

	for (int lat = LAT_MOST - 10; lat > 0; lat -= 10) {
		for (int lon = 0; lon < LON_MOST; lon += 6) {
			double t = temperature[lat / step * step]
					      [lon / step * step];
			int i = (int)(t + 60) / 10;

			putchar(letters[i < 0 ? 0 : i > 9 ? 9 : i]);
		}
		putchar('\n');
	}
}

int main(int argc, char **argv)
{
	static grid fans, twins;
	int step = argc > 1 ? to_number(argv[1], 90) : 3;
	uint64_t start = leat_now();
	double took;
	int rc;

	if (step == 0) {
		fprintf(stderr, "Usage: climate [DEGREES], 1 to 90\n");
		return 2;
	}
	rc = by_fan(fans, step);
	if (rc < 0) {
		fprintf(stderr, "climate: %s\n", leat_strerror(rc));
		return 1;
	}
	took = since(start);
	start = leat_now();
	serially(twins, step);
	draw(fans, step);
	return compare(
		"climate", took, since(start), fans, twins, sizeof(fans));
}
