//! What the kernel says of this process.

use std::fs;
use std::time::Duration;

/// CPU-seconds of the threads whose name begins with `name`, dead ones left out; of all, for "".
pub(crate) fn cpu_seconds(name: &str) -> f64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        let (head, rest) = stat.rsplit_once(')')?;
        let ours = head.split_once('(')?.1.starts_with(name);
        let mut fields = rest.split_ascii_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<f64>().ok();
        ours.then_some((ticks()? + ticks()?) / 100.0)
    };
    tasks.filter_map(of).sum()
}

/// CPU-seconds of the thread that asks.
pub(crate) fn cpu_seconds_of_this_thread() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split_ascii_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok());
    nanos.unwrap_or_default() / 1e9
}

/// How many threads wanted to run in the last minute.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_ascii_whitespace().next().unwrap_or_default().to_owned()
}

/// Resident memory in MiB.
pub(crate) fn rss_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

/// Median and tail, as text.
pub(crate) fn percentiles(took: &mut [Duration]) -> String {
    took.sort_unstable();
    let at = |per_mille: usize| match took.len() {
        0 => 0.0,
        len => took[(len - 1) * per_mille / 1000].as_secs_f64() * 1e6,
    };
    format!("p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us", at(500), at(990), at(999))
}
