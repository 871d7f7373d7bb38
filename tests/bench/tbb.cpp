/* SPDX-License-Identifier: BSD-2-Clause */
/* oneTBB: parallel_pipeline with 64 tokens, and a task_group for the calls. */
#include <tbb/parallel_pipeline.h>
#include <tbb/task_group.h>

#include "bench.h"

#define TOKENS 64

using tbb::filter_mode;

static filter_mode in_turn()
{
	return job.ordered ? filter_mode::serial_in_order
			   : filter_mode::serial_out_of_order;
}

static filter_mode middle_mode()
{
	return job.workers > 1 ? filter_mode::parallel : in_turn();
}

/* The chain from a first to a last filter. */
static tbb::filter<void, void> joined(
	tbb::filter<void, uint64_t> chain, tbb::filter<uint64_t, void> last)
{
	for (unsigned s = 2; s < job.stages; s++)
		chain = chain & tbb::make_filter<uint64_t, uint64_t>(
					middle_mode(), &middle);
	return chain & last;
}

static void run_chain()
{
	uint64_t i = 0;
	auto first = [&i](tbb::flow_control &fc) -> uint64_t {
		if (i < job.n)
			return source_work(i++);
		fc.stop();
		return 0;
	};

	tbb::parallel_pipeline(TOKENS,
		joined(tbb::make_filter<void, uint64_t>(
			       filter_mode::serial_in_order, first),
			tbb::make_filter<uint64_t, void>(in_turn(), &sink)));
}

/* With one token the next item starts when the last one has left. */
static void run_latency()
{
	uint64_t *samples = new_samples(), i = 0, start = 0;
	auto first = [&](tbb::flow_control &fc) -> uint64_t {
		if (i == job.n) {
			fc.stop();
			return 0;
		}
		sleep_us(job.k);
		start = now_ns();
		return source_work(i);
	};
	auto last = [&](uint64_t x) {
		sink_work(x);
		samples[i++] = now_ns() - start;
	};

	tbb::parallel_pipeline(
		1, joined(tbb::make_filter<void, uint64_t>(
				  filter_mode::serial_in_order, first),
			   tbb::make_filter<uint64_t, void>(
				   filter_mode::serial_in_order, last)));
	latency_report(samples);
}

static void calls(uint64_t *results)
{
	tbb::task_group group;

	for (uint64_t i = 0; i < job.n; i++)
		group.run([=] { results[i] = middle_work(source(i)); });
	group.wait();
}

static void run_fan()
{
	fan(calls);
}

int main(int argc, char **argv)
{
	static const struct workload table[] = {{"chain", run_chain},
		{"slow", run_chain}, {"ordered", run_chain},
		{"deep", run_chain}, {"wide", run_chain},
		{"latency", run_latency}, {"fan", run_fan}, {NULL, NULL}};

	return bench(argc, argv, table);
}
