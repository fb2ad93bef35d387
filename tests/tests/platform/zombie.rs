//! A router that slept through its replacement wakes up and cannot commit.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use millrace_bus::testing::TestBroker;
use millrace_tests::{EventMaker, KafkaWriter, Site, eventually, manifests, manifests_rolling};

const TABLE: &str = "raw.plays";

/// Offsets of `route` that the process has read and not committed.
async fn uncommitted(http: &str, route: &str) -> Result<i64> {
    let status: Value = reqwest::get(format!("http://{http}/v1/status")).await?.json().await?;
    let Some(partitions) = status["routes"][route]["partitions"].as_object() else { return Ok(0) };
    let ahead = |partition: &Value| {
        let committed = partition["ledger"]["next"].as_i64().unwrap_or_default();
        partition["next"].as_i64().unwrap_or_default() - committed
    };
    Ok(partitions.values().map(ahead).sum())
}

/// Nobody tells this zombie anything: it believes to the last that the partitions are its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_is_fenced_by_the_table_alone() -> Result<()> {
    const EVENTS: usize = 300;
    let broker = TestBroker::start().await;
    let (kafka, name) = (broker.settings(), broker.topic("zombie"));
    // It commits when it is asked to end, and not before.
    let site =
        Site::new(&manifests_rolling(&name, "plays", 2, "bytes: 1GiB, every: 1h, idle: 1h"))?;
    let writer = KafkaWriter::open(&kafka, &name, 2).await?;
    let mut maker = EventMaker::new(&name, 1);
    let mut acked = writer.write(&maker.take(EVENTS)).await?;

    let mut zombie = site.router("zombie", &kafka, &["--alone", "--listen", "127.0.0.1:0"])?;
    let run = zombie.ready().await?;
    let http = run["http"].as_str().context("the zombie listens")?;
    eventually("everything read, nothing committed", async || {
        Ok((uncommitted(http, &name).await? == i64::try_from(EVENTS)?).then_some(()))
    })
    .await
    .with_context(|| site.logs())?;
    zombie.freeze().await?;

    acked.merge(writer.write(&maker.take(100)).await?);
    site.manifests(&manifests(&name, "plays", 2))?;
    let options = ["--alone", "--until-idle", "300ms"];
    site.router("heir", &kafka, &options)?.exit_clean().await?;
    site.tables().await?.must_hold(TABLE, &name, &acked).await?;

    zombie.thaw().await?;
    let log = zombie.log_file();
    zombie.stop().await?;
    let log = std::fs::read_to_string(log)?;
    ensure!(log.contains("newer writer"), "nobody was fenced:\n{}", site.logs());
    site.tables().await?.must_hold(TABLE, &name, &acked).await?;
    site.audit().await
}

/// Two routers of one group; one freezes for longer than its place in the group lasts.
#[tokio::test(flavor = "multi_thread")]
async fn frozen_through_a_rebalance_it_cannot_commit() -> Result<()> {
    let broker = TestBroker::start().await;
    let (kafka, name) = (broker.settings(), broker.topic("zombie"));
    let site = Site::new(&manifests(&name, "plays", 4))?;
    let writer = KafkaWriter::open(&kafka, &name, 4).await?;
    let mut maker = EventMaker::new(&name, 2);
    let mut acked = writer.write(&maker.take(200)).await?;
    let tables = site.tables().await?;

    // Six seconds are the least that Kafka allows by default.
    let options = ["--group", &name, "--session-timeout", "6s"];
    let mut zombie = site.router("zombie", &kafka, &options)?;
    tables.will_hold(TABLE, &acked).await?;
    let heir = site.router("heir", &kafka, &options)?;
    acked.merge(writer.write(&maker.take(200)).await?);
    tables.will_hold(TABLE, &acked).await?;

    zombie.freeze().await?;
    // Every partition gets some, so that the zombie's too must have moved to the heir.
    acked.merge(writer.write(&maker.take(200)).await?);
    tables.will_hold(TABLE, &acked).await?;

    zombie.thaw().await?;
    acked.merge(writer.write(&maker.take(200)).await?);
    tables.will_hold(TABLE, &acked).await?;
    let log = std::fs::read_to_string(zombie.log_file())?;
    ensure!(
        log.contains("partitions lost") || log.contains("newer writer"),
        "the zombie never learnt that it was replaced:\n{}",
        site.logs()
    );
    heir.stop().await?;
    zombie.stop().await?;
    tables.must_hold(TABLE, &name, &acked).await?;
    site.audit().await
}
