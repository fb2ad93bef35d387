//! CPU time and peak memory of this process, from `/proc`.

use std::time::Duration;

/// What the process has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) rss_bytes: u64,
}

/// Linux counts CPU time for `/proc` in hundredths of a second on every platform we run on.
const TICK: Duration = Duration::from_millis(10);

/// Use so far; zero where there is no `/proc`.
pub(crate) fn usage() -> Usage {
    read().unwrap_or_default()
}

fn read() -> Option<Usage> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command's name may hold anything, but it ends with the last `)`.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<u32>().ok();
    let cpu = TICK * (ticks(11)? + ticks(12)?);
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
    Some(Usage { cpu, rss_bytes: kib << 10 })
}

/// Forgets the peak so far, so that each query has its own.
pub(crate) fn reset_peak() {
    // Without the right to do so, the peak is that of all queries so far.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
