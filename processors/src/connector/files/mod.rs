//! Files as finite sources and as destinations: JSON lines, CSV with a header, Parquet.

mod columns;
mod convert;
mod csv;
mod format;
mod infer;
mod json_lines;
mod open;
mod parquet;
mod sink;
#[cfg(test)]
mod sink_tests;
mod source;
#[cfg(test)]
mod source_tests;
mod write;

pub use format::{FileFormat, UnknownFileFormat};
pub use sink::FileSink;
pub use source::FileSource;
