//! One data file being written: rows while they are few, an encoder when they are many.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use uuid::Uuid;

use millrace_events::{Clock, Probe, Reservation};

use super::actions::Add;
use super::partition::{Values, folder, in_log};
use super::stats;
use super::upload::{PART_BYTES, Upload};
use crate::SinkError;

/// Bytes of rows a file keeps before it gets an encoder: an encoder costs more than few rows do.
const FEW_ROWS_BYTES: usize = 256 << 10;
/// Rows in memory per byte in the file, roughly, until the encoder knows better.
const COMPRESSION: usize = 4;

/// What all files of a table share.
#[derive(Debug)]
pub(crate) struct FileContext {
    pub(crate) table: String,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) probe: Arc<dyn Probe>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) schema: SchemaRef,
    /// Encoded size at which a row group is closed.
    pub(crate) row_group_bytes: usize,
}

impl FileContext {
    pub(crate) fn failed(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> SinkError {
        SinkError::retry(format!("write a file of table `{}`", self.table), source)
    }

    fn options() -> ArrowWriterOptions {
        let zstd = ZstdLevel::try_new(1).expect("level 1 exists");
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(zstd))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_created_by(concat!("millrace ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        // Readers get the types from the table, not from an Arrow schema hidden in each file.
        ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true)
    }
}

/// A file that takes rows.
#[derive(Debug)]
pub(crate) struct OpenFile {
    context: Arc<FileContext>,
    pub(crate) path: Path,
    values: Values,
    body: Body,
    upload: Upload,
    /// Memory held, parts being sent excluded.
    held: Reservation,
}

#[derive(Debug)]
enum Body {
    Rows { batches: Vec<RecordBatch>, bytes: usize },
    Encoder(Box<ArrowWriter<Vec<u8>>>),
}

impl OpenFile {
    /// A new file of the partition `values`; `held` is an empty reservation of its budget.
    pub(crate) fn new(context: &Arc<FileContext>, values: Values, held: Reservation) -> Self {
        let name = format!("part-{}.zstd.parquet", Uuid::now_v7());
        // Parse, not from: the folder is escaped already.
        let path =
            Path::parse(format!("{}{name}", folder(&values))).expect("the folder is escaped");
        let upload = Upload::new(context.store.clone(), context.probe.clone(), path.clone());
        let body = Body::Rows { batches: Vec::new(), bytes: 0 };
        Self { context: context.clone(), path, values, body, upload, held }
    }

    /// Memory held.
    pub(crate) fn held(&self) -> usize {
        self.held.bytes()
    }

    /// Size of the file so far, roughly.
    pub(crate) fn size(&self) -> usize {
        match &self.body {
            Body::Rows { bytes, .. } => bytes / COMPRESSION,
            Body::Encoder(writer) => writer.bytes_written() + writer.in_progress_size(),
        }
    }

    /// Adds rows; `granted` is memory reserved for them.
    pub(crate) async fn append(
        &mut self,
        rows: RecordBatch,
        granted: Reservation,
    ) -> Result<(), SinkError> {
        self.held.merge(granted);
        match &mut self.body {
            Body::Rows { batches, bytes } => {
                *bytes += bytes_of(&rows);
                batches.push(rows);
                if *bytes > FEW_ROWS_BYTES {
                    self.encode()?;
                }
            }
            Body::Encoder(writer) => writer.write(&rows).map_err(|e| self.context.failed(e))?,
        }
        self.send_ready().await?;
        self.held.resize(self.memory());
        Ok(())
    }

    fn memory(&self) -> usize {
        match &self.body {
            Body::Rows { bytes, .. } => *bytes,
            Body::Encoder(writer) => writer.memory_size() + writer.inner().capacity(),
        }
    }

    /// Encodes the rows kept so far.
    fn encode(&mut self) -> Result<&mut ArrowWriter<Vec<u8>>, SinkError> {
        if let Body::Rows { batches, .. } = &mut self.body {
            let batches = std::mem::take(batches);
            let context = &self.context;
            let options = FileContext::options();
            let mut writer =
                ArrowWriter::try_new_with_options(Vec::new(), context.schema.clone(), options)
                    .map_err(|e| context.failed(e))?;
            for batch in &batches {
                writer.write(batch).map_err(|e| context.failed(e))?;
            }
            self.body = Body::Encoder(Box::new(writer));
        }
        match &mut self.body {
            Body::Encoder(writer) => Ok(writer),
            Body::Rows { .. } => unreachable!("became an encoder above"),
        }
    }

    /// Closes a full row group and starts sending the file when there is enough of it.
    async fn send_ready(&mut self) -> Result<(), SinkError> {
        let Body::Encoder(writer) = &mut self.body else { return Ok(()) };
        if writer.in_progress_size() < self.context.row_group_bytes {
            return Ok(());
        }
        writer.flush().map_err(|e| self.context.failed(e))?;
        if writer.inner().len() < PART_BYTES {
            return Ok(());
        }
        let ready = Bytes::from(std::mem::take(writer.inner_mut()));
        let whole = ready.len() / PART_BYTES * PART_BYTES;
        writer.inner_mut().extend_from_slice(&ready[whole..]);
        self.held.resize(self.memory() + whole);
        for from in (0..whole).step_by(PART_BYTES) {
            let held = self.held.split(PART_BYTES);
            let part = ready.slice(from..from + PART_BYTES);
            self.upload.send(part, held).await.map_err(|e| self.context.failed(e))?;
        }
        Ok(())
    }

    /// Whether parts are being sent; their memory comes back when they are.
    pub(crate) fn is_sending(&self) -> bool {
        self.upload.is_sending()
    }

    /// Waits until one of the parts being sent is.
    pub(crate) async fn wait(&mut self) -> Result<(), SinkError> {
        self.upload.wait().await.map_err(|e| self.context.failed(e))
    }

    /// Completes the file and describes it for the log.
    pub(crate) async fn finish(mut self) -> Result<Add, SinkError> {
        let context = self.context.clone();
        let writer = self.encode()?;
        let metadata = writer.finish().map_err(|e| context.failed(e))?;
        let size = writer.bytes_written() as u64;
        let rest = Bytes::from(std::mem::take(writer.inner_mut()));
        drop(self.body);
        self.held.resize(rest.len());
        self.upload.finish(rest, self.held).await.map_err(|e| context.failed(e))?;
        Ok(Add {
            // In the log the path is a URL: what is escaped in the folder's name is escaped again.
            path: self.path.as_ref().replace('%', "%25"),
            partition_values: in_log(&self.values),
            size,
            modification_time: context.clock.now_ms(),
            data_change: true,
            stats: stats::of(&metadata),
        })
    }

    /// Drops the file.
    pub(crate) async fn abort(self) {
        self.upload.abort().await;
    }
}

/// Memory of the rows themselves, also when they are a slice of something larger.
pub(crate) fn bytes_of(rows: &RecordBatch) -> usize {
    let column = |c: &Arc<dyn Array>| {
        if matches!(c.data_type(), DataType::Utf8View | DataType::BinaryView) {
            return c.get_array_memory_size();
        }
        c.to_data().get_slice_memory_size().unwrap_or_else(|_| c.get_array_memory_size())
    };
    rows.columns().iter().map(column).sum()
}
