//! Reading a log from its last lines on, across the moments at which it is put aside.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::log::rotated;

/// Most bytes that are looked at in one file for its last lines.
const TAIL_BYTES: u64 = 4 << 20;
/// Most bytes that are read at once.
const PIECE: u64 = 1 << 20;

/// A place in a log.
#[derive(Debug)]
pub(super) struct LogReader {
    path: PathBuf,
    /// Files that are put aside before the oldest is removed.
    files: u32,
    file: Option<File>,
    /// What was read of a line that has no end yet.
    partial: Vec<u8>,
}

/// The last `lines` lines of the log at `path`, and a reader for those that come.
pub(super) fn last_lines(
    path: &Path,
    files: u32,
    lines: usize,
) -> io::Result<(VecDeque<String>, LogReader)> {
    let mut reader = LogReader { path: path.to_owned(), files, file: None, partial: Vec::new() };
    let mut found = VecDeque::new();
    let mut seen = Vec::new();
    // One more than are kept: the log may be put aside while it is read.
    for number in 0..=files + 1 {
        let Some(mut file) = open(&rotated(path, number))? else { continue };
        let id = identity(&file)?;
        if seen.contains(&id) {
            continue;
        }
        let (mut older, partial) = tail_of(&mut file)?;
        if seen.is_empty() {
            (reader.file, reader.partial) = (Some(file), partial);
        } else if !partial.is_empty() {
            older.push(text(&partial));
        }
        seen.push(id);
        for line in older.into_iter().rev() {
            if found.len() < lines {
                found.push_front(line);
            }
        }
        if found.len() >= lines {
            break;
        }
    }
    Ok((found, reader))
}

/// The lines at the end of the file, the start of a line that has no end yet; leaves the file at
/// its end.
fn tail_of(file: &mut File) -> io::Result<(Vec<String>, Vec<u8>)> {
    let size = file.metadata()?.len();
    let from = size.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    if from > 0 {
        let first_whole = bytes.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        bytes.drain(..first_whole);
    }
    let lines = whole_lines(&mut bytes);
    Ok((lines, bytes))
}

impl LogReader {
    /// Lines that came since; empty if there are none yet.
    pub(super) fn more(&mut self) -> io::Result<Vec<String>> {
        if self.file.is_none() {
            self.file = open(&self.path)?;
        }
        let lines = self.read()?;
        let Some(file) = self.file.as_ref().filter(|_| lines.is_empty()) else {
            return Ok(lines);
        };
        let id = identity(file)?;
        let newest = open(&self.path)?;
        if newest.as_ref().map(identity).transpose()?.is_none_or(|newest| newest == id) {
            return Ok(lines);
        }
        // It was put aside. What was written to it before that, after the read above, comes first.
        let rest = self.read()?;
        if !rest.is_empty() {
            return Ok(rest);
        }
        let unended = (!self.partial.is_empty()).then(|| text(&self.partial));
        self.partial.clear();
        self.file = self.after(id)?;
        Ok(unended.into_iter().chain(self.read()?).collect())
    }

    fn read(&mut self) -> io::Result<Vec<String>> {
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        file.take(PIECE).read_to_end(&mut self.partial)?;
        Ok(whole_lines(&mut self.partial))
    }

    /// The file that took the place of the one known by `id`; of one that is removed, the oldest.
    fn after(&self, id: (u64, u64)) -> io::Result<Option<File>> {
        let mut newer = open(&self.path)?;
        for number in 1..=self.files {
            let Some(file) = open(&rotated(&self.path, number))? else { break };
            if identity(&file)? == id {
                break;
            }
            newer = Some(file);
        }
        Ok(newer)
    }

    /// What there is of a line without an end.
    pub(super) fn unended(&self) -> Option<String> {
        (!self.partial.is_empty()).then(|| text(&self.partial))
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\r').to_owned()
}

/// Takes the lines that have an end out of `bytes`.
fn whole_lines(bytes: &mut Vec<u8>) -> Vec<String> {
    let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') else { return Vec::new() };
    let whole: Vec<u8> = bytes.drain(..=end).collect();
    whole[..end].split(|&byte| byte == b'\n').map(text).collect()
}

#[cfg(test)]
#[path = "read_log_tests.rs"]
mod tests;
