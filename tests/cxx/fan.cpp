/* SPDX-License-Identifier: BSD-2-Clause */
/* A C++11 program uses all of a fan. Prints "N passed, N failed". */
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
#include <leat.h>

static int passed, failed;

static void is(const char *what, bool ok)
{
	if (!ok)
		std::printf("FAIL: %s\n", what);
	ok ? passed++ : failed++;
}

static int square(void *in, void *out, leat_worker *w)
{
	std::uint64_t n = *static_cast<std::uint64_t *>(in);

	if (n == 13)
		return leat_error(w, -EDOM, "unlucky");
	n *= n;
	std::memcpy(out, &n, sizeof(n));
	return 0;
}

static leat_fan *open_fan(leat_call_fn fn, void *arg, std::uint32_t flags)
{
	leat_fan_opts opts = leat_fan_opts();
	leat_fan *fan;

	opts.fn = fn;
	opts.arg = arg;
	opts.out_size = sizeof(std::uint64_t);
	opts.workers = 2;
	opts.flags = flags;
	is("open", leat_fan_open(&fan, &opts) == 0);
	return fan;
}

static std::uint64_t result(leat_fan *fan, leat_key key)
{
	void *out;

	if (leat_result(fan, key, &out) < 0)
		return UINT64_MAX;
	return *static_cast<std::uint64_t *>(out);
}

static void results()
{
	leat_fan *fan = open_fan(square, nullptr, 0);
	std::uint64_t five = 5;
	std::string name = "a string as a key";
	leat_done done = leat_done();
	std::uint64_t seen = 0;

	for (std::uint64_t n = 0; n < 100; n++)
		leat_call(fan, leat_u64(n), nullptr, 0);
	leat_call(fan, leat_str(name.c_str()), &five, sizeof(five));
	leat_call(fan, leat_pair(3, 4), &five, sizeof(five));
	is("the first failure", leat_fan_wait(fan) == -EDOM);
	is("by integer", result(fan, leat_u64(12)) == 144);
	is("by string", result(fan, leat_str(name.c_str())) == 25);
	is("by pair", result(fan, leat_pair(3, 4)) == 25);
	while (leat_each(fan, &done) == 0)
		seen++;
	is("each", seen == 102);
	is("failure", leat_fan_failure(fan, &done) == -EDOM &&
			      std::strcmp(done.text, "unlucky") == 0);
	is("close", leat_fan_close(fan) == 0);
}

static int leave(leat_fan *fan, std::uint64_t *slot, int how)
{
	std::uint64_t n = 9;

	LEAT_SYNCHRONIZED(fan)
	{
		leat_call_into(fan, slot, &n, sizeof(n));
		if (how == 1)
			return 1;
		if (how == 2)
			throw std::runtime_error("out");
		if (how == 3)
			break;
	}
	return 0;
}

static void scopes()
{
	leat_fan *fan = open_fan(square, nullptr, 0);

	for (int how = 0; how < 4; how++) {
		std::uint64_t slot = 0;

		try {
			leave(fan, &slot, how);
		} catch (const std::runtime_error &) {
			is("thrown", how == 2);
		}
		is("leaving the block is the barrier", slot == 81);
	}
	leat_fan_close(fan);
}

typedef std::map<std::uint64_t, std::string> names;

static void insert(void *table, const void *value, size_t size)
{
	names *map = static_cast<names *>(table);

	(*map)[map->size()] =
		std::string(static_cast<const char *>(value), size);
}

static int name_it(void *in, void *out, leat_worker *w)
{
	std::string name =
		"n" + std::to_string(*static_cast<std::uint64_t *>(in));

	(void)out;
	return leat_apply(w, insert, leat_arg(w), name.data(), name.size());
}

static void tables()
{
	names map;
	leat_fan *fan = open_fan(name_it, &map, 0);

	for (std::uint64_t n = 0; n < 50; n++)
		leat_call(fan, leat_u64(n), nullptr, 0);
	leat_fan_close(fan);
	is("a map of one's own", map.size() == 50 && map[49] == "n49");
}

static void single()
{
	leat_fan *fan = open_fan(square, nullptr, LEAT_FAN_NEXT);
	leat_call_opts opts = leat_call_opts();
	leat_done done = leat_done();
	leat_handle *h;
	std::vector<std::uint64_t> seen(10);

	opts.handle = &h;
	leat_call_with(fan, leat_u64(0), nullptr, 0, &opts);
	is("a handle", leat_handle_wait(h, &done, LEAT_NEVER) == 0 &&
			       done.code == 0 && leat_handle_done(h));
	leat_handle_free(h);
	for (std::uint64_t n = 1; n < 10; n++)
		leat_call(fan, leat_u64(n), nullptr, 0);
	done = leat_done();
	while (leat_next(fan, &done) == 0)
		seen[leat_done_u64(&done)]++;
	is("as completed", seen == std::vector<std::uint64_t>(10, 1));
	leat_fan_close(fan);
}

int main()
{
	results();
	scopes();
	tables();
	single();
	std::printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
