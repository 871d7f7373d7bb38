/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nbody [BODIES [STEPS]]: bodies that attract each other (1000, for 20 steps).
 * A step is a wave of calls, one for each body. All of them read where the
 * bodies are, and each has a body for its slot: since a slot is written at the
 * barrier and not before, the bodies need not be kept twice.
 */
#include <limits.h>
#include <math.h>

#include "twin.h"

struct body {
	double x, y, z, vx, vy, vz, mass;
};

struct world {
	int n;
	struct body *body;
};

static const double dt = 0.001;

/* moved is where a body is one step later. */
static struct body moved(const struct world *world, int i)
{
	struct body b = world->body[i];

	for (int k = 0; k < world->n; k++) {
		const struct body *o = &world->body[k];
		double x = o->x - world->body[i].x;
		double y = o->y - world->body[i].y;
		double z = o->z - world->body[i].z;
		double r2 = x * x + y * y + z * z + 0.01;
		double pull = o->mass * dt / (r2 * sqrt(r2));

		b.vx += x * pull;
		b.vy += y * pull;
		b.vz += z * pull;
	}
	b.x += b.vx * dt;
	b.y += b.vy * dt;
	b.z += b.vz * dt;
	return b;
}

static int move_body(void *in, void *out, leat_worker *w)
{
	*(struct body *)out = moved(leat_arg(w), *(int *)in);
	return 0;
}

static int step(leat_fan *fan, struct world *world)
{
	for (int i = 0; i < world->n; i++) {
		int rc = leat_call_into(fan, &world->body[i], &i, sizeof(i));

		if (rc < 0)
			return rc;
	}
	return leat_fan_wait(fan);
}

static int by_fan(struct world *world, int steps)
{
	leat_fan_opts opts = {.fn = move_body,
		.arg = world,
		.in_size = sizeof(int),
		.out_size = sizeof(struct body)};
	leat_fan *fan;
	int rc = leat_fan_open(&fan, &opts);

	if (rc < 0)
		return rc;
	while (steps-- > 0 && rc == 0)
		rc = step(fan, world);
	leat_fan_close(fan);
	return rc;
}

static void serially(struct world *world, int steps)
{
	struct body *next = calloc((size_t)world->n, sizeof(*next));

	while (next != NULL && steps-- > 0) {
		for (int i = 0; i < world->n; i++)
			next[i] = moved(world, i);
		memcpy(world->body, next, (size_t)world->n * sizeof(*next));
	}
	free(next);
}

/* A galaxy: bodies on circles around a heavy one. */
static int make(struct world *world, int n)
{
	world->n = n;
	world->body = calloc((size_t)n, sizeof(*world->body));
	if (world->body == NULL)
		return -1;
	world->body[0].mass = 1000;
	for (int i = 1; i < n; i++) {
		double angle = i * 2.39996, r = 1 + 9 * sqrt((double)i / n);
		double speed = sqrt(1000 / r);

		world->body[i] = (struct body){.x = r * cos(angle),
			.y = r * sin(angle),
			.z = 0.1 * cos(7 * angle),
			.vx = -speed * sin(angle),
			.vy = speed * cos(angle),
			.mass = 1};
	}
	return 0;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? to_number(argv[1], INT_MAX) : 1000;
	int steps = argc > 2 ? to_number(argv[2], INT_MAX) : 20;
	struct world fans, twins;
	uint64_t start;
	double took;
	int rc;

	if (n == 0 || steps == 0) {
		fprintf(stderr, "Usage: nbody [BODIES [STEPS]]\n");
		return 2;
	}
	if (make(&fans, n) < 0 || make(&twins, n) < 0) {
		fprintf(stderr, "nbody: out of memory\n");
		return 1;
	}
	start = leat_now();
	rc = by_fan(&fans, steps);
	took = since(start);
	if (rc < 0) {
		fprintf(stderr, "nbody: %s\n", leat_strerror(rc));
		return 1;
	}
	start = leat_now();
	serially(&twins, steps);
	rc = compare("nbody", took, since(start), fans.body, twins.body,
		(size_t)n * sizeof(struct body));
	free(fans.body);
	free(twins.body);
	return rc;
}
