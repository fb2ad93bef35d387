//! The newest events of a stream, decoded.

use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use millrace_bus::{Admin, Consumer, FetchLimits, KafkaSettings};
use millrace_control::SeamError;
use millrace_events::{Decoder, Offset, StreamSchema, TopicPartition};

use super::{of_bus, unavailable};

/// How much is fetched ahead, and how large a batch is.
const LIMITS: FetchLimits = FetchLimits { queue_bytes: 8 << 20, batch_bytes: 256 << 10 };
/// Most bytes of events that a sample reads of one stream.
const MOST_BYTES: usize = 64 << 20;
/// Longest wait for records; so long reading goes on after its owner has gone.
const WAIT: Duration = Duration::from_millis(100);

/// Part of a partition, and what was read of it.
struct Range {
    tp: TopicPartition,
    from: Offset,
    end: Offset,
    done: bool,
    rows: Vec<RecordBatch>,
}

/// The newest `events` records of `stream`, as many of each partition, by partition. Those that
/// cannot be decoded are left out. A stream without topic has none.
pub(super) async fn newest(
    kafka: &KafkaSettings,
    stream: &StreamSchema,
    events: usize,
) -> Result<Vec<Vec<RecordBatch>>, SeamError> {
    let admin = Admin::new(kafka).map_err(of_bus)?;
    let Some(count) = admin.partitions(&stream.topic).await.map_err(of_bus)? else {
        return Ok(vec![Vec::new()]);
    };
    let share = events.div_ceil(usize::try_from(count).unwrap_or(1).max(1));
    let share = i64::try_from(share).unwrap_or(i64::MAX);
    let mut ranges = Vec::new();
    for partition in 0..count {
        let tp = TopicPartition::new(stream.topic.as_str(), partition);
        let (low, high) = admin.watermarks(&tp).await.map_err(of_bus)?;
        let from = Offset(high.0.saturating_sub(share).max(low.0));
        ranges.push(Range { tp, from, end: high, done: from >= high, rows: Vec::new() });
    }
    // Kafka's client blocks. The thread ends soon after whoever waits here has gone.
    let (stop, mut thread) = (CancellationToken::new(), JoinSet::new());
    let (kafka, stream, stopped) = (kafka.clone(), stream.clone(), stop.clone());
    let _stop = stop.drop_guard();
    thread.spawn_blocking(move || read(&kafka, &stream, ranges, &stopped));
    match thread.join_next().await {
        Some(Ok(read)) => read,
        Some(Err(error)) => Err(unavailable(error)),
        None => Err(unavailable("the reading thread is gone")),
    }
}

fn read(
    kafka: &KafkaSettings,
    stream: &StreamSchema,
    mut ranges: Vec<Range>,
    stop: &CancellationToken,
) -> Result<Vec<Vec<RecordBatch>>, SeamError> {
    let mut consumer = Consumer::manual(kafka, LIMITS).map_err(of_bus)?;
    let mut decoder = Decoder::new(stream);
    for range in ranges.iter().filter(|range| !range.done) {
        consumer.start_at(&range.tp, Some(range.from)).map_err(of_bus)?;
    }
    let mut bytes = 0;
    while ranges.iter().any(|range| !range.done) && !stop.is_cancelled() {
        for raw in consumer.poll(WAIT).map_err(of_bus)? {
            let Some(range) = ranges.iter_mut().find(|range| range.tp == *raw.tp()) else {
                continue;
            };
            if range.done {
                continue;
            }
            bytes += raw.payload_bytes();
            if bytes > MOST_BYTES {
                return Err(SeamError::Refused(format!(
                    "the newest events of `{}` take more than {} MiB: ask for fewer",
                    stream.name,
                    MOST_BYTES >> 20
                )));
            }
            let found = decoder.decode(&raw);
            let records = raw.offsets().partition_point(|offset| *offset < range.end.0);
            let rows = found.rows.partition_point(|record| (*record as usize) < records);
            range.rows.push(found.batch.slice(0, rows));
            if raw.range().next >= range.end {
                range.done = true;
                consumer.stop(&range.tp);
            }
        }
    }
    Ok(ranges.into_iter().map(|range| range.rows).collect())
}
