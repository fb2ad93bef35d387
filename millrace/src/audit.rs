//! The audit: every ledger as a row, and whether ledgers and tables agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use millrace_events::{NoProbe, TableName};
use millrace_sinks::{AuditRow, DeadLetterQuery, Warehouse};

use crate::cli::AuditArgs;
use crate::{Verdict, sql, store};

/// The ledgers as a table: one row per route and partition.
pub(crate) fn batch(rows: &[AuditRow]) -> RecordBatch {
    let text = |f: fn(&AuditRow) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(f)))
    };
    let number = |f: fn(&AuditRow) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(f).collect::<Int64Array>())
    };
    let partitions = Int32Array::from_iter_values(rows.iter().map(|r| r.partition.0));
    let balanced: BooleanArray = rows.iter().map(|r| Some(r.ledger.adds_up())).collect();
    let columns: [(&str, ArrayRef); 12] = [
        ("route", text(|r| r.route.as_str())),
        ("ledger_table", text(|r| r.table.as_str())),
        ("topic", text(|r| &r.topic)),
        ("partition", Arc::new(partitions)),
        ("epoch", number(|r| Some(r.ledger.epoch.0))),
        ("first_offset", number(|r| r.ledger.first.map(|o| o.0))),
        ("last_offset", number(|r| r.ledger.next.map(|o| o.0 - 1))),
        ("written", number(|r| i64::try_from(r.ledger.written).ok())),
        ("filtered", number(|r| i64::try_from(r.ledger.filtered).ok())),
        ("dead_lettered", number(|r| i64::try_from(r.ledger.dead).ok())),
        ("gaps", number(|r| i64::try_from(r.ledger.gaps).ok())),
        ("balanced", Arc::new(balanced)),
    ];
    let field = |(name, array): &(&str, ArrayRef)| {
        let nullable = matches!(array.data_type(), DataType::Int64);
        Field::new(*name, array.data_type().clone(), nullable)
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(schema), columns).expect("columns are built from the same rows")
}

/// Everything that does not add up, for a person.
async fn complaints(warehouse: &Warehouse, rows: &[AuditRow]) -> anyhow::Result<Vec<String>> {
    let mut found: Vec<String> = rows
        .iter()
        .filter(|r| !r.ledger.adds_up())
        .map(|r| format!("route {}, {}/{}: {:?}", r.route, r.topic, r.partition, r.ledger))
        .collect();
    let mut written: BTreeMap<&TableName, u64> = BTreeMap::new();
    for row in rows.iter().filter(|r| r.table.parts().0 != "system") {
        *written.entry(&row.table).or_default() += row.ledger.written;
    }
    for (table, expected) in written {
        let rows = sql::count(warehouse, table).await?;
        if rows != expected {
            found.push(format!(
                "table {table} has {rows} rows, its ledgers say {expected} were written"
            ));
        }
    }
    let letters = warehouse.dead_letters(&DeadLetterQuery::default()).await?;
    let mut kept: BTreeMap<(String, String, i32), u64> = BTreeMap::new();
    for row in letters {
        let tp = row.letter.tp;
        let key = (row.route.to_string(), tp.topic.to_string(), tp.partition.0);
        *kept.entry(key).or_default() += 1;
    }
    for row in rows {
        let key = (row.route.to_string(), row.topic.to_string(), row.partition.0);
        let kept = kept.remove(&key).unwrap_or(0);
        // Letters are kept before the ledger counts them: more is a commit that is still to come.
        if kept < row.ledger.dead {
            found.push(format!(
                "route {}, {}/{}: {} dead letters are kept, the ledger counts {}",
                row.route, row.topic, row.partition, kept, row.ledger.dead
            ));
        }
    }
    Ok(found)
}

/// How often the audit is repeated while commits keep coming.
const ATTEMPTS: usize = 5;

/// The ledgers and what does not add up. Ledgers and tables are read one after the other, so while
/// routers commit in between they are read again.
pub(crate) async fn settled(warehouse: &Warehouse) -> anyhow::Result<(Vec<AuditRow>, Vec<String>)> {
    let mut rows = warehouse.audit().await?;
    for attempt in 1.. {
        let found = complaints(warehouse, &rows).await?;
        let again = warehouse.audit().await?;
        if found.is_empty() || again == rows || attempt == ATTEMPTS {
            return Ok((rows, found));
        }
        rows = again;
    }
    unreachable!("the last attempt returns")
}

/// `millrace audit`.
pub(crate) async fn run(args: AuditArgs) -> anyhow::Result<Verdict> {
    let warehouse = store::open(&args.store, Arc::new(NoProbe)).await?;
    let (rows, complaints) = settled(&warehouse).await?;
    sql::print(args.output, &batch(&rows))?;
    if complaints.is_empty() {
        eprintln!("{} ledgers, all add up", rows.len());
        return Ok(Verdict::Good);
    }
    for complaint in &complaints {
        eprintln!("does not add up: {complaint}");
    }
    Ok(Verdict::Bad)
}

#[cfg(test)]
mod tests {
    use millrace_events::{Epoch, Offset, PartitionId};
    use millrace_sinks::Ledger;

    use super::*;

    #[test]
    fn the_audit_shows_first_last_and_whether_it_balances() {
        let ledger = Ledger {
            epoch: Epoch(2),
            first: Some(Offset(5)),
            next: Some(Offset(15)),
            written: 7,
            filtered: 1,
            dead: 1,
            gaps: 1,
        };
        let row = |ledger| AuditRow {
            route: "r".parse().expect("valid"),
            table: "raw.t".parse().expect("valid"),
            topic: "t".into(),
            partition: PartitionId(0),
            ledger,
        };
        let wrong = Ledger { written: 8, ..ledger };
        let batch = batch(&[row(ledger), row(wrong), row(Ledger::default())]);
        let text = arrow::util::pretty::pretty_format_batches(&[batch]).expect("printable");
        let text = text.to_string();
        assert!(text.contains("| 5            | 14          | 7       |"), "{text}");
        assert!(text.contains("| true "), "{text}");
        assert!(text.contains("| false "), "{text}");
    }
}
