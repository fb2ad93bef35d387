//! The logical node of a window table function: its input and the windows of each row.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result, internal_err, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::WindowKind;

/// The columns a window table function adds, after those of its input.
pub(crate) const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// The type of event time.
pub(crate) fn event_time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), …))` and its like: the rows of `input`, once for each
/// window they are in, with `window_start`, `window_end` and `window_time` after their columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WindowTvf {
    /// What is put into windows.
    pub(crate) input: Arc<LogicalPlan>,
    /// The windows.
    pub(crate) window: WindowKind,
    /// The event-time column, in the schema of `input`.
    pub(crate) time_column: Column,
    /// Columns within whose equal values a session is one; empty for other windows.
    pub(crate) partition_by: Vec<Column>,
    schema: DFSchemaRef,
}

impl WindowTvf {
    /// The node over `input`; fails when `input` has a column named as one of those added.
    pub(crate) fn new(
        input: LogicalPlan,
        window: WindowKind,
        time_column: Column,
        partition_by: Vec<Column>,
    ) -> Result<Self> {
        let fields = input.schema();
        if let Some(taken) =
            WINDOW_COLUMNS.iter().find(|name| fields.has_column_with_unqualified_name(name))
        {
            return plan_err!(
                "the input of a window function already has a column `{taken}`; \
                 leave it out or give it another name in a subquery"
            );
        }
        let added = WINDOW_COLUMNS.iter().map(|name| Field::new(*name, event_time_type(), false));
        let added = DFSchema::from_unqualified_fields(added.collect(), HashMap::new())?;
        let schema = Arc::new(fields.join(&added)?);
        Ok(Self { input: Arc::new(input), window, time_column, partition_by, schema })
    }
}

impl UserDefinedLogicalNodeCore for WindowTvf {
    fn name(&self) -> &'static str {
        "WindowTvf"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let columns = std::iter::once(&self.time_column).chain(&self.partition_by);
        columns.cloned().map(Expr::Column).collect()
    }

    /// A filter may run before windows are assigned unless it reads them. Leaving rows out changes
    /// where sessions begin and end, so there only whole partitions may be left out.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let session = matches!(self.window, WindowKind::Session { .. });
        let names = self.schema.fields().iter().map(|field| field.name().clone());
        let stays = |name: &String| {
            WINDOW_COLUMNS.contains(&name.as_str())
                || session && !self.partition_by.iter().any(|column| &column.name == name)
        };
        names.filter(stays).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WindowTvf: {:?} on {}", self.window, self.time_column)?;
        for (i, column) in self.partition_by.iter().enumerate() {
            write!(f, "{}{column}", if i == 0 { " partition by " } else { ", " })?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut columns = Vec::with_capacity(exprs.len());
        for expr in exprs {
            match expr {
                Expr::Column(column) => columns.push(column),
                other => return internal_err!("a window over the expression {other}"),
            }
        }
        let mut inputs = inputs.into_iter();
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return internal_err!("a window has one input");
        };
        if columns.is_empty() {
            return internal_err!("a window without its time column");
        }
        let time_column = columns.remove(0);
        Self::new(input, self.window, time_column, columns)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let own = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|column| *column < own).collect()])
    }
}

impl Hash for WindowTvf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.input, &self.window, &self.time_column, &self.partition_by).hash(state);
    }
}

impl PartialOrd for WindowTvf {
    /// Nodes are compared only for equality; there is no order among windows.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}
