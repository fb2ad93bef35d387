//! Checkpoints of a Delta log: which one to start from, its schema and transaction identifiers.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, AsArray, RecordBatch, StructArray};
use arrow::datatypes::{Int32Type, Int64Type};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use super::actions::{Format, Line, MetaData, Protocol, Txn};

/// Rows of a checkpoint read at once.
const ROWS: usize = 8192;

/// What the files of a log folder are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Versions with a commit entry, ascending.
    pub(crate) commits: Vec<i64>,
    /// Parts of each checkpoint seen: version → (parts it should have, file names).
    checkpoints: BTreeMap<(i64, usize), Vec<String>>,
}

impl Listing {
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut listing = Self::default();
        for name in names {
            let parts: Vec<_> = name.split('.').collect();
            let Some(version) = number(parts[0], 20) else { continue };
            match parts[1..] {
                ["json"] => listing.commits.push(version),
                ["checkpoint", "parquet"] => {
                    listing.checkpoints.entry((version, 1)).or_default().push(name.to_owned());
                }
                ["checkpoint", part, of, "parquet"] => {
                    let (Some(_), Some(of)) = (number(part, 10), number(of, 10)) else { continue };
                    let of = usize::try_from(of).unwrap_or(usize::MAX);
                    listing.checkpoints.entry((version, of)).or_default().push(name.to_owned());
                }
                _ => {}
            }
        }
        listing.commits.sort_unstable();
        listing
    }

    /// The newest version seen.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.commits.last().copied().max(self.checkpoint().map(|(version, _)| version))
    }

    /// The newest complete checkpoint: its version and files.
    pub(crate) fn checkpoint(&self) -> Option<(i64, &[String])> {
        let complete = self.checkpoints.iter().rev().find(|((_, of), files)| files.len() == *of);
        complete.map(|((version, _), files)| (*version, files.as_slice()))
    }
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let ok = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    ok.then(|| text.parse().ok())?
}

/// What one checkpoint file says besides its file list, which is not read.
pub(crate) fn read(file: Bytes) -> Result<Vec<Line>, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let wanted = |name: &str| matches!(name, "txn" | "metaData" | "protocol");
    let schema = builder.parquet_schema();
    let roots = schema.root_schema().get_fields().iter().enumerate();
    let roots: Vec<_> = roots.filter(|(_, f)| wanted(f.name())).map(|(i, _)| i).collect();
    let mask = ProjectionMask::roots(schema, roots);
    let mut lines = Vec::new();
    for batch in builder.with_projection(mask).with_batch_size(ROWS).build()? {
        lines_of(&batch?, &mut lines);
    }
    Ok(lines)
}

fn lines_of(batch: &RecordBatch, lines: &mut Vec<Line>) {
    let column = |name| batch.column_by_name(name).and_then(|c| c.as_struct_opt());
    let (txn, metadata, protocol) = (column("txn"), column("metaData"), column("protocol"));
    for row in 0..batch.num_rows() {
        let at = |s: Option<&StructArray>| s.filter(|s| s.is_valid(row)).cloned();
        let line = Line {
            commit_info: None,
            txn: at(txn).and_then(|s| {
                let last_updated = long(&s, "lastUpdated", row);
                Some(Txn {
                    app_id: text(&s, "appId", row)?,
                    version: long(&s, "version", row)?,
                    last_updated,
                })
            }),
            meta_data: at(metadata).and_then(|s| metadata_of(&s, row)),
            protocol: at(protocol).and_then(|s| {
                let version = |name| {
                    let column = s.column_by_name(name)?.as_primitive_opt::<Int32Type>()?;
                    column.is_valid(row).then(|| column.value(row))
                };
                let min_reader_version = version("minReaderVersion")?;
                Some(Protocol {
                    min_reader_version,
                    min_writer_version: version("minWriterVersion")?,
                })
            }),
        };
        if line.txn.is_some() || line.meta_data.is_some() || line.protocol.is_some() {
            lines.push(line);
        }
    }
}

fn metadata_of(s: &StructArray, row: usize) -> Option<MetaData> {
    let format = s.column_by_name("format").and_then(|c| c.as_struct_opt());
    Some(MetaData {
        id: text(s, "id", row)?,
        name: text(s, "name", row),
        description: text(s, "description", row),
        format: Format {
            provider: format
                .and_then(|f| text(f, "provider", row))
                .unwrap_or_else(|| "parquet".to_owned()),
            options: format.map(|f| map(f, "options", row)).unwrap_or_default(),
        },
        schema_string: text(s, "schemaString", row)?,
        partition_columns: s
            .column_by_name("partitionColumns")
            .and_then(|c| c.as_list_opt::<i32>())
            .filter(|c| c.is_valid(row))
            .map(|c| strings(&c.value(row)).into_iter().flatten().collect())
            .unwrap_or_default(),
        configuration: map(s, "configuration", row),
        created_time: long(s, "createdTime", row),
    })
}

fn long(s: &StructArray, name: &str, row: usize) -> Option<i64> {
    let column = s.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

fn text(s: &StructArray, name: &str, row: usize) -> Option<String> {
    strings(&s.column_by_name(name)?.slice(row, 1)).pop().flatten()
}

fn map(s: &StructArray, name: &str, row: usize) -> BTreeMap<String, Option<String>> {
    let column = s.column_by_name(name).and_then(|c| c.as_map_opt());
    let Some(entries) = column.filter(|c| c.is_valid(row)).map(|c| c.value(row)) else {
        return BTreeMap::new();
    };
    let keys = strings(entries.column(0)).into_iter().flatten();
    keys.zip(strings(entries.column(1))).collect::<HashMap<_, _>>().into_iter().collect()
}

fn strings(array: &dyn Array) -> Vec<Option<String>> {
    let owned = |s: Option<&str>| s.map(str::to_owned);
    if let Some(a) = array.as_string_opt::<i32>() {
        a.iter().map(owned).collect()
    } else if let Some(a) = array.as_string_view_opt() {
        a.iter().map(owned).collect()
    } else if let Some(a) = array.as_string_opt::<i64>() {
        a.iter().map(owned).collect()
    } else {
        vec![None; array.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_complete_checkpoint_is_chosen() {
        let names = [
            "00000000000000000010.json",
            "00000000000000000009.json",
            "00000000000000000009.json#1",
            "00000000000000000005.checkpoint.parquet",
            "00000000000000000010.checkpoint.0000000001.0000000002.parquet",
            "00000000000000000007.checkpoint.0000000001.0000000002.parquet",
            "00000000000000000007.checkpoint.0000000002.0000000002.parquet",
            "00000000000000000008.crc",
            "00000000000000000001.00000000000000000004.compacted.json",
            "_last_checkpoint",
            "_commits",
        ];
        let listing = Listing::of(names.into_iter());
        assert_eq!(listing.commits, [9, 10]);
        let (version, files) = listing.checkpoint().expect("there is one");
        assert_eq!((version, files.len()), (7, 2));
    }
}
