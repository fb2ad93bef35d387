//! What must hold for any bytes; shared by the fuzz targets and the tests of `events`.

use std::time::Duration;

use millrace_events::{
    Column, ColumnType, Decoder, EventTime, Offset, RawBatchBuilder, RawRecord, StreamSchema,
    TopicPartition,
};

const COLUMNS: [(&str, ColumnType); 11] = [
    ("a", ColumnType::String),
    ("b", ColumnType::TimestampMs),
    ("c", ColumnType::TimestampUs),
    ("d", ColumnType::Int64),
    ("e", ColumnType::Int32),
    ("f", ColumnType::Float32),
    ("g", ColumnType::Float64),
    ("h", ColumnType::Boolean),
    ("i", ColumnType::Date),
    ("j", ColumnType::StringList),
    ("k", ColumnType::Float64List),
];

fn schema() -> StreamSchema {
    let column = |(name, data_type): (&str, _)| Column {
        name: name.to_owned(),
        data_type,
        required: name == "d",
    };
    StreamSchema {
        name: "fuzz".parse().expect("a valid name"),
        topic: "fuzz".to_owned(),
        partitions: 1,
        key: None,
        id: Some("a".to_owned()),
        event_time: Some(EventTime {
            column: "b".to_owned(),
            delay: Duration::ZERO,
            idle: Duration::ZERO,
        }),
        columns: COLUMNS.into_iter().map(column).collect(),
    }
}

/// Decodes the lines of `data` as records of one batch. Panics unless each is a row or dead, and
/// unless a sound event behind them all still decodes.
pub fn decode(data: &[u8]) {
    const SOUND: &[u8] = br#"{"d":7,"a":"last"}"#;
    let mut builder = RawBatchBuilder::new(TopicPartition::new("fuzz", 0), Offset(0));
    for (offset, line) in (0..).map(Offset).zip(data.split(|b| *b == b'\n').chain([SOUND])) {
        // A lone carriage return stands for a tombstone.
        let value = (line != b"\r").then_some(line);
        builder.push(RawRecord { offset, timestamp_ms: 1, key: None, value, headers: &[] });
    }
    let raw = builder.finish();
    let decoded = Decoder::new(&schema()).decode(&raw);
    assert_eq!(decoded.rows.len(), decoded.batch.num_rows());
    let mut seen: Vec<_> = decoded.dead.iter().map(|d| d.0).chain(decoded.rows.clone()).collect();
    seen.sort_unstable();
    let all = u32::try_from(raw.len()).expect("few lines");
    assert!(seen.into_iter().eq(0..all), "each record is a row or dead");
    assert_eq!(decoded.rows.last(), Some(&(all - 1)), "the sound event is a row");
    assert!(decoded.dead.iter().all(|(_, reason)| !reason.is_empty() && reason.len() < 1_000));
}
