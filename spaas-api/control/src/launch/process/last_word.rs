//! What a process that died said last, without what Rust adds to it.

use std::io;
use std::path::Path;

use super::read_log::last_lines;

/// Lines at the end of a log among which it is looked for: a backtrace, which `RUST_BACKTRACE` asks
/// for, has two for each of its frames.
const LINES: usize = 400;

/// The last line of the log at `path` that tells something.
pub(super) fn of(path: &Path, files: u32) -> io::Result<Option<String>> {
    let (mut lines, reader) = last_lines(path, files, LINES)?;
    lines.extend(reader.unended());
    Ok(lines.into_iter().rfind(|line| !is_added(line)))
}

/// Whether Rust adds such a line to the words of a thread that panics or a process that aborts: a
/// note, or part of a backtrace.
fn is_added(line: &str) -> bool {
    let words = line.trim_start();
    let numbered = words.split_once(": ").is_some_and(|(n, _)| n.parse::<u32>().is_ok());
    let frame = line.starts_with(' ') && (numbered || words.starts_with("at "));
    frame || line.starts_with("note: ") || line.starts_with("stack backtrace:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtrace_and_its_note_are_not_the_last_word() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let said = "2026-11-21T10:00:00Z  INFO the run begins
memory allocation of 1073741824 bytes failed
stack backtrace:
   0: std::alloc::rust_oom::{{closure}}
             at /rustc/library/std/src/alloc.rs:400:5
  12: main
             at ./src/main.rs:7:1
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
";
        std::fs::write(&log, said).unwrap();
        let last = of(&log, 1).unwrap();
        assert_eq!(last.as_deref(), Some("memory allocation of 1073741824 bytes failed"));
        std::fs::write(&log, "at 7: the disk is full").unwrap();
        assert_eq!(of(&log, 1).unwrap().as_deref(), Some("at 7: the disk is full"));
    }
}
