//! Statistics of a data file as Delta's log has them, so that readers can skip files.

use chrono::{DateTime, Days, NaiveDate};
use parquet::basic::{LogicalType, TimeUnit, Type};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescriptor;
use serde_json::{Map, Value, json};

/// Columns described, from the first: the usual number of Delta writers.
const MAX_COLUMNS: usize = 32;
/// Longest string bound, in characters: the usual length of Delta writers.
const MAX_CHARS: usize = 32;

/// The `stats` of an `add`, from the file's own footer. Bounds are omitted where they would not be
/// exact enough to skip by; a reader then reads the file.
pub(crate) fn of(file: &ParquetMetaData) -> String {
    let (mut min, mut max, mut nulls) = (Map::new(), Map::new(), Map::new());
    let schema = file.file_metadata().schema_descr();
    let flat = |c: &ColumnDescriptor| c.path().parts().len() == 1;
    for (index, column) in
        schema.columns().iter().enumerate().filter(|(_, c)| flat(c)).take(MAX_COLUMNS)
    {
        let chunks = file.row_groups().iter().map(|g| g.column(index));
        let Some(chunks) = chunks.map(|c| c.statistics()).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let name = column.name().to_owned();
        let count: Option<u64> = chunks.iter().map(|s| s.null_count_opt()).sum();
        if let Some(count) = count {
            nulls.insert(name.clone(), json!(count));
        }
        // A group without a bound holds only nulls (or only NaN: then none of its bounds is known).
        let rows = file.row_groups().iter().map(|g| u64::try_from(g.num_rows()).unwrap_or(0));
        let filled = chunks.iter().zip(rows).filter(|(s, rows)| s.null_count_opt() != Some(*rows));
        let filled: Vec<_> = filled.map(|(s, _)| *s).collect();
        if let Some((low, high)) = bounds(column, &filled) {
            min.insert(name.clone(), low);
            max.insert(name, high);
        }
    }
    let rows = file.file_metadata().num_rows();
    json!({ "numRecords": rows, "minValues": min, "maxValues": max, "nullCount": nulls })
        .to_string()
}

fn bounds(column: &ColumnDescriptor, groups: &[&Statistics]) -> Option<(Value, Value)> {
    if groups.is_empty() {
        return None;
    }
    let logical = column.logical_type_ref();
    match (column.physical_type(), logical) {
        (Type::INT32, Some(LogicalType::Date)) => {
            let (low, high) = integers(groups)?;
            Some((date(low)?, date(high)?))
        }
        (Type::INT64, Some(LogicalType::Timestamp(t))) if matches!(t.unit, TimeUnit::MICROS) => {
            let (low, high) = integers(groups)?;
            // Readers take bounds as milliseconds: widen.
            let up = high.checked_add(999)?;
            Some((time(low.div_euclid(1000))?, time(up.div_euclid(1000))?))
        }
        (Type::INT32 | Type::INT64, None | Some(LogicalType::Integer(_))) => {
            let (low, high) = integers(groups)?;
            Some((json!(low), json!(high)))
        }
        (Type::FLOAT | Type::DOUBLE, None) => {
            let (low, high) = floats(groups)?;
            Some((json!(low), json!(high)))
        }
        (Type::BYTE_ARRAY, Some(LogicalType::String)) => strings(groups),
        _ => None,
    }
}

fn integers(groups: &[&Statistics]) -> Option<(i64, i64)> {
    let bound = |s: &&Statistics| match s {
        Statistics::Int32(v) => Some((i64::from(*v.min_opt()?), i64::from(*v.max_opt()?))),
        Statistics::Int64(v) => Some((*v.min_opt()?, *v.max_opt()?)),
        _ => None,
    };
    let bounds: Vec<_> = groups.iter().map(bound).collect::<Option<_>>()?;
    Some((bounds.iter().map(|b| b.0).min()?, bounds.iter().map(|b| b.1).max()?))
}

fn floats(groups: &[&Statistics]) -> Option<(f64, f64)> {
    let bound = |s: &&Statistics| match s {
        Statistics::Float(v) => Some((f64::from(*v.min_opt()?), f64::from(*v.max_opt()?))),
        Statistics::Double(v) => Some((*v.min_opt()?, *v.max_opt()?)),
        _ => None,
    };
    let bounds: Vec<_> = groups.iter().map(bound).collect::<Option<_>>()?;
    let low = bounds.iter().map(|b| b.0).fold(f64::INFINITY, f64::min);
    let high = bounds.iter().map(|b| b.1).fold(f64::NEG_INFINITY, f64::max);
    // JSON has no infinities.
    (low.is_finite() && high.is_finite()).then_some((low, high))
}

fn strings(groups: &[&Statistics]) -> Option<(Value, Value)> {
    let mut bounds = Vec::with_capacity(groups.len());
    for group in groups {
        bounds.push((utf8(group.min_bytes_opt()?)?, utf8(group.max_bytes_opt()?)?));
    }
    let low = bounds.iter().map(|b| b.0).min()?;
    let high = bounds.iter().map(|b| b.1).max()?;
    let low: String = low.chars().take(MAX_CHARS).collect();
    Some((json!(low), json!(upper_bound(high)?)))
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// At most [`MAX_CHARS`] characters that sort at or after `text`; `None` when there are none.
fn upper_bound(text: &str) -> Option<String> {
    let mut chars: Vec<_> = text.chars().take(MAX_CHARS + 1).collect();
    if chars.len() <= MAX_CHARS {
        return Some(text.to_owned());
    }
    chars.pop();
    while let Some(last) = chars.pop() {
        // The next character; surrogates are none.
        let next =
            if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

fn date(days: i64) -> Option<Value> {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    let magnitude = Days::new(days.unsigned_abs());
    let date = if days < 0 {
        epoch.checked_sub_days(magnitude)
    } else {
        epoch.checked_add_days(magnitude)
    };
    date.map(|d| json!(d.format("%Y-%m-%d").to_string()))
}

fn time(ms: i64) -> Option<Value> {
    let time = DateTime::from_timestamp_millis(ms)?;
    Some(json!(time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()))
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;
