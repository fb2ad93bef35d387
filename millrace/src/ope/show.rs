//! Estimates as a table.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{Field, Schema};

use millrace_bandit::ope::Estimate;

/// Estimates of a policy over a log.
#[derive(Debug)]
pub(super) struct Evaluation {
    pub(super) policy: String,
    pub(super) log: String,
    pub(super) estimates: Vec<Estimate>,
}

/// One row an estimate.
pub(super) fn batch(evaluations: &[Evaluation]) -> RecordBatch {
    let rows: Vec<_> =
        evaluations.iter().flat_map(|e| e.estimates.iter().map(move |row| (e, row))).collect();
    let text = |f: &dyn Fn(&Evaluation, &Estimate) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(e, row)| f(e, row))))
    };
    let number = |f: fn(&Estimate) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(|(_, row)| f(row)).collect::<Float64Array>())
    };
    let counted = rows.iter().map(|(_, row)| row.rows as u64);
    let columns: [(&str, ArrayRef); 9] = [
        ("policy", text(&|e, _| e.policy.clone())),
        ("log", text(&|e, _| e.log.clone())),
        ("estimator", text(&|_, row| row.estimator.to_string())),
        ("rows", Arc::new(UInt64Array::from_iter_values(counted))),
        ("value", number(|row| Some(row.value))),
        ("low", number(|row| Some(row.normal.low))),
        ("high", number(|row| Some(row.normal.high))),
        ("bootstrap_low", number(|row| row.bootstrap.map(|i| i.low))),
        ("bootstrap_high", number(|row| row.bootstrap.map(|i| i.high))),
    ];
    let field = |(name, column): &(&str, ArrayRef)| {
        Field::new(*name, column.data_type().clone(), name.starts_with("bootstrap"))
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(schema), columns).expect("columns are built from the same rows")
}
