//! A cgroup (version 2) that limits the memory of one worker.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The group of a worker.
#[derive(Debug, Clone)]
pub(super) struct Cgroup(PathBuf);

impl Cgroup {
    /// The group `name` under `parent`, whether it is there or not.
    pub(super) fn of(parent: &Path, name: &str) -> Self {
        Self(parent.join(format!("millrace-{name}")))
    }

    /// Makes the group, or finds it, and limits its memory. Fails where groups cannot be made or do
    /// not count memory.
    pub(super) fn limit(&self, bytes: u64) -> io::Result<()> {
        match std::fs::create_dir(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.write("memory.max", bytes)?;
        // Swapping would only make a worker that leaks slow before it dies. Not every kernel swaps.
        let _ = self.write("memory.swap.max", 0);
        Ok(())
    }

    /// Puts a process into the group.
    pub(super) fn add(&self, pid: u32) -> io::Result<()> {
        self.write("cgroup.procs", pid.into())
    }

    /// How many processes of the group the kernel has killed for want of memory.
    pub(super) fn out_of_memory(&self) -> u64 {
        let events = std::fs::read_to_string(self.0.join("memory.events")).unwrap_or_default();
        let killed = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    /// Removes the group, if it is there and empty.
    pub(super) fn remove(&self) {
        let _ = std::fs::remove_dir(&self.0);
    }

    /// Writes to a file that the kernel must have made: a plain folder limits nothing.
    fn write(&self, file: &str, value: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.0.join(file))?;
        file.write_all(value.to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_folder_is_not_taken_for_a_group() {
        let parent = tempfile::tempdir().unwrap();
        let group = Cgroup::of(parent.path(), "job");
        assert_eq!(group.limit(1 << 20).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(group.out_of_memory(), 0);
        group.remove();
        assert!(!parent.path().join("millrace-job").exists());
    }

    #[test]
    fn limit_and_members_are_written_and_kills_are_read() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("millrace-job");
        std::fs::create_dir(&folder).unwrap();
        for file in ["memory.max", "cgroup.procs"] {
            std::fs::write(folder.join(file), "").unwrap();
        }
        std::fs::write(folder.join("memory.events"), "low 0\noom 3\noom_kill 2\n").unwrap();
        let group = Cgroup::of(parent.path(), "job");
        group.limit(1 << 20).unwrap();
        group.add(17).unwrap();
        assert_eq!(std::fs::read_to_string(folder.join("memory.max")).unwrap(), "1048576");
        assert_eq!(std::fs::read_to_string(folder.join("cgroup.procs")).unwrap(), "17");
        assert_eq!(group.out_of_memory(), 2);
    }
}
