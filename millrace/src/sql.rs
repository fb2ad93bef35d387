//! `millrace sql`: one question, answered from the tables where they are; and printing of rows.

use std::io::{IsTerminal, Read};
use std::sync::Arc;

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use datafusion::prelude::SessionContext;

use millrace_events::{NoProbe, TableName};
use millrace_sinks::Warehouse;
use millrace_spaas::sql::{Format, SqlEngine, SqlLimits, write_batches, write_rows};

use crate::Verdict;
use crate::cli::{Output, SqlArgs};
use crate::store::{self, Tables};

impl From<Output> for Format {
    fn from(output: Output) -> Self {
        match output {
            Output::Table => Self::Table,
            Output::Json => Self::Json,
            Output::Ndjson => Self::Ndjson,
            Output::Csv => Self::Csv,
            Output::Parquet => Self::Parquet,
        }
    }
}

/// `millrace sql`.
pub(crate) async fn run(args: SqlArgs) -> anyhow::Result<Verdict> {
    let sql = if args.sql == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read the question from stdin")?;
        text
    } else {
        args.sql
    };
    check_output(args.output)?;
    let warehouse = store::open(&args.store, Arc::new(NoProbe)).await?;
    let limits = SqlLimits {
        time: args.timeout,
        memory_bytes: usize::try_from(args.memory).unwrap_or(usize::MAX),
        rows: args.limit,
        ..SqlLimits::default()
    };
    let engine = SqlEngine::new(Arc::new(Tables(warehouse)), limits);
    let mut rows = engine.run(&sql).await?;
    let written = write_rows(args.output.into(), &mut rows, &mut std::io::stdout()).await?;
    eprintln!("{} rows", written.rows);
    if written.truncated {
        eprintln!("there were more: raise --limit, or add LIMIT to the question");
    }
    Ok(Verdict::Good)
}

fn check_output(output: Output) -> anyhow::Result<()> {
    if output == Output::Parquet && std::io::stdout().is_terminal() {
        bail!("Parquet is not for a terminal: redirect stdout to a file");
    }
    Ok(())
}

/// Prints rows that are already there.
pub(crate) fn print(output: Output, batch: &RecordBatch) -> anyhow::Result<()> {
    check_output(output)?;
    let batches = std::slice::from_ref(batch);
    write_batches(output.into(), &batch.schema(), batches, &mut std::io::stdout().lock())?;
    Ok(())
}

/// Rows in `table` now.
pub(crate) async fn count(warehouse: &Warehouse, table: &TableName) -> anyhow::Result<u64> {
    let provider = warehouse.provider(table).await?;
    Ok(SessionContext::new().read_table(provider)?.count().await? as u64)
}
