//! The results the queries must have, computed by DataFusion over the same rows as a batch.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options, concat_batches};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::generate::Events;
use crate::queries::{reference, sink};
use crate::schema::{auction_schema, bid_schema, person_schema};

/// Why there is no result to compare with.
#[derive(Debug, thiserror::Error)]
pub enum NexmarkError {
    /// A batch does not have the columns of the sink.
    #[error("{query} gives {given} columns, its sink has {wanted}")]
    Columns {
        /// The query.
        query: String,
        /// Columns of the batch.
        given: usize,
        /// Columns of the sink.
        wanted: usize,
    },
    /// A column does not go into the type of the sink's.
    #[error("column `{column}` of {query} does not fit its sink")]
    Value {
        /// The query.
        query: String,
        /// The sink's column.
        column: String,
        /// What Arrow says.
        source: ArrowError,
    },
    /// The batch query failed.
    #[error("the batch query of {query} failed")]
    Batch {
        /// The query.
        query: String,
        /// What DataFusion says.
        source: Box<DataFusionError>,
    },
}

/// The result of `query` over `events` once the input has ended and every window has fired, as one
/// batch with the schema of the query's [`sink`]. Of a changelog it is the last row of every key.
///
/// # Panics
/// If `query` is none of [`QUERIES`](crate::QUERIES).
pub async fn expected(query: &str, events: &Events) -> Result<RecordBatch, NexmarkError> {
    let batches = run(reference(query), events).await.map_err(|source| NexmarkError::Batch {
        query: query.to_owned(),
        source: Box::new(source),
    })?;
    let schema = sink(query).schema;
    let batches = conform(query, &batches)?;
    Ok(concat_batches(&schema, &batches).expect("every batch has the schema of the sink"))
}

async fn run(sql: &str, events: &Events) -> Result<Vec<RecordBatch>, DataFusionError> {
    context(events)?.sql(sql).await?.collect().await
}

/// DataFusion over the three flat streams, which keeps the case of names.
pub(crate) fn context(events: &Events) -> Result<SessionContext, DataFusionError> {
    let mut config = SessionConfig::new().with_target_partitions(2);
    // Columns are called `dateTime`, and are so in Flink without quotes.
    config.options_mut().sql_parser.enable_ident_normalization = false;
    let context = SessionContext::new_with_config(config);
    let table = |name: &str, schema: SchemaRef, batches: &[RecordBatch]| {
        let table = MemTable::try_new(schema, vec![batches.to_vec()])?;
        context.register_table(name, Arc::new(table))
    };
    table("person", person_schema(), &events.persons)?;
    table("auction", auction_schema(), &events.auctions)?;
    table("bid", bid_schema(), &events.bids)?;
    Ok(context)
}

/// The batches with the names and types of the query's sink, column by column in order, as an
/// `INSERT INTO` takes them.
///
/// # Panics
/// If `query` is none of [`QUERIES`](crate::QUERIES).
pub fn conform(query: &str, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, NexmarkError> {
    let schema = sink(query).schema;
    batches.iter().map(|batch| conform_batch(query, &schema, batch)).collect()
}

fn conform_batch(
    query: &str,
    schema: &SchemaRef,
    batch: &RecordBatch,
) -> Result<RecordBatch, NexmarkError> {
    let (given, wanted) = (batch.num_columns(), schema.fields().len());
    if given != wanted {
        return Err(NexmarkError::Columns { query: query.to_owned(), given, wanted });
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        cast_with_options(column, field.data_type(), &options).map_err(|source| {
            let column = field.name().clone();
            NexmarkError::Value { query: query.to_owned(), column, source }
        })
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)
        .expect("the columns were cast to the types of the schema"))
}

#[cfg(test)]
#[path = "expected_tests.rs"]
mod tests;
