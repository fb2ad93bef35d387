//! Nexmark's bids as JSON in a topic.

use anyhow::bail;
use arrow::datatypes::DataType;
use arrow::json::LineDelimitedWriter;
use std::time::Duration;

use millrace_bus::{Admin, OutgoingRef, Producer, ProducerLimits};
use millrace_events::{Column, ColumnType, EventTime, PartitionId, StreamSchema};
use millrace_nexmark::{Settings, bid_schema, generate};

use crate::site::{Filled, PARTITIONS, Site};

/// Events generated; the bids among them are sent again and again.
const GENERATED: usize = 500_000;
const BATCH_ROWS: usize = 8192;

/// The stream of bids on `topic`.
pub(crate) fn stream(topic: &str) -> anyhow::Result<StreamSchema> {
    let mut columns = Vec::new();
    for field in bid_schema().fields() {
        let data_type = match field.data_type() {
            DataType::Int64 => ColumnType::Int64,
            DataType::Utf8 => ColumnType::String,
            DataType::Timestamp(..) => ColumnType::TimestampUs,
            other => bail!("a bid has no {other}"),
        };
        columns.push(Column { name: field.name().clone(), data_type, required: false });
    }
    Ok(StreamSchema {
        name: "bid".parse()?,
        topic: topic.to_owned(),
        partitions: PARTITIONS,
        key: None,
        id: None,
        event_time: Some(EventTime {
            column: "dateTime".to_owned(),
            delay: Duration::from_secs(4),
            idle: Duration::from_mins(1),
        }),
        columns,
    })
}

/// Fills a topic with `events` bids.
pub(crate) async fn fill(site: &Site, events: u64) -> anyhow::Result<Filled> {
    let topic = site.name("bids");
    Admin::new(&site.kafka)?.ensure_topic(&topic, PARTITIONS).await?;
    let limits = ProducerLimits { queue_bytes: 128 << 20, linger: Duration::from_millis(20) };
    let producer = Producer::new(&site.kafka, limits)?;
    let text = json()?;
    let bids: Vec<&[u8]> =
        text.split(|byte| *byte == b'\n').filter(|bid| !bid.is_empty()).collect();
    let mut filled = Filled { topic, events: 0, bytes: 0 };
    let partitions = (0..PARTITIONS).cycle();
    let turns = usize::try_from(events)?;
    for (bid, partition) in bids.iter().cycle().zip(partitions).take(turns) {
        producer
            .enqueue(OutgoingRef {
                topic: &filled.topic,
                partition: Some(PartitionId(partition)),
                key: None,
                value: Some(bid),
                headers: &[],
                timestamp_ms: None,
            })
            .await?;
        filled.events += 1;
        filled.bytes += bid.len() as u64;
    }
    producer.drained().await?;
    eprintln!("filled {}: {} bids, {} MB", filled.topic, filled.events, filled.bytes / 1_000_000);
    Ok(filled)
}

fn json() -> anyhow::Result<Vec<u8>> {
    let events = generate(&Settings { events: GENERATED, ..Settings::default() }, BATCH_ROWS);
    let mut text = Vec::new();
    let mut writer = LineDelimitedWriter::new(&mut text);
    for rows in &events.bids {
        writer.write(rows)?;
    }
    writer.finish()?;
    drop(writer);
    Ok(text)
}
