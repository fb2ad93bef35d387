//! The memory of a worker that no cgroup limits: what it may map, and a look at what it uses.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

/// What a process maps and hardly touches, and the kernel counts all the same: stacks of threads
/// (two to eight mebibytes each, and a job with a few sources and feeds has a hundred threads of
/// the Kafka client) and the pools of the allocator.
const MAPPED_ONLY: u64 = 2 << 30;
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// What Rust says before it aborts because an allocation has failed.
const ALLOCATION_FAILED: &str = "memory allocation of ";

/// An allocation far beyond `most` fails, however fast it comes.
pub(super) fn limit(most: u64) -> io::Result<()> {
    let most = Some(most.saturating_add(MAPPED_ONLY));
    Ok(setrlimit(Resource::Data, Rlimit { current: most, maximum: most })?)
}

/// Returns, in words, once this process uses more than `most`.
pub(super) async fn exceeded(most: u64) -> String {
    loop {
        if let Some(used) = used().filter(|used| *used > most) {
            let (used, most) = (used >> 20, most >> 20);
            return format!("out of memory: it used {used} MiB and may use {most} MiB");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Bytes that this process has written to; its code, which others share, does not count.
fn used() -> Option<u64> {
    used_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn used_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Whether this is the last line of a process that died because an allocation failed.
pub(crate) fn is_last_word(line: &str) -> bool {
    line.starts_with(ALLOCATION_FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_what_was_written_to() {
        let status = "VmData:\t  900000 kB\nVmRSS:\t   80000 kB\nRssAnon:\t   1024 kB\n";
        assert_eq!(used_of(status), Some(1 << 20));
        assert_eq!(used_of("VmRSS:\t 80000 kB\n"), None);
        assert!(used().is_some_and(|used| used > 1 << 10), "of this process");
    }

    #[tokio::test]
    async fn whoever_uses_too_much_is_told_how_much() {
        let why = exceeded(1 << 10).await;
        assert!(why.starts_with("out of memory: it used "), "{why}");
    }
}
