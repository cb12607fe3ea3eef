//! Process: what another process has used, from /proc. CPU per thread comes from schedstat, in nanoseconds.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Map, Value, json};

/// CPU seconds by thread name at a moment; threads of the same name are summed.
#[derive(Clone, Default)]
pub(crate) struct Cpu {
    threads: BTreeMap<String, f64>,
    /// utime + stime of the whole process, 10 ms steps, with threads that have ended.
    ticks_s: f64,
}

fn read(path: String) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

impl Cpu {
    /// Pid 0 is "nobody" and uses nothing.
    pub(crate) fn of(pid: u32) -> Self {
        let mut threads = BTreeMap::new();
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let folder = task.path();
            let folder = folder.display();
            let name = read(format!("{folder}/comm")).trim().to_owned();
            let ns: f64 = read(format!("{folder}/schedstat"))
                .split_whitespace()
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or(0.0);
            *threads.entry(name).or_insert(0.0) += ns / 1e9;
        }
        let stat = read(format!("/proc/{pid}/stat"));
        let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: f64 = after
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|word| word.parse::<f64>().ok())
            .sum();
        Self {
            threads,
            ticks_s: ticks / 100.0,
        }
    }

    /// CPU seconds of all threads since `before`.
    pub(crate) fn total_since(&self, before: &Self) -> f64 {
        self.since(before).values().sum()
    }

    fn since(&self, before: &Self) -> BTreeMap<&str, f64> {
        self.threads
            .iter()
            .map(|(name, used)| {
                let then = before.threads.get(name).copied().unwrap_or(0.0);
                (name.as_str(), used - then)
            })
            .collect()
    }

    /// The use since `before`, in seconds.
    pub(crate) fn report(&self, before: &Self) -> Value {
        let threads: Map<String, Value> = self
            .since(before)
            .into_iter()
            .map(|(name, used)| (name.to_owned(), json!(used)))
            .collect();
        json!({
            "total_s": self.total_since(before),
            "utime_stime_s": self.ticks_s - before.ticks_s,
            "threads_s": threads,
        })
    }
}

/// Resident memory of a process in KiB, and its anonymous part.
pub(crate) fn memory(pid: u32) -> Value {
    let status = read(format!("/proc/{pid}/status"));
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let rollup = read(format!("/proc/{pid}/smaps_rollup"));
    let pss = rollup.lines().find(|line| line.starts_with("Pss:"));
    let pss: Option<u64> = pss.and_then(|line| {
        line.split_whitespace()
            .nth(1)
            .and_then(|word| word.parse().ok())
    });
    json!({
        "rss_kib": field("VmRSS:"), "anon_kib": field("RssAnon:"), "pss_kib": pss, "sockets_kib": sockets_kib(),
    })
}

/// Kernel memory of all TCP sockets of this machine (both ends of a connection), in KiB.
fn sockets_kib() -> Option<u64> {
    let text = read("/proc/net/sockstat".to_owned());
    let line = text.lines().find(|line| line.starts_with("TCP:"))?;
    let mut words = line.split_whitespace().skip_while(|&word| word != "mem");
    words.nth(1)?.parse::<u64>().ok().map(|pages| pages * 4)
}

/// Resident memory of a process in KiB, and nothing else: cheap enough to be read often.
pub(crate) fn rss_kib(pid: u32) -> Option<u64> {
    let status = read(format!("/proc/{pid}/status"));
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// How long this thread waited for a cpu each time it was ready to run, in microseconds, on average.
pub(crate) fn own_wait_us() -> f64 {
    let text = read("/proc/thread-self/schedstat".to_owned());
    let mut words = text
        .split_whitespace()
        .skip(1)
        .filter_map(|word| word.parse::<f64>().ok());
    let (waited, turns) = (words.next().unwrap_or(0.0), words.next().unwrap_or(0.0));
    if turns > 0.0 {
        waited / turns / 1e3
    } else {
        0.0
    }
}
