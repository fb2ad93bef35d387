//! The queries: their Flink SQL, the batch SQL with the same result, and the sinks they write.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::schema::micros;

/// The queries there are, in the order of their numbers.
pub const QUERIES: [&str; 15] = [
    "q0", "q1", "q2", "q5", "q7", "q8", "q11", "q14", "q15", "q16", "q17", "q18", "q19", "q21",
    "q22",
];

macro_rules! sources {
    ($folder:literal, $query:expr) => {
        sources!(@arms $folder, $query;
            "q0" "q1" "q2" "q5" "q7" "q8" "q11" "q14" "q15" "q16" "q17" "q18" "q19" "q21" "q22")
    };
    (@arms $folder:literal, $query:expr; $($name:literal)+) => {
        match $query {
            $($name => include_str!(concat!("../", $folder, "/", $name, ".sql")),)+
            other => unknown(other),
        }
    };
}

fn unknown(query: &str) -> ! {
    panic!("no query `{query}`; there are {}", QUERIES.join(", "))
}

/// The query as a Flink SQL statement that reads the streams `person`, `auction` and `bid` and
/// writes [`sink`].
///
/// # Panics
/// If `query` is none of [`QUERIES`].
pub fn sql(query: &str) -> &'static str {
    sources!("queries", query)
}

/// The same computation as plain batch SQL of DataFusion, by other means where there are any.
///
/// # Panics
/// If `query` is none of [`QUERIES`].
pub fn reference(query: &str) -> &'static str {
    sources!("reference", query)
}

/// What a query writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    /// The name after `INSERT INTO`.
    pub name: String,
    /// Columns in order.
    pub schema: SchemaRef,
    /// The columns by which a later row replaces an earlier one; empty when every row stays.
    pub primary_key: Vec<&'static str>,
}

const INT: DataType = DataType::Int64;
const TEXT: DataType = DataType::Utf8;
/// Flink's type of `0.908 * price`.
const EUROS: DataType = DataType::Decimal128(23, 3);

const LEVELS: [&str; 4] = ["total", "rank1", "rank2", "rank3"];

/// The sink of a query.
///
/// # Panics
/// If `query` is none of [`QUERIES`].
pub fn sink(query: &str) -> Sink {
    let bid = || vec![("auction", INT), ("bidder", INT), ("price", INT)];
    let tail = || vec![("dateTime", micros()), ("extra", TEXT)];
    let channel = || vec![("channel", TEXT)];
    let url = || vec![("channel", TEXT), ("url", TEXT)];
    let euros = || vec![("auction", INT), ("bidder", INT), ("price", EUROS)];
    let (columns, primary_key) = match query {
        "q0" | "q7" => ([bid(), tail()].concat(), vec![]),
        "q1" => ([euros(), tail()].concat(), vec![]),
        "q2" => (vec![("auction", INT), ("price", INT)], vec![]),
        "q5" => (vec![("auction", INT), ("num", INT)], vec![]),
        "q8" => (vec![("id", INT), ("name", TEXT), ("starttime", micros())], vec![]),
        "q11" => {
            let window = [("starttime", micros()), ("endtime", micros())];
            ([vec![("bidder", INT), ("bid_count", INT)], window.to_vec()].concat(), vec![])
        }
        "q14" => {
            let kind = vec![("bidTimeType", TEXT)];
            ([euros(), kind, tail(), vec![("c_counts", INT)]].concat(), vec![])
        }
        "q15" | "q16" | "q17" => return statistics(query),
        "q18" => ([bid(), url(), tail()].concat(), vec!["bidder", "auction"]),
        "q19" => {
            let rank = vec![("rank_number", INT)];
            ([bid(), url(), tail(), rank].concat(), vec!["auction", "rank_number"])
        }
        "q21" => ([bid(), channel(), vec![("channel_id", TEXT)]].concat(), vec![]),
        "q22" => {
            let directories = vec![("dir1", TEXT), ("dir2", TEXT), ("dir3", TEXT)];
            ([bid(), channel(), directories].concat(), vec![])
        }
        other => unknown(other),
    };
    let fields = columns.into_iter().map(|(name, data_type)| Field::new(name, data_type, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Sink { name: format!("nexmark_{query}"), schema, primary_key }
}

/// The sinks of the daily reports, whose rows are replaced as the day goes on.
fn statistics(query: &str) -> Sink {
    let mut fields = Vec::new();
    let mut add = |name: &str, data_type| fields.push(Field::new(name, data_type, true));
    let (keys, counted): (&[&'static str], &[&str]) = match query {
        "q15" => (&["day"], &["bids", "bidders", "auctions"]),
        "q16" => (&["channel", "day"], &["bids", "bidders", "auctions"]),
        _ => (&["auction", "day"], &["bids"]),
    };
    for key in keys {
        add(key, if *key == "auction" { INT } else { TEXT });
    }
    if query == "q16" {
        add("minute", TEXT);
    }
    for what in counted {
        for level in LEVELS {
            add(&format!("{level}_{what}"), INT);
        }
    }
    if query == "q17" {
        for function in ["min", "max", "avg", "sum"] {
            add(&format!("{function}_price"), INT);
        }
    }
    let schema = Arc::new(Schema::new(fields));
    Sink { name: format!("nexmark_{query}"), schema, primary_key: keys.to_vec() }
}

#[cfg(test)]
#[path = "queries_tests.rs"]
mod tests;
