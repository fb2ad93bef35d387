//! Writes rows to one file.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::SchemaRef;
use arrow::json::writer::{LineDelimited, Writer as JsonWriter, WriterBuilder};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::FileFormat;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A file that is being written.
pub(super) enum RowFile {
    Json(JsonWriter<BufWriter<File>, LineDelimited>),
    Csv(Box<csv::Writer<BufWriter<File>>>),
    Parquet(Box<ArrowWriter<File>>),
}

impl RowFile {
    pub(super) fn create(
        path: &Path,
        format: FileFormat,
        schema: SchemaRef,
    ) -> Result<Self, Failure> {
        let file = File::create(path)?;
        Ok(match format {
            FileFormat::JsonLines => {
                let builder = WriterBuilder::new().with_explicit_nulls(true);
                Self::Json(builder.build(BufWriter::new(file)))
            }
            FileFormat::Csv => Self::Csv(Box::new(csv::Writer::new(BufWriter::new(file)))),
            FileFormat::Parquet => {
                let zstd = Compression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(zstd).build();
                Self::Parquet(Box::new(ArrowWriter::try_new(file, schema, Some(properties))?))
            }
        })
    }

    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        match self {
            Self::Json(writer) => writer.write(rows)?,
            Self::Csv(writer) => writer.write(rows)?,
            Self::Parquet(writer) => writer.write(rows)?,
        }
        Ok(())
    }

    /// Writes what is held back and waits until the disk has it.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let file = match self {
            Self::Json(mut writer) => {
                writer.finish()?;
                writer.into_inner().into_inner()?
            }
            Self::Csv(writer) => writer.into_inner().into_inner()?,
            Self::Parquet(writer) => writer.into_inner()?,
        };
        Ok(file.sync_all()?)
    }
}
