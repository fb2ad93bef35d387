//! What the kernel says of this process.

use std::fs;
use std::time::Duration;

/// CPU-seconds of the threads whose name begins with `name`.
pub(crate) fn cpu_seconds(name: &str) -> f64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of = |task: fs::DirEntry| {
        let comm = fs::read_to_string(task.path().join("comm")).ok()?;
        // Nanoseconds; `stat` counts in hundredths of a second.
        let sched = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanos = sched.split_ascii_whitespace().next()?.parse::<f64>().ok()?;
        comm.starts_with(name).then_some(nanos / 1e9)
    };
    tasks.filter_map(of).sum()
}

/// Resident bytes.
pub(crate) fn rss() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// Processes that wanted to run in the last minute.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// A place of a sorted list, in milliseconds.
pub(crate) fn at(sorted: &[Duration], per_mille: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * per_mille / 1000).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}
