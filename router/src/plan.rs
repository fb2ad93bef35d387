//! A route's `where` and `select`, compiled once to physical expressions over the stream's columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::prelude::SessionContext;

use millrace_events::{RawBatch, StreamSchema};

use crate::mistake::SqlMistake;
use crate::select;

/// A value that does not fit its stored type is an error of its row, never a silent null.
const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// Columns every route can use beside the stream's own: where the record was in the log.
pub(crate) fn position_fields() -> [Field; 4] {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    [
        Field::new("_topic", DataType::Utf8, false),
        Field::new("_partition", DataType::Int32, false),
        Field::new("_offset", DataType::Int64, false),
        Field::new("_timestamp", utc, false),
    ]
}

/// A selected expression and the name of its column.
type Item = (Arc<dyn PhysicalExpr>, String);

/// What a route does to decoded rows. Cheap to clone; holds no state between batches.
#[derive(Debug, Clone)]
pub struct RoutePlan {
    filter: Option<Arc<dyn PhysicalExpr>>,
    /// `None` keeps the stream's columns as they are.
    projection: Option<Vec<Item>>,
    input: SchemaRef,
    output: SchemaRef,
    needs_position: bool,
}

/// What became of the rows of one batch.
#[derive(Debug)]
pub(crate) struct Applied {
    /// Rows to deliver, projected.
    pub(crate) rows: RecordBatch,
    /// Rows whose expressions failed (row of the input, reason).
    pub(crate) failed: Vec<(usize, String)>,
}

impl RoutePlan {
    /// Compiles `filter` (an SQL condition) and `select` (an SQL select list) against `stream`.
    ///
    /// # Errors
    /// Says line, column and what to write instead when the text does not parse, names an unknown
    /// column, or uses what a route cannot: aggregates, subqueries, functions that are not
    /// deterministic.
    pub fn compile(
        stream: &StreamSchema,
        filter: Option<&str>,
        select: Option<&str>,
    ) -> Result<Self, SqlMistake> {
        let columns = stream.arrow();
        let fields: Vec<_> =
            columns.fields().iter().map(|f| f.as_ref().clone()).chain(position_fields()).collect();
        let input = Arc::new(Schema::new(fields));
        let schema = DFSchema::try_from(Arc::clone(&input))
            .map_err(|e| SqlMistake::from_datafusion("", &e, 0))?;
        let ctx = select::context();

        let filter = filter.map(|sql| compile_filter(&ctx, &schema, sql)).transpose()?;
        let projection =
            select.map(|sql| compile_select(&ctx, &schema, &columns, sql)).transpose()?;
        let output = match &projection {
            None => columns,
            Some(items) => project_schema(&input, items)?,
        };
        let used = filter
            .iter()
            .chain(projection.iter().flatten().map(|(e, _)| e))
            .flat_map(collect_columns)
            .any(|c| c.index() >= stream.columns.len());
        Ok(Self { filter, projection, input, output, needs_position: used })
    }

    /// Columns of the rows the route delivers.
    pub fn output(&self) -> SchemaRef {
        Arc::clone(&self.output)
    }

    /// Filters and projects `batch`, whose row `i` is record `rows[i]` of `raw`.
    pub(crate) fn apply(&self, raw: &RawBatch, batch: &RecordBatch, rows: &[u32]) -> Applied {
        debug_assert_eq!(batch.num_rows(), rows.len());
        if self.filter.is_none() && self.projection.is_none() {
            return Applied { rows: batch.clone(), failed: Vec::new() };
        }
        let batch =
            if self.needs_position { self.with_position(raw, batch, rows) } else { batch.clone() };
        match self.evaluate(&batch) {
            Ok(rows) => Applied { rows, failed: Vec::new() },
            Err(_) => self.apply_around_failures(&batch),
        }
    }

    fn with_position(&self, raw: &RawBatch, batch: &RecordBatch, rows: &[u32]) -> RecordBatch {
        let n = rows.len();
        let pick =
            |values: &[i64]| -> Vec<i64> { rows.iter().map(|r| values[*r as usize]).collect() };
        let micros: Vec<_> =
            pick(raw.timestamps_ms()).into_iter().map(|ms| ms.saturating_mul(1000)).collect();
        let mut columns = batch.columns().to_vec();
        let position: [ArrayRef; 4] = [
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&*raw.tp().topic, n))),
            Arc::new(Int32Array::from_value(raw.tp().partition.0, n)),
            Arc::new(Int64Array::from(pick(raw.offsets()))),
            Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC")),
        ];
        columns.extend(position);
        RecordBatch::try_new(Arc::clone(&self.input), columns)
            .expect("columns follow the input schema the plan was compiled for")
    }

    fn evaluate(&self, batch: &RecordBatch) -> datafusion::error::Result<RecordBatch> {
        let kept = match &self.filter {
            None => batch.clone(),
            Some(filter) => {
                let mask = filter.evaluate(batch)?.into_array(batch.num_rows())?;
                let mask = mask
                    .as_any()
                    .downcast_ref::<BooleanArray>()
                    .expect("the filter was compiled as a Boolean expression");
                // A condition that is null keeps nothing, as in SQL.
                filter_record_batch(batch, mask)?
            }
        };
        let columns = match &self.projection {
            None => kept.columns()[..self.output.fields().len()].to_vec(),
            Some(items) => items
                .iter()
                .zip(self.output.fields())
                .map(|((expr, _), field)| {
                    let value = expr.evaluate(&kept)?.into_array(kept.num_rows())?;
                    if value.data_type() == field.data_type() {
                        return Ok(value);
                    }
                    Ok(cast_with_options(&value, field.data_type(), &STRICT)?)
                })
                .collect::<datafusion::error::Result<_>>()?,
        };
        let options = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)?)
    }

    /// Halves the batch until the rows that fail stand alone: few bad rows cost few evaluations.
    fn apply_around_failures(&self, batch: &RecordBatch) -> Applied {
        let mut failed = Vec::new();
        let mut ranges = vec![(0, batch.num_rows())];
        while let Some((start, len)) = ranges.pop() {
            match self.evaluate(&batch.slice(start, len)) {
                Ok(_) => {}
                Err(e) if len == 1 => failed.push((start, e.strip_backtrace())),
                Err(_) => {
                    let half = len / 2;
                    ranges.push((start + half, len - half));
                    ranges.push((start, half));
                }
            }
        }
        failed.sort_unstable_by_key(|(row, _)| *row);
        let is_bad = |row: usize| failed.binary_search_by_key(&row, |(r, _)| *r).is_ok();
        let good: UInt32Array = (0..batch.num_rows())
            .filter(|row| !is_bad(*row))
            .map(|row| u32::try_from(row).expect("batches are far below 2^32 rows"))
            .collect();
        let rows = take_record_batch(batch, &good)
            .map_err(Into::into)
            .and_then(|good| self.evaluate(&good))
            .expect("an immutable expression that passed on slices passes on the rest");
        Applied { rows, failed }
    }
}

fn compile_filter(
    ctx: &SessionContext,
    schema: &DFSchema,
    sql: &str,
) -> Result<Arc<dyn PhysicalExpr>, SqlMistake> {
    let mistake = |e| SqlMistake::from_datafusion(sql, &e, 0);
    let expr = ctx.state().create_logical_expr(sql, schema).map_err(mistake)?;
    check_allowed(sql, &expr)?;
    let physical = ctx.state().create_physical_expr(expr, schema).map_err(mistake)?;
    match physical.data_type(schema.as_arrow()).map_err(mistake)? {
        DataType::Boolean => Ok(physical),
        other => Err(SqlMistake::new(format!("`where` gives a {other}, not true or false"))
            .hint("write a condition, such as `event_type <> 'debug'`")),
    }
}

fn compile_select(
    ctx: &SessionContext,
    schema: &DFSchema,
    columns: &SchemaRef,
    sql: &str,
) -> Result<Vec<Item>, SqlMistake> {
    let mistake = |e| SqlMistake::from_datafusion(sql, &e, select::PREFIX_LINES);
    let mut items = Vec::new();
    for expr in select::parse(ctx, schema, columns, sql)? {
        check_allowed(sql, &expr)?;
        let name = match &expr {
            Expr::Alias(alias) => alias.name.clone(),
            Expr::Column(column) => column.name.clone(),
            other => {
                return Err(SqlMistake::new(format!("`{other}` has no column name"))
                    .hint("give it one: `… AS name`"));
            }
        };
        if items.iter().any(|(_, n)| *n == name) {
            return Err(SqlMistake::new(format!("column `{name}` is selected twice"))
                .hint("rename one of them with `AS`"));
        }
        items.push((ctx.state().create_physical_expr(expr, schema).map_err(mistake)?, name));
    }
    Ok(items)
}

/// A route's result must be a pure function of the record, or a re-read after a crash would differ.
fn check_allowed(sql: &str, expr: &Expr) -> Result<(), SqlMistake> {
    let mut found = None;
    expr.apply(|e| {
        found = match e {
            Expr::ScalarFunction(f) if f.func.signature().volatility != Volatility::Immutable => {
                Some((f.name().to_owned(), "is not deterministic; use the event's own time or id"))
            }
            Expr::AggregateFunction(f) => Some((
                f.func.name().to_owned(),
                "aggregates; a route sees one event at a time, so use a job",
            )),
            Expr::WindowFunction(f) => {
                Some((f.fun.name().to_owned(), "is a window function; use a job"))
            }
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) => {
                Some(("subquery".to_owned(), "reads a table; a route sees one event at a time"))
            }
            Expr::Placeholder(p) => Some((p.id.clone(), "is a parameter; write the value")),
            _ => None,
        };
        Ok(if found.is_some() {
            datafusion::common::tree_node::TreeNodeRecursion::Stop
        } else {
            datafusion::common::tree_node::TreeNodeRecursion::Continue
        })
    })
    .map_err(|e| SqlMistake::from_datafusion(sql, &e, 0))?;
    match found {
        None => Ok(()),
        Some((what, why)) => Err(SqlMistake::at_text(sql, &what, format!("`{what}` {why}"))),
    }
}

fn project_schema(input: &Schema, items: &[Item]) -> Result<SchemaRef, SqlMistake> {
    let field = |(expr, name): &Item| {
        let data_type =
            expr.data_type(input).map_err(|e| SqlMistake::from_datafusion("", &e, 0))?;
        Ok(Field::new(name, select::storable(data_type), true))
    };
    Ok(Arc::new(Schema::new(items.iter().map(field).collect::<Result<Vec<_>, SqlMistake>>()?)))
}
