//! Opening a file at a byte, and saying what is wrong with one.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::connector::{ConnectorError, Position};

/// Bytes read at once.
const BUFFER_BYTES: usize = 1 << 18;

/// A text file, decompressed.
pub(super) type Text = Box<dyn BufRead + Send>;

/// Opens a text file at a byte of its decompressed content.
pub(super) fn open(path: &Path, byte: u64) -> Result<Text, ConnectorError> {
    let mut file = File::open(path).map_err(|e| broken(path, e))?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut text = MultiGzDecoder::new(BufReader::new(file));
        std::io::copy(&mut text.by_ref().take(byte), &mut std::io::sink())
            .map_err(|e| broken(path, e))?;
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, text)));
    }
    file.seek(SeekFrom::Start(byte)).map_err(|e| broken(path, e))?;
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, file)))
}

/// The file cannot be used: nothing but another file helps.
pub(super) fn broken(path: &Path, why: impl Display) -> ConnectorError {
    ConnectorError::Rejected(format!("{}: {why}", path.display()))
}

/// A line of the file (from 1) cannot be used.
pub(super) fn bad_line(path: &Path, line: u64, why: impl Display) -> ConnectorError {
    ConnectorError::Rejected(format!("{}:{line}: {why}", path.display()))
}

/// The number in a position of a file that counts rows.
pub(super) fn rows_before(
    path: &Path,
    position: Option<&Position>,
) -> Result<usize, ConnectorError> {
    let Some(Position(text)) = position else { return Ok(0) };
    text.parse().map_err(|_| broken(path, format!("`{text}` is no position in this file")))
}
