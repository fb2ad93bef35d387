//! `millrace dead-letters`: look at refused events, and send them again to the routes that refused
//! them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{Field, Schema};
use bytes::Bytes;

use millrace_bus::{KafkaSettings, Producer, ProducerLimits};
use millrace_events::{Header, NoProbe, Outgoing, Transport};
use millrace_router::REPLAY_ROUTES_HEADER;
use millrace_sinks::{DeadLetterQuery, DeadLetterRow};

use crate::cli::{
    DeadLettersCommand, DeadLettersFilter, DeadLettersListArgs, DeadLettersReplayArgs,
};
use crate::platform::RunFile;
use crate::{Verdict, compose, sql, store};

/// Records sent at once.
const CHUNK: usize = 1_000;

/// `millrace dead-letters list|replay`.
pub(crate) async fn run(command: DeadLettersCommand) -> anyhow::Result<Verdict> {
    match command {
        DeadLettersCommand::List(args) => list(args).await,
        DeadLettersCommand::Replay(args) => replay(args).await,
    }
}

fn query(filter: &DeadLettersFilter) -> anyhow::Result<DeadLetterQuery> {
    let route = filter.route.as_deref().map(str::parse).transpose().context("--route")?;
    Ok(DeadLetterQuery { route, topic: filter.topic.clone(), limit: Some(filter.limit) })
}

async fn list(args: DeadLettersListArgs) -> anyhow::Result<Verdict> {
    let warehouse = store::open(&args.store, Arc::new(NoProbe)).await?;
    let rows = warehouse.dead_letters(&query(&args.filter)?).await?;
    sql::print(args.output, &batch(&rows)?)?;
    eprintln!("{} dead letters", rows.len());
    Ok(Verdict::Good)
}

fn batch(rows: &[DeadLetterRow]) -> anyhow::Result<RecordBatch> {
    fn text(rows: &[DeadLetterRow], f: impl Fn(&DeadLetterRow) -> Option<String>) -> ArrayRef {
        Arc::new(rows.iter().map(f).collect::<StringArray>())
    }
    let lossy =
        |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
    let headers = |headers: &[Header]| {
        let one = |h: &Header| {
            let value = h.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            format!("{}={value}", h.name)
        };
        headers.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    let time =
        TimestampMillisecondArray::from_iter_values(rows.iter().map(|r| r.letter.timestamp_ms));
    let partitions = Int32Array::from_iter_values(rows.iter().map(|r| r.letter.tp.partition.0));
    let offsets = Int64Array::from_iter_values(rows.iter().map(|r| r.letter.offset.0));
    let columns: [(&str, ArrayRef); 9] = [
        ("route", text(rows, |r| Some(r.route.to_string()))),
        ("topic", text(rows, |r| Some(r.letter.tp.topic.to_string()))),
        ("partition", Arc::new(partitions)),
        ("offset", Arc::new(offsets)),
        ("timestamp", Arc::new(time.with_timezone("UTC"))),
        ("reason", text(rows, |r| Some(r.letter.reason.clone()))),
        ("key", text(rows, |r| lossy(&r.letter.key))),
        ("value", text(rows, |r| lossy(&r.letter.value))),
        ("headers", text(rows, |r| Some(headers(&r.letter.headers)))),
    ];
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(_, array)| array).collect();
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

/// The letters as records for their topics: one per refused record, naming every route that refused
/// it.
fn records(rows: Vec<DeadLetterRow>) -> Vec<Outgoing> {
    let mut by_place: BTreeMap<_, (DeadLetterRow, Vec<String>)> = BTreeMap::new();
    for row in rows {
        let place = (row.letter.tp.clone(), row.letter.offset);
        let route = row.route.to_string();
        by_place.entry(place).or_insert_with(|| (row, Vec::new())).1.push(route);
    }
    by_place
        .into_values()
        .map(|(row, mut routes)| {
            routes.sort();
            routes.dedup();
            let letter = row.letter;
            let mut headers = letter.headers;
            headers.retain(|h| h.name != REPLAY_ROUTES_HEADER);
            let value = Some(Bytes::from(routes.join(",")));
            headers.push(Header { name: REPLAY_ROUTES_HEADER.into(), value });
            Outgoing {
                topic: letter.tp.topic,
                partition: Some(letter.tp.partition),
                key: letter.key.map(Bytes::from),
                value: letter.value.map(Bytes::from),
                headers,
                timestamp_ms: Some(letter.timestamp_ms),
            }
        })
        .collect()
}

async fn replay(args: DeadLettersReplayArgs) -> anyhow::Result<Verdict> {
    let warehouse = store::open(&args.store, Arc::new(NoProbe)).await?;
    let records = records(warehouse.dead_letters(&query(&args.filter)?).await?);
    if args.dry_run {
        println!("{} records would be appended again", records.len());
        return Ok(Verdict::Good);
    }
    let kafka = match compose::cluster(&args.kafka)? {
        Some(kafka) => kafka,
        None => KafkaSettings::plain(RunFile::read(&args.store.data)?.kafka),
    };
    let linger = std::time::Duration::from_millis(5);
    let producer = Producer::new(&kafka, ProducerLimits { queue_bytes: 16 << 20, linger })?;
    let (mut sent, mut failed) = (0, 0);
    for chunk in records.chunks(CHUNK) {
        for (record, result) in chunk.iter().zip(producer.send(chunk.to_vec()).await) {
            match result {
                Ok(()) => sent += 1,
                Err(e) => {
                    failed += 1;
                    eprintln!("{}: {e}", record.topic);
                }
            }
        }
    }
    println!(
        "{sent} records appended again for the routes that refused them; they keep their event ids"
    );
    Ok(if failed == 0 { Verdict::Good } else { Verdict::Bad })
}

#[cfg(test)]
mod tests {
    use millrace_events::{DeadLetter, Offset, TopicPartition};

    use super::*;

    fn row(route: &str, offset: i64) -> DeadLetterRow {
        let letter = DeadLetter {
            tp: TopicPartition::new("t", 1),
            offset: Offset(offset),
            timestamp_ms: 5,
            key: None,
            value: Some(b"x".to_vec()),
            headers: vec![Header { name: REPLAY_ROUTES_HEADER.into(), value: None }],
            reason: "bad".into(),
        };
        DeadLetterRow { route: route.parse().expect("valid"), dead_at_ms: 0, letter }
    }

    #[test]
    fn a_record_two_routes_refused_is_sent_once_for_both() {
        let records = records(vec![row("b", 7), row("a", 7), row("a", 8)]);
        let routes: Vec<_> = records
            .iter()
            .map(|r| (r.headers.len(), r.headers[0].value.clone().expect("set")))
            .collect();
        assert_eq!(routes, [(1, Bytes::from("a,b")), (1, Bytes::from("a"))]);
    }
}
