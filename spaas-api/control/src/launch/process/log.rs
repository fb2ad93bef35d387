//! A log file that is put aside when it is full, and the oldest of those that were removed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::stdio::{dup2_stderr, dup2_stdout};
use serde::{Deserialize, Serialize};

/// How much of a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// Bytes after which the file is put aside. Default 8 MiB.
    pub bytes: u64,
    /// Files that are put aside before the oldest is removed. Default 3.
    pub files: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { bytes: 8 << 20, files: 3 }
    }
}

/// The log at `path`, those put aside at `path.1` (the newest), `path.2`, …
///
/// What is given to one `write` stays in one file, so a line is never torn. The process that logs
/// rotates, not the one that started it: it goes on when the other is gone.
#[derive(Debug)]
pub struct RotatingLog {
    path: PathBuf,
    limits: LogLimits,
    file: File,
    standard_streams: bool,
}

impl RotatingLog {
    /// Opens the log to be written on at its end.
    pub fn open(path: impl Into<PathBuf>, limits: LogLimits) -> io::Result<Self> {
        let path = path.into();
        let file = open(&path)?;
        Ok(Self { path, limits, file, standard_streams: false })
    }

    /// Leads stdout and stderr of this process into the log, and again each time it is put aside.
    pub fn with_standard_streams(mut self) -> io::Result<Self> {
        self.standard_streams = true;
        self.lead_standard_streams()?;
        Ok(self)
    }

    fn lead_standard_streams(&self) -> io::Result<()> {
        if self.standard_streams {
            dup2_stdout(&self.file)?;
            dup2_stderr(&self.file)?;
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..=self.limits.files).rev() {
            let from = rotated(&self.path, number - 1);
            match std::fs::rename(from, rotated(&self.path, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.limits.files == 0 {
            std::fs::remove_file(&self.path)?;
        }
        self.file = open(&self.path)?;
        self.lead_standard_streams()
    }
}

impl Write for RotatingLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Others write to the file too: what the process prints, and the run before this one.
        let size = self.file.metadata()?.len();
        if size > 0 && size.saturating_add(bytes.len() as u64) > self.limits.bytes {
            self.rotate()?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The file that was put aside `number` rotations ago; the log itself for 0.
pub(super) fn rotated(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Opens a log to be written on at its end.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn a_full_log_is_put_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = RotatingLog::open(&path, LogLimits { bytes: 10, files: 2 }).unwrap();
        for line in ["first\n", "second\n", "third\n", "4\n", "fifth\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(text(&path), "fifth\n");
        assert_eq!(text(&rotated(&path, 1)), "third\n4\n");
        assert_eq!(text(&rotated(&path, 2)), "second\n");
        assert!(!rotated(&path, 3).exists());
    }

    #[test]
    fn a_log_goes_on_where_the_last_run_left_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let limits = LogLimits { bytes: 12, files: 0 };
        RotatingLog::open(&path, limits).unwrap().write_all(b"first\n").unwrap();
        let mut log = RotatingLog::open(&path, limits).unwrap();
        log.write_all(b"second\n").unwrap();
        assert_eq!(text(&path), "second\n", "both do not fit, and none is kept aside");
        log.write_all(b"3\n").unwrap();
        assert_eq!(text(&path), "second\n3\n");
    }

    #[test]
    fn a_line_longer_than_the_limit_is_kept_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = RotatingLog::open(&path, LogLimits { bytes: 4, files: 1 }).unwrap();
        log.write_all(b"longer than four\n").unwrap();
        log.write_all(b"b\n").unwrap();
        assert_eq!(text(&rotated(&path, 1)), "longer than four\n");
        assert_eq!(text(&path), "b\n");
    }
}
