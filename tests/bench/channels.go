// SPDX-License-Identifier: BSD-2-Clause

// Goroutines joined by channels, twice: built with "-X main.hand=yes", the
// user gathers 64 items before a send. See bench.h for how it is called.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	queueItems = 1024
	batch      = 64
	window     = 1 << 16 // items in flight in an ordered chain, at most
)

var hand string

// What a channel carries: a word, or a batch of them.
type message interface{ uint64 | []uint64 }

var (
	n              uint64
	k, workers     int
	stages         = 3 // of the chain, source and sink among them
	middleK, sinkK int
	ordered        bool
	sum            uint64
	took           time.Duration
)

//go:noinline
func source(i uint64) uint64 { return i + 1 }

func work(x uint64, k int) uint64 {
	for i := 0; i < k; i++ {
		x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9
	}
	return x
}

//go:noinline
func middle(x uint64) uint64 {
	if ordered && x%100 == 0 {
		return work(x, 50*middleK)
	}
	return work(x, middleK)
}

//go:noinline
func sink(x uint64) {
	x = work(x, sinkK)
	if ordered {
		sum = sum*0x9E3779B97F4A7C15 + x
	} else {
		sum += x
	}
}

// stage starts the workers of a stage; the last one closes its output.
func stage[T message](in chan T, run func(T) T) chan T {
	out := make(chan T, cap(in))
	left := int32(workers)
	for i := 0; i < workers; i++ {
		go func() {
			for m := range in {
				out <- run(m)
			}
			if atomic.AddInt32(&left, -1) == 0 {
				close(out)
			}
		}()
	}
	return out
}

func middles[T message](in chan T, run func(T) T) chan T {
	for s := 2; s < stages; s++ {
		in = stage(in, run)
	}
	return in
}

func chain() {
	in := make(chan uint64, queueItems)
	out := middles(in, middle)
	go func() {
		for i := uint64(0); i < n; i++ {
			in <- source(i)
		}
		close(in)
	}()
	for x := range out {
		sink(x)
	}
}

// In an ordered chain the items are places; what was made of them lies in a
// window, and the sink goes through it in order. The source keeps within it.
func chainInOrder() {
	var made [window]uint64
	var arrived [window]bool
	in := make(chan uint64, queueItems)
	var sunk uint64
	out := middles(in, func(i uint64) uint64 {
		made[i%window] = middle(source(i))
		return i
	})
	go func() {
		for i := uint64(0); i < n; i++ {
			for i-atomic.LoadUint64(&sunk) >= window {
				runtime.Gosched()
			}
			in <- i
		}
		close(in)
	}()
	next := uint64(0)
	for i := range out {
		arrived[i%window] = true
		for ; arrived[next%window]; next++ {
			arrived[next%window] = false
			sink(made[next%window])
		}
		atomic.StoreUint64(&sunk, next)
	}
}

func middleBatch(b []uint64) []uint64 {
	for i, x := range b {
		b[i] = middle(x)
	}
	return b
}

func least(a, b uint64) uint64 {
	if a < b {
		return a
	}
	return b
}

// batches calls with [i, end) for each batch of the items.
func batches(do func(i, end uint64)) {
	for i := uint64(0); i < n; i += batch {
		do(i, least(i+batch, n))
	}
}

func chainByHand() {
	in := make(chan []uint64, queueItems/batch)
	out := middles(in, middleBatch)
	go func() {
		batches(func(i, end uint64) {
			b := make([]uint64, 0, batch)
			for ; i < end; i++ {
				b = append(b, source(i))
			}
			in <- b
		})
		close(in)
	}()
	for b := range out {
		for _, x := range b {
			sink(x)
		}
	}
}

func latency() {
	in := make(chan uint64, queueItems)
	out := middles(in, middle)
	samples := make([]int, n)
	for i := range samples {
		if k > 0 {
			time.Sleep(time.Duration(k) * time.Microsecond)
		}
		start := time.Now()
		in <- source(uint64(i))
		sink(<-out)
		samples[i] = int(time.Since(start))
	}
	sort.Ints(samples)
	report(float64(samples[n/2]),
		fmt.Sprintf(" p99=%d", samples[n-1-n/100]))
	close(in)
}

// pool has the workers do what is sent, and times it.
func pool[T any](size int, send func(chan T), do func(T)) {
	var done sync.WaitGroup
	start := time.Now()
	in := make(chan T, size)
	for i := 0; i < workers; i++ {
		done.Add(1)
		go func() {
			for x := range in {
				do(x)
			}
			done.Done()
		}()
	}
	send(in)
	close(in)
	done.Wait()
	took = time.Since(start)
}

func fan() {
	results := make([]uint64, n)
	for i := range results {
		results[i] = 1
	}
	if hand == "" {
		pool(queueItems, func(in chan uint64) {
			for i := uint64(0); i < n; i++ {
				in <- i
			}
		}, func(i uint64) { results[i] = middle(source(i)) })
	} else {
		pool(queueItems/batch, func(in chan [2]uint64) {
			batches(func(i, end uint64) {
				in <- [2]uint64{i, end}
			})
		}, func(r [2]uint64) {
			for i := r[0]; i < r[1]; i++ {
				results[i] = middle(source(i))
			}
		})
	}
	for _, x := range results {
		sum += x
	}
}

func report(ns float64, more string) {
	fmt.Printf("ns=%.3f sum=%016x%s\n", ns, sum, more)
	io.Copy(io.Discard, os.Stdin)
}

func number(i int) int {
	x, err := strconv.Atoi(os.Args[i])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return x
}

// read takes the job from the command line.
func read() string {
	workload := os.Args[1]
	n, k, workers = uint64(number(2)), number(3), number(4)
	ordered = workload == "ordered"
	switch workload {
	case "latency":
		stages = 5
	case "slow":
		sinkK = k
	case "deep":
		stages, workers = workers, 1
	case "wide":
		stages, middleK = 8, k
	default:
		middleK = k
	}
	return workload
}

func main() {
	byWorkload := map[string]func(){"chain": chain, "slow": chain,
		"ordered": chainInOrder, "deep": chain, "wide": chain, "fan": fan,
		"latency": latency}
	if hand != "" {
		byWorkload = map[string]func(){"chain": chainByHand,
			"slow": chainByHand, "deep": chainByHand,
			"wide": chainByHand, "fan": fan}
	}
	workload := read()
	run := byWorkload[workload]
	if run == nil {
		os.Exit(3)
	}
	start := time.Now()
	run()
	if workload == "latency" {
		return
	}
	if took == 0 {
		took = time.Since(start)
	}
	report(float64(took)/float64(n), "")
}
