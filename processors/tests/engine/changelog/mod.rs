//! A changelog as the table it describes.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;

use millrace_processors::{Batch, RowKind};

/// The rows that are left when the changes are applied by the columns `key`; all rows, when they
/// are only ever added and there is no key. A change that does not fit what came before it (a
/// second insert of a key, an update or delete of nothing) fails.
pub(crate) fn apply(batches: &[Batch], key: &[usize]) -> Vec<RecordBatch> {
    if key.is_empty() {
        assert!(batches.iter().all(|batch| batch.kinds.is_none()), "rows are only added");
        return batches.iter().map(|batch| batch.rows.clone()).collect();
    }
    let mut table = BTreeMap::new();
    for batch in batches {
        for row in 0..batch.len() {
            let text = |column: &usize| {
                array_value_to_string(batch.rows.column(*column), row).expect("keys have a text")
            };
            let id: Vec<String> = key.iter().map(text).collect();
            let here = batch.rows.slice(row, 1);
            match batch.kind(row) {
                RowKind::Insert => {
                    assert!(table.insert(id.clone(), here).is_none(), "{id:?} is inserted twice");
                }
                RowKind::UpdateAfter => {
                    assert!(
                        table.insert(id.clone(), here).is_some(),
                        "{id:?} is updated, not there"
                    );
                }
                RowKind::Delete => {
                    assert!(table.remove(&id).is_some(), "{id:?} is deleted, not there");
                }
                RowKind::UpdateBefore => {
                    assert!(table.contains_key(&id), "{id:?} is replaced, not there");
                }
            }
        }
    }
    table.into_values().collect()
}
