/* SPDX-License-Identifier: BSD-2-Clause */
/* oneTBB's flow graph: a limiter bounds what is under way, and a sequencer
 * restores the order. */
#include <list>
#include <semaphore.h>
#include <tbb/flow_graph.h>

#include "bench.h"

using namespace tbb::flow;

struct item {
	uint64_t seq, x;
};

typedef function_node<item, item> middle_node;

static item through_middle(item v)
{
	return {v.seq, middle_work(v.x)};
}

/* The middle stages; nodes stay where they are as long as the graph. */
struct middles {
	std::list<middle_node> nodes;

	explicit middles(graph &g)
	{
		for (unsigned s = 2; s < job.stages; s++) {
			nodes.emplace_back(g, job.workers, through_middle);
			if (nodes.size() > 1)
				make_edge(*std::prev(nodes.end(), 2),
					nodes.back());
		}
	}
};

static void run_chain()
{
	graph g;
	uint64_t i = 0;
	input_node<item> first(g, [&i](tbb::flow_control &fc) -> item {
		if (i < job.n) {
			item v = {i, source_work(i)};

			i++;
			return v;
		}
		fc.stop();
		return {};
	});
	limiter_node<item> limit(g, QUEUE_ITEMS);
	middles chain(g);
	sequencer_node<item> order(g, [](const item &v) { return v.seq; });
	function_node<item, continue_msg> last(g, serial, [](item v) {
		sink_work(v.x);
		return continue_msg();
	});

	make_edge(first, limit);
	make_edge(limit, chain.nodes.front());
	if (job.ordered) {
		make_edge(chain.nodes.back(), order);
		make_edge(order, last);
	} else {
		make_edge(chain.nodes.back(), last);
	}
	make_edge(last, limit.decrementer());
	first.activate();
	g.wait_for_all();
}

static middle_node *entry;
static uint64_t left;
static sem_t there;

static void push(uint64_t x)
{
	entry->try_put({0, x});
}

static uint64_t pull()
{
	while (sem_wait(&there))
		;
	return left;
}

static void run_latency()
{
	graph g;
	middles chain(g);
	function_node<item> last(g, serial, [](item v) {
		left = v.x;
		sem_post(&there);
	});

	make_edge(chain.nodes.back(), last);
	entry = &chain.nodes.front();
	sem_init(&there, 0, 0);
	latency(push, pull);
	g.wait_for_all();
}

int main(int argc, char **argv)
{
	static const struct workload table[] = {{"chain", run_chain},
		{"slow", run_chain}, {"ordered", run_chain},
		{"deep", run_chain}, {"wide", run_chain},
		{"latency", run_latency}, {NULL, NULL}};

	return bench(argc, argv, table);
}
