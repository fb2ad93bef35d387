//! Rows to data files of one table, split by partition.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, FieldRef, Schema};

use millrace_events::{Probe, TableName};

use super::columns::Columns;
use super::files::{Files, row_group_bytes};
use super::log::TableLog;
use super::open_file::FileContext;
use super::partition::Partitioner;
use super::schema::{TableShape, rejected};
use super::settings::TableSettings;
use crate::SinkError;

/// Turns rows into files of a table. Nothing of them is visible before a commit names them.
#[derive(Debug)]
pub(crate) struct TableWriter {
    table: TableName,
    /// Or why there is none; every use says so.
    layout: Result<Layout, String>,
    pub(crate) files: Files,
}

/// How rows become files of the table.
#[derive(Debug)]
struct Layout {
    columns: Columns,
    partitioner: Partitioner,
    shape: TableShape,
}

impl Layout {
    fn new(settings: &TableSettings) -> Result<Self, String> {
        let columns = Columns::new(settings.columns.clone());
        let partitioner = Partitioner::new(columns.stored(), &settings.partition_by)
            .map_err(|e| rejected(&settings.table, e).to_string())?;
        let derived = partitioner.derived().into_iter().map(Arc::<Field>::new);
        let all: Vec<FieldRef> = columns.stored().fields().iter().cloned().chain(derived).collect();
        let shape = TableShape::new(&settings.table, &Schema::new(all), partitioner.names())
            .map_err(|e| e.to_string())?;
        Ok(Self { columns, partitioner, shape })
    }
}

impl TableWriter {
    /// A writer of the table whose log is `log`.
    pub(crate) fn new(settings: TableSettings, log: &TableLog, probe: Arc<dyn Probe>) -> Self {
        let layout = Layout::new(&settings);
        let context = FileContext {
            table: settings.table.as_str().to_owned(),
            store: log.place.store.clone(),
            probe,
            clock: log.clock.clone(),
            schema: layout
                .as_ref()
                .map_or_else(|_| settings.columns.clone(), |l| l.partitioner.files().clone()),
            row_group_bytes: row_group_bytes(settings.budget.limit()),
        };
        let files = Files::new(context, settings.budget, settings.max_open_files);
        Self { table: settings.table, layout, files }
    }

    /// What the table must look like to take the files.
    pub(crate) fn shape(&self) -> Result<&TableShape, SinkError> {
        Ok(&usable(&self.layout)?.shape)
    }

    /// Adds `rows` to the files of their partitions. Waits while memory is used up.
    pub(crate) async fn write(&mut self, rows: &RecordBatch) -> Result<(), SinkError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let layout = usable(&self.layout)?;
        let refused = |e| rejected(&self.table, e);
        let rows = layout.columns.store(rows).map_err(refused)?;
        for (part, values) in layout.partitioner.split(&rows).map_err(refused)? {
            self.files.append(part.key, values, part.rows).await?;
        }
        Ok(())
    }
}

fn usable(layout: &Result<Layout, String>) -> Result<&Layout, SinkError> {
    layout.as_ref().map_err(|what| SinkError::Rejected { what: what.clone() })
}
