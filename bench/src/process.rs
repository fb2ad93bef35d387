//! CPU time and peak memory of a process, from `/proc`.

use std::process::{Child, ExitStatus};
use std::time::Duration;

/// What a process used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) rss_bytes: u64,
}

/// Linux counts CPU time for `/proc` in hundredths of a second on every platform we run on.
const TICK: Duration = Duration::from_millis(10);

/// Use of `pid` so far; `None` when it is gone.
pub(crate) fn usage(pid: u32) -> Option<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold anything, but it ends with the last `)`.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<u32>().ok();
    let cpu = TICK * (ticks(11)? + ticks(12)?);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
    Some(Usage { cpu, rss_bytes: kib << 10 })
}

/// Waits for the end of `child` and returns what it had used just before.
pub(crate) async fn wait(child: &mut Child) -> anyhow::Result<(ExitStatus, Usage)> {
    let mut last = Usage::default();
    loop {
        if let Some(now) = usage(child.id()).filter(|now| now.cpu >= last.cpu) {
            last = now;
        }
        if let Some(status) = child.try_wait()? {
            return Ok((status, last));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// CPU time of this process.
pub(crate) fn own_cpu() -> Duration {
    usage(std::process::id()).unwrap_or_default().cpu
}
