//! What the kernel says about this process, read when `/metrics` is.

use std::fmt::Write;
use std::fs;

use super::metrics::head;

/// Metrics of the process, under the names Prometheus clients use everywhere: name, type, meaning.
/// One that cannot be read on this system is left out.
pub const PROCESS_METRICS: [(&str, &str, &str); 5] = [
    ("process_resident_memory_bytes", "gauge", "Resident memory (RSS) in bytes."),
    ("process_open_fds", "gauge", "Open file descriptors."),
    ("process_max_fds", "gauge", "Most file descriptors the process may open."),
    ("process_threads", "gauge", "Threads."),
    ("process_cpu_seconds_total", "counter", "User and system CPU time in seconds."),
];

/// What the process takes of the machine; what cannot be read on this system is 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ProcessUsage {
    /// User and system CPU time in seconds.
    pub cpu_seconds: f64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
}

/// What this process takes now.
pub fn process_usage() -> ProcessUsage {
    let [rss, _, _, _, cpu] = read();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number of kibibytes"
    )]
    let rss_bytes = rss.unwrap_or_default() as u64;
    ProcessUsage { cpu_seconds: cpu.unwrap_or_default(), rss_bytes }
}

pub(super) fn render(text: &mut String) {
    for ((name, kind, help), value) in PROCESS_METRICS.into_iter().zip(read()) {
        if let Some(value) = value {
            head(text, name, kind, help);
            let _ = writeln!(text, "{name} {value}");
        }
    }
}

fn read() -> [Option<f64>; 5] {
    let file = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let (status, limits, stat) = (file("status"), file("limits"), file("stat"));
    let first_number = |text: &str, line: &str| {
        let rest = text.lines().find_map(|l| l.strip_prefix(line))?;
        rest.split_ascii_whitespace().next()?.parse::<f64>().ok()
    };
    // One of the entries is the handle that reads the folder.
    let fds = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1));
    [
        first_number(&status, "VmRSS:").map(|kib| kib * 1024.0),
        fds.and_then(|n| u32::try_from(n).ok()).map(f64::from),
        first_number(&limits, "Max open files"),
        first_number(&status, "Threads:"),
        cpu_seconds(&stat),
    ]
}

/// Fields 14 and 15 of `/proc/self/stat`, in ticks. The kernel shows user space 100 ticks a second
/// on every Linux it supports today.
fn cpu_seconds(stat: &str) -> Option<f64> {
    // The second field is the program's name in parentheses and may itself hold spaces.
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_program_name() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_documented_metric_is_read_on_linux() {
        let values = read();
        assert!(values.iter().all(Option::is_some), "{values:?}");
        assert!(values[0] > Some(1e6) && values[1] > Some(2.0), "{values:?}");
    }
}
