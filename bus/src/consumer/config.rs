//! Client properties of consumers.

use std::time::Duration;

use rdkafka::ClientConfig;

use super::FetchLimits;
use crate::{BusError, KafkaSettings};

const MIB: usize = 1 << 20;
/// The library counts keys and values only, but a queued record costs it some 300 bytes more.
/// Counting records as well keeps small ones within the limit; large ones meet the limit in bytes
/// first.
const RECORD_BYTES: usize = 400;

/// A reader without a group. The library insists on a group id; without a subscription it never
/// joins.
pub(super) fn alone(
    settings: &KafkaSettings,
    limits: FetchLimits,
) -> Result<ClientConfig, BusError> {
    let mut config = base(settings, limits)?;
    config.set("group.id", "millrace-reader");
    Ok(config)
}

/// A member of a group.
pub(super) fn group(
    settings: &KafkaSettings,
    group_id: &str,
    session_timeout: Duration,
    limits: FetchLimits,
) -> Result<ClientConfig, BusError> {
    let session = session_timeout.as_millis();
    let mut config = base(settings, limits)?;
    config
        .set("group.id", group_id)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", session.to_string())
        .set("heartbeat.interval.ms", (session / 3).clamp(100, 3_000).to_string())
        .set("max.poll.interval.ms", session.max(300_000).to_string())
        .set("topic.metadata.refresh.interval.ms", "30000");
    Ok(config)
}

fn base(settings: &KafkaSettings, limits: FetchLimits) -> Result<ClientConfig, BusError> {
    // An answer is counted compressed and unpacks to several times its size, whatever room the
    // queue has: hence a small part of it. A record of the largest size brokers take by default (1
    // MiB) must fit.
    let answer = (limits.queue_bytes / 16).clamp(MIB + MIB / 4, 32 * MIB);
    let mut config = settings.client()?;
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("queued.max.messages.kbytes", (limits.queue_bytes / 1024).max(1).to_string())
        .set("queued.min.messages", (limits.queue_bytes / RECORD_BYTES).max(1000).to_string())
        .set("fetch.max.bytes", answer.to_string())
        .set("fetch.message.max.bytes", answer.min(MIB).to_string())
        .set("fetch.wait.max.ms", "100")
        // The default of 1 s lets a small queue run dry before fetching goes on.
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.error.backoff.ms", "100");
    Ok(config)
}
