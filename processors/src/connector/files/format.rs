//! The forms a file of rows can have.

use std::path::Path;
use std::str::FromStr;

/// How rows are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// One JSON object a line.
    JsonLines,
    /// Comma-separated values with a header line. An empty value is NULL.
    Csv,
    /// Parquet.
    Parquet,
}

/// A format name nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown file format `{0}`; formats: json, csv, parquet")]
pub struct UnknownFileFormat(String);

impl FromStr for FileFormat {
    type Err = UnknownFileFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFileFormat> {
        match name {
            "json" | "jsonl" | "ndjson" => Ok(Self::JsonLines),
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            other => Err(UnknownFileFormat(other.to_owned())),
        }
    }
}

impl FileFormat {
    /// The format that a file's name tells; `.gz` after it says that the file is compressed.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        if extension == "gz" {
            return Self::of(Path::new(path.file_stem()?));
        }
        extension.parse().ok()
    }

    /// What the names of files of this format end with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}
