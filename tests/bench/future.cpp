/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that return futures, as C++ has them:
 *
 *	future	a pool of threads that takes packaged tasks from a queue
 *	async	std::async, with ASYNC set; 64 calls at a time, as each of
 *		them has a thread of its own
 */
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

#include "bench.h"

#define AT_ONCE 64

class pool
{
	std::vector<std::thread> threads;
	std::queue<std::function<void()>> tasks;
	std::mutex lock;
	std::condition_variable wake;
	bool ending = false;

	void run()
	{
		for (;;) {
			std::unique_lock<std::mutex> held(lock);

			wake.wait(held,
				[this] { return ending || !tasks.empty(); });
			if (tasks.empty())
				return;
			auto task = std::move(tasks.front());
			tasks.pop();
			held.unlock();
			task();
		}
	}

      public:
	explicit pool(unsigned n)
	{
		while (n--)
			threads.emplace_back([this] { run(); });
	}

	std::future<uint64_t> call(uint64_t i)
	{
		auto task = std::make_shared<std::packaged_task<uint64_t()>>(
			[i] { return middle_work(source(i)); });
		auto result = task->get_future();

		{
			std::lock_guard<std::mutex> held(lock);

			tasks.emplace([task] { (*task)(); });
		}
		wake.notify_one();
		return result;
	}

	~pool()
	{
		{
			std::lock_guard<std::mutex> held(lock);

			ending = true;
		}
		wake.notify_all();
		for (auto &t : threads)
			t.join();
	}
};

static void pool_calls(uint64_t *results)
{
	pool workers(job.workers);
	std::vector<std::future<uint64_t>> futures;

	futures.reserve(job.n);
	for (uint64_t i = 0; i < job.n; i++)
		futures.push_back(workers.call(i));
	for (uint64_t i = 0; i < job.n; i++)
		results[i] = futures[i].get();
}

static void async_calls(uint64_t *results)
{
	std::future<uint64_t> futures[AT_ONCE];

	for (uint64_t i = 0; i < job.n + AT_ONCE; i++) {
		auto &f = futures[i % AT_ONCE];

		if (i >= AT_ONCE && i - AT_ONCE < job.n)
			results[i - AT_ONCE] = f.get();
		if (i < job.n)
			f = std::async(std::launch::async,
				[i] { return middle_work(source(i)); });
	}
}

static void run_fan()
{
	fan(ASYNC ? async_calls : pool_calls);
}

int main(int argc, char **argv)
{
	static const struct workload table[] = {{"fan", run_fan}, {NULL, NULL}};

	return bench(argc, argv, table);
}
