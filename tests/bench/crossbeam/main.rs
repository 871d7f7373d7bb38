// SPDX-License-Identifier: BSD-2-Clause

//! Threads joined by crossbeam's bounded channels. See bench.h for how a
//! program is called.

use crossbeam_channel::{bounded, Receiver, Sender};
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{scope, sleep, yield_now, Scope};
use std::time::{Duration, Instant};

const QUEUE_ITEMS: usize = 1024;
const WINDOW: u64 = 1 << 16; // items in flight in an ordered chain, at most

struct Job {
    workload: String,
    n: u64,
    k: u32,
    workers: u32,
    stages: u32, // of the chain, source and sink among them
    middle_k: u32,
    sink_k: u32,
    ordered: bool,
}

#[inline(never)]
fn source(i: u64) -> u64 {
    i + 1
}

fn work(mut x: u64, k: u32) -> u64 {
    for _ in 0..k {
        x = (x ^ (x >> 29)).wrapping_mul(0xBF58476D1CE4E5B9);
    }
    x
}

#[inline(never)]
fn middle(job: &Job, x: u64) -> u64 {
    if job.ordered && x % 100 == 0 {
        return work(x, 50 * job.middle_k);
    }
    work(x, job.middle_k)
}

#[inline(never)]
fn sink(job: &Job, sum: &mut u64, x: u64) {
    let x = work(x, job.sink_k);
    if job.ordered {
        *sum = sum.wrapping_mul(0x9E3779B97F4A7C15);
    }
    *sum = sum.wrapping_add(x);
}

/// The middle stages; the returned end gives what the last one makes.
fn middles<'s, F>(job: &'s Job, s: &'s Scope<'s, '_>, run: F) -> (Sender<u64>, Receiver<u64>)
where
    F: Fn(u64) -> u64 + Copy + Send + 's,
{
    let (first, mut input) = bounded(QUEUE_ITEMS);
    for _ in 2..job.stages {
        let (sender, receiver) = bounded(QUEUE_ITEMS);
        for _ in 0..job.workers {
            let (from, to) = (input.clone(), sender.clone());
            s.spawn(move || {
                for x in from {
                    to.send(run(x)).unwrap();
                }
            });
        }
        input = receiver;
    }
    (first, input)
}

fn chain(job: &Job) -> u64 {
    let mut sum = 0;
    scope(|s| {
        let (first, last) = middles(job, s, |x| middle(job, x));
        s.spawn(move || {
            for i in 0..job.n {
                first.send(source(i)).unwrap();
            }
        });
        for x in last {
            sink(job, &mut sum, x);
        }
    });
    sum
}

/// In an ordered chain the items are places; what was made of them lies in a
/// window, and the sink goes through it in order. The source keeps within it.
fn chain_in_order(job: &Job) -> u64 {
    let made: Vec<AtomicU64> = (0..WINDOW).map(|_| AtomicU64::new(0)).collect();
    let place = |i: u64| (i % WINDOW) as usize;
    let mut arrived = vec![false; WINDOW as usize];
    let sunk = &AtomicU64::new(0);
    let mut sum = 0;
    scope(|s| {
        let made = &made;
        let (first, last) = middles(job, s, move |i| {
            made[place(i)].store(middle(job, source(i)), Relaxed);
            i
        });
        s.spawn(move || {
            for i in 0..job.n {
                while i - sunk.load(Relaxed) >= WINDOW {
                    yield_now();
                }
                first.send(i).unwrap();
            }
        });
        let mut next = 0;
        for i in last {
            arrived[place(i)] = true;
            while arrived[place(next)] {
                arrived[place(next)] = false;
                sink(job, &mut sum, made[place(next)].load(Relaxed));
                next += 1;
            }
            sunk.store(next, Relaxed);
        }
    });
    sum
}

fn latency(job: &Job) {
    let mut samples = Vec::new();
    let mut sum = 0;
    scope(|s| {
        let (first, last) = middles(job, s, |x| middle(job, x));
        for i in 0..job.n {
            if job.k > 0 {
                sleep(Duration::from_micros(job.k.into()));
            }
            let start = Instant::now();
            first.send(source(i)).unwrap();
            sink(job, &mut sum, last.recv().unwrap());
            samples.push(start.elapsed().as_nanos());
        }
        samples.sort();
        let n = samples.len();
        let p99 = format!(" p99={}", samples[n - 1 - n / 100]);
        report(samples[n / 2] as f64, sum, &p99);
    });
}

fn report(ns: f64, sum: u64, more: &str) {
    println!("ns={:.3} sum={:016x}{}", ns, sum, more);
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn read() -> Job {
    let words: Vec<String> = std::env::args().collect();
    let number = |i: usize| words[i].parse::<u64>().expect("a number");
    let is = |name: &str| words[1] == name;
    let (k, workers) = (number(3) as u32, number(4) as u32);
    Job {
        workload: words[1].clone(),
        n: number(2),
        k,
        workers: if is("deep") { 1 } else { workers },
        stages: match words[1].as_str() {
            "deep" => workers,
            "latency" => 5,
            "wide" => 8,
            _ => 3,
        },
        middle_k: if is("slow") || is("latency") { 0 } else { k },
        sink_k: if is("slow") { k } else { 0 },
        ordered: is("ordered"),
    }
}

fn main() {
    let job = read();
    let start = Instant::now();
    let sum = match job.workload.as_str() {
        "chain" | "slow" | "deep" | "wide" => chain(&job),
        "ordered" => chain_in_order(&job),
        "latency" => return latency(&job),
        _ => std::process::exit(3),
    };
    let ns = start.elapsed().as_nanos() as f64;
    report(ns / job.n as f64, sum, "");
}
