//! Logs are read without a gap while they are put aside.

use std::io::Write;

use super::*;
use crate::launch::process::{LogLimits, RotatingLog};

fn log(limits: LogLimits) -> (tempfile::TempDir, PathBuf, RotatingLog) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = RotatingLog::open(&path, limits).unwrap();
    (folder, path, log)
}

#[test]
fn the_last_lines_are_found_across_files() {
    let (_folder, path, mut log) = log(LogLimits { bytes: 12, files: 3 });
    for n in 0..8 {
        log.write_all(format!("line{n}\n").as_bytes()).unwrap();
    }
    let (lines, _) = last_lines(&path, 3, 5).unwrap();
    assert_eq!(lines, ["line3", "line4", "line5", "line6", "line7"]);
    assert_eq!(last_lines(&path, 3, 2).unwrap().0, ["line6", "line7"]);
    assert_eq!(last_lines(&path, 3, 0).unwrap().0.len(), 0);
    assert_eq!(last_lines(&path, 3, 100).unwrap().0.len(), 8);
}

#[test]
fn a_follower_misses_nothing_while_the_log_is_put_aside() {
    let (_folder, path, mut log) = log(LogLimits { bytes: 20, files: 4 });
    log.write_all(b"before\n").unwrap();
    let (lines, mut reader) = last_lines(&path, 4, 10).unwrap();
    assert_eq!(lines, ["before"]);
    let (mut read, mut expected) = (Vec::new(), Vec::new());
    for round in 0..20 {
        // Several rotations between two reads, fewer than are kept.
        for n in 0..=round % 5 {
            let line = format!("{round}/{n}");
            log.write_all(format!("{line}\n").as_bytes()).unwrap();
            expected.push(line);
        }
        loop {
            let more = reader.more().unwrap();
            if more.is_empty() && read.len() == expected.len() {
                break;
            }
            read.extend(more);
        }
    }
    assert_eq!(read, expected);
}

#[test]
fn a_line_is_told_once_it_has_an_end() {
    let (_folder, path, mut log) = log(LogLimits::default());
    log.write_all(b"one\ntw").unwrap();
    let (lines, mut reader) = last_lines(&path, 3, 10).unwrap();
    assert_eq!(lines, ["one"]);
    assert_eq!(reader.unended().as_deref(), Some("tw"));
    assert_eq!(reader.more().unwrap(), [""; 0]);
    log.write_all(b"o\r\nthree\n").unwrap();
    assert_eq!(reader.more().unwrap(), ["two", "three"]);
}

#[test]
fn a_log_that_is_not_there_yet_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (lines, mut reader) = last_lines(&path, 3, 10).unwrap();
    assert!(lines.is_empty() && reader.more().unwrap().is_empty());
    std::fs::write(&path, "first\n").unwrap();
    assert_eq!(reader.more().unwrap(), ["first"]);
}
