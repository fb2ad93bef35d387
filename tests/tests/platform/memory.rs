//! One budget holds with a thousand partitions open and a sink beside them that takes nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use millrace_bus::testing::TestBroker;
use millrace_bus::{Admin, Producer, ProducerLimits};
use millrace_events::{Outgoing, Transport};
use millrace_tests::{Site, Tables, eventually};

const BUDGET_MIB: u64 = 48;
const BUCKETS: u64 = 1_000;
const EVENTS: u64 = 200_000;
/// What the process has beside the budget: code, threads, the rows of one batch being converted,
/// what the allocator keeps. Far below the 90 MB that pass through.
const BESIDE_MIB: u64 = 64;

fn manifests(name: &str, stalled: &str) -> String {
    format!(
        "kind: Stream
metadata: {{ name: {name} }}
spec:
  format: json
  id: event_id
  partitions: 2
  columns:
    - {{ name: event_id, type: string }}
    - {{ name: bucket, type: int32 }}
    - {{ name: pad, type: string }}
---
kind: Route
metadata: {{ name: {name} }}
spec:
  from: {name}
  to: {{ table: raw.buckets, partition_by: [bucket] }}
  roll: {{ bytes: 1GiB, every: 1h, idle: 1s }}
---
kind: Route
metadata: {{ name: {name}-stalled }}
spec:
  from: {name}
  to: {{ http: {{ url: \"http://{stalled}/\", allow_private: true }} }}
"
    )
}

async fn produce(broker: &TestBroker, topic: &str) -> Result<()> {
    Admin::new(&broker.settings())?.ensure_topic(topic, 2).await?;
    let limits = ProducerLimits { queue_bytes: 16 << 20, linger: Duration::from_millis(5) };
    let producer = Producer::new(&broker.settings(), limits)?;
    for first in (0..EVENTS).step_by(5_000) {
        let records = (first..first + 5_000).map(|n| {
            // Text that does not compress away: a hash chain in hexadecimal.
            let mut h = n;
            let mut pad = String::new();
            for _ in 0..24 {
                h = h
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let _ = write!(pad, "{h:016x}");
            }
            let bucket = n % BUCKETS;
            let value = format!("{{\"event_id\":\"e{n}\",\"bucket\":{bucket},\"pad\":\"{pad}\"}}");
            Outgoing {
                topic: topic.into(),
                partition: None,
                key: Some(Bytes::from(n.to_string())),
                value: Some(Bytes::from(value)),
                headers: Vec::new(),
                timestamp_ms: None,
            }
        });
        for answer in producer.send(records.collect()).await {
            answer?;
        }
    }
    Ok(())
}

/// Memory the process has written to; its code, a large file, is not what the budget is about.
fn resident_mib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:")).context("RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
}

/// Keeps the largest value of [`resident_mib`] in `most` while the process lives.
async fn watch(pid: u32, most: Arc<AtomicU64>) {
    while let Ok(now) = resident_mib(pid) {
        most.fetch_max(now, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn rows(tables: &Tables) -> Result<u64> {
    Ok(tables.ids("raw.buckets").await?.len() as u64)
}

async fn peak_of_budget(http: &str) -> Result<u64> {
    let text = reqwest::get(format!("http://{http}/metrics")).await?.text().await?;
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix("millrace_budget_peak_bytes{budget=\"all\"} "))
        .context("the budget's peak is a metric")?;
    Ok(line.parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_holds_with_a_thousand_partitions_and_a_stalled_sink() -> Result<()> {
    let broker = TestBroker::start().await;
    let name = broker.topic("memory");
    // Connections are accepted by the backlog, and nobody ever answers.
    let stalled = TcpListener::bind("127.0.0.1:0").await?;
    let site = Site::new(&manifests(&name, &stalled.local_addr()?.to_string()))?;
    Admin::new(&broker.settings())?.ensure_topic(&name, 2).await?;
    let memory = format!("{BUDGET_MIB}MiB");
    let options = ["--alone", "--listen", "127.0.0.1:0", "--memory", &memory];
    let mut router = site.router("router", &broker.settings(), &options)?;
    let run = router.ready().await?;
    let http = run["http"].as_str().context("an address")?.to_owned();
    let pid = u32::try_from(run["pid"].as_u64().context("a pid")?)?;
    let before = resident_mib(pid)?;
    let most = Arc::new(AtomicU64::new(before));
    let mut sampler = JoinSet::new();
    sampler.spawn(watch(pid, most.clone()));
    produce(&broker, &name).await?;
    let tables = site.tables().await?;
    eventually("every event in the table", async || {
        Ok((rows(&tables).await? >= EVENTS).then_some(()))
    })
    .await
    .with_context(|| site.logs())?;
    let budget = peak_of_budget(&http).await?;
    ensure!(budget <= BUDGET_MIB << 20, "{budget} bytes were charged at once");
    let more = most.load(Ordering::Relaxed) - before;
    println!("peak of the budget {} MiB, resident memory grew by {more} MiB", budget >> 20);
    ensure!(more <= BUDGET_MIB + BESIDE_MIB, "resident memory grew by {more} MiB");
    let counted = tables.ids("raw.buckets").await?.into_iter().collect::<BTreeSet<_>>().len();
    ensure!(counted as u64 == EVENTS && rows(&tables).await? == EVENTS, "{counted} distinct ids");
    router.kill().await
}
