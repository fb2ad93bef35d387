//! Measures how fast records go in and come out: `rates [HOST:PORT] [RECORDS] [BYTES]`.
//!
//! Without an address the embedded broker runs in the same process, so that CPU is for both.

use std::time::{Duration, Instant};

use millrace_bus::{
    Admin, Consumer, EmbeddedBroker, EnqueueError, FetchLimits, KafkaSettings, Producer,
    ProducerLimits,
};
use millrace_events::{Outgoing, PartitionId, TopicPartition, Transport as _};

const PARTITIONS: i32 = 4;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let count: usize = arguments.get(1).map_or(Ok(1_000_000), |n| n.parse())?;
    let bytes: usize = arguments.get(2).map_or(Ok(150), |n| n.parse())?;
    let dir = tempfile::tempdir()?;
    let mut embedded = None;
    let settings = if let Some(address) = arguments.first().filter(|a| a.contains(':')) {
        KafkaSettings::plain(address)
    } else {
        let broker = EmbeddedBroker::start(dir.path(), ([127, 0, 0, 1], 0).into()).await?;
        let address = broker.address().to_string();
        embedded = Some(broker);
        KafkaSettings::plain(address)
    };
    let topic = format!("rates-{}", uuid::Uuid::new_v4().simple());
    Admin::new(&settings)?.ensure_topic(&topic, PARTITIONS).await?;
    let limits = ProducerLimits { queue_bytes: 32 << 20, linger: Duration::from_millis(5) };
    let producer = Producer::new(&settings, limits)?;
    produce(&producer, &topic, count, bytes).await?;
    acknowledge(&producer, &topic).await;
    tokio::task::block_in_place(|| consume(&settings, &topic, count))?;
    if let Some(broker) = embedded {
        broker.stop().await;
    }
    Ok(())
}

fn record(topic: &str, number: usize, bytes: usize) -> Outgoing {
    // Digits that repeat, about as compressible as JSON.
    let mut value = format!("{number:016}").repeat(bytes / 16 + 1).into_bytes();
    value.truncate(bytes);
    Outgoing {
        topic: topic.into(),
        partition: Some(PartitionId(i32::try_from(number).unwrap_or(0) % PARTITIONS)),
        key: None,
        value: Some(value.into()),
        headers: Vec::new(),
        timestamp_ms: None,
    }
}

async fn produce(
    producer: &Producer,
    topic: &str,
    count: usize,
    bytes: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let sample: Vec<_> = (0..1024).map(|n| record(topic, n, bytes)).collect();
    let (started, cpu) = (Instant::now(), cpu_seconds());
    for n in 0..count {
        while let Err(error) = producer.try_enqueue((&sample[n % sample.len()]).into()) {
            if error != EnqueueError::Full {
                return Err(error.into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    producer.drained().await?;
    report("produced", count, count * bytes, started, cpu);
    Ok(())
}

/// One record at a time, with the linger of a few milliseconds in it.
async fn acknowledge(producer: &Producer, topic: &str) {
    let mut times = Vec::new();
    for n in 0..100 {
        let started = Instant::now();
        producer.send(vec![record(topic, n, 150)]).await;
        times.push(started.elapsed());
    }
    times.sort();
    println!("one acknowledged: p50 {:.1?}, p99 {:.1?}", times[50], times[98]);
}

fn consume(
    settings: &KafkaSettings,
    topic: &str,
    count: usize,
) -> Result<(), millrace_bus::BusError> {
    let limits = FetchLimits { queue_bytes: 64 << 20, batch_bytes: 4 << 20 };
    let mut consumer = Consumer::manual(settings, limits)?;
    for partition in 0..PARTITIONS {
        consumer.start_at(&TopicPartition::new(topic, partition), None)?;
    }
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let (mut records, mut bytes, mut polls) = (0, 0, 0);
    while records < count {
        for batch in consumer.poll(Duration::from_secs(1))? {
            records += batch.len();
            bytes += batch.payload_bytes();
        }
        polls += 1;
    }
    report("consumed", records, bytes, started, cpu);
    println!("{polls} polls");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for printing")]
fn report(what: &str, records: usize, bytes: usize, started: Instant, cpu_before: f64) {
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu_before);
    println!(
        "{what} {records} records in {seconds:.2} s: {:.0} k/s, {:.0} MB/s; {cpu:.2} CPU-s of this \
         process, {:.0} k/s per core; {} MB resident",
        records as f64 / seconds / 1e3,
        bytes as f64 / seconds / 1e6,
        records as f64 / cpu / 1e3,
        resident_kib() / 1024,
    );
}

/// User and system time of this process (Linux counts in hundredths of a second).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    fields.skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
