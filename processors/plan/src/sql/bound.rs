//! A job's statements with every name resolved and every type known.

use std::ops::Range;

use datafusion::logical_expr::LogicalPlan;

/// All inserts of a job, in the order of the text; views and `WITH` are inlined.
#[derive(Debug, Clone)]
pub(crate) struct BoundJob {
    /// The text, for errors found later.
    pub(crate) text: String,
    /// The inserts.
    pub(crate) inserts: Vec<BoundInsert>,
}

/// `INSERT INTO sink SELECT …`.
#[derive(Debug, Clone)]
pub(crate) struct BoundInsert {
    /// Name of the sink in the catalog.
    pub(crate) sink: String,
    /// What is written: analysed, type-coerced and simplified; filters and columns are pushed down
    /// where that is safe. Its columns are those of the sink, in order, name and type.
    pub(crate) plan: LogicalPlan,
    /// The statement's bytes in the text.
    pub(crate) span: Range<usize>,
}
