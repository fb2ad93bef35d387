//! A broker with filled topics, and folders for the process under test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use tempfile::TempDir;

use millrace_bus::{Admin, EmbeddedBroker, KafkaSettings, Producer, ProducerLimits};
use millrace_events::{Clock, Header, Outgoing, PartitionId, SystemClock, Transport};

use crate::events::{self, Size};

/// Partitions of every topic.
pub(crate) const PARTITIONS: i32 = 4;

/// A topic and what is in it.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) topic: String,
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// What all runs share.
pub(crate) struct Site {
    pub(crate) binary: PathBuf,
    pub(crate) kafka: KafkaSettings,
    pub(crate) dir: TempDir,
    broker: Option<EmbeddedBroker>,
    run: String,
}

impl Site {
    pub(crate) async fn start(binary: &Path, kafka: Option<&str>) -> anyhow::Result<Self> {
        let binary = binary.canonicalize().with_context(|| {
            format!("{} is missing: run bench/run.sh, which builds it", binary.display())
        })?;
        let dir = tempfile::tempdir()?;
        let broker = if kafka.is_some() {
            None
        } else {
            let any = "127.0.0.1:0".parse()?;
            Some(EmbeddedBroker::start(&dir.path().join("broker"), any).await?)
        };
        let address = broker.as_ref().map(|b| b.address().to_string());
        let bootstrap = kafka.map(str::to_owned).or(address).context("a broker")?;
        let run = SystemClock::default().now_ms();
        let kafka = KafkaSettings::plain(bootstrap);
        Ok(Self { binary, kafka, dir, broker, run: format!("{run:x}") })
    }

    /// A name no earlier run used.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("bench-{what}-{}", self.run)
    }

    /// A folder of its own for a run.
    pub(crate) fn folder(&self, what: &str) -> anyhow::Result<PathBuf> {
        let folder = self.dir.path().join(what);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Fills a topic with `bytes` of events. One in four carries the header `kind: play`.
    pub(crate) async fn fill(
        &self,
        what: &str,
        size: Size,
        bytes: usize,
    ) -> anyhow::Result<Filled> {
        let topic = self.name(what);
        Admin::new(&self.kafka)?.ensure_topic(&topic, PARTITIONS).await?;
        let limits = ProducerLimits { queue_bytes: 64 << 20, linger: Duration::from_millis(20) };
        let producer = Producer::new(&self.kafka, limits)?;
        let mut filled = Filled { topic, events: 0, bytes: 0 };
        while filled.bytes < bytes as u64 {
            let records: Vec<_> = (0..10_000)
                .map(|i| {
                    let n = filled.events + i;
                    let value = events::event(n, size);
                    let kind = if n.is_multiple_of(4) { "play" } else { "other" };
                    let header = Header {
                        name: "kind".into(),
                        value: Some(Bytes::from_static(kind.as_bytes())),
                    };
                    Outgoing {
                        topic: filled.topic.as_str().into(),
                        partition: i32::try_from(n % 4).ok().map(PartitionId),
                        key: None,
                        value: Some(Bytes::from(value)),
                        headers: if size == Size::Small { vec![header] } else { Vec::new() },
                        timestamp_ms: None,
                    }
                })
                .collect();
            let sizes = records.iter().map(|r| r.value.as_ref().map_or(0, Bytes::len) as u64);
            filled.bytes += sizes.sum::<u64>();
            filled.events += records.len() as u64;
            for result in producer.send(records).await {
                result?;
            }
        }
        eprintln!(
            "filled {}: {} events, {} MB",
            filled.topic,
            filled.events,
            filled.bytes / 1_000_000
        );
        Ok(filled)
    }

    pub(crate) async fn stop(self) {
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
    }
}
