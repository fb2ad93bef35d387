//! Worker processes of a platform, found as its control plane finds them: by the locks they hold.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Process ids of living workers by qualified job name.
///
/// A lock file names its holder; one that nobody holds may still name the last one, so the process
/// must also be a `millrace worker`.
pub fn workers(data: &Path) -> BTreeMap<String, u32> {
    let Ok(folders) = std::fs::read_dir(data.join("run")) else { return BTreeMap::new() };
    folders.flatten().filter_map(|folder| worker(&folder.path())).collect()
}

fn worker(folder: &Path) -> Option<(String, u32)> {
    let name = std::fs::read_to_string(folder.join("name")).ok()?;
    let lock = std::fs::read_to_string(folder.join("lock")).ok()?;
    let pid: u32 = lock.split(' ').nth(1)?.trim().parse().ok()?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let folder = folder.file_name()?.to_str()?;
    let ours = String::from_utf8_lossy(&command).contains(folder);
    ours.then(|| (name.trim().to_owned(), pid))
}

/// Ends a worker at once (SIGKILL). It may be gone already.
pub fn kill_worker(pid: u32) {
    let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).output();
}

/// Ends all workers of a platform, for tests that are over, whatever came of them.
pub(crate) fn kill_all(data: &Path) {
    // A control plane that still lives would start them again: it is gone before its site is.
    workers(data).into_values().for_each(kill_worker);
}
