//! A router that slept through its replacement wakes up and cannot commit.

use anyhow::{Result, ensure};

use millrace_bus::testing::TestBroker;
use millrace_tests::{EventMaker, KafkaWriter, Site, manifests};

const TABLE: &str = "raw.plays";

/// Nobody tells this zombie anything: it believes to the last that the partitions are its own.
#[tokio::test(flavor = "multi_thread")]
async fn frozen_before_its_commit_it_is_fenced_by_the_table_alone() -> Result<()> {
    let broker = TestBroker::start().await;
    let (kafka, name) = (broker.settings(), broker.topic("zombie"));
    let site = Site::new(&manifests(&name, "plays", 2))?;
    let writer = KafkaWriter::open(&kafka, &name, 2).await?;
    let mut maker = EventMaker::new(&name, 1);
    let mut acked = writer.write(&maker.take(300)).await?;

    let fault = Some("before-commit:1:stop");
    let options = ["--alone", "--session-timeout", "6s", "--until-idle", "1s"];
    let mut zombie = site.router_with_fault("zombie", &kafka, &options, fault)?;
    zombie.frozen().await?;

    acked.merge(writer.write(&maker.take(100)).await?);
    let options = ["--alone", "--until-idle", "1s"];
    site.router("heir", &kafka, &options)?.exit_clean().await?;
    site.tables().await?.must_hold(TABLE, &name, &acked).await?;

    zombie.thaw().await?;
    zombie.exit().await?;
    ensure!(zombie.log().contains("newer writer"), "nobody was fenced:\n{}", site.logs());
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
    // Every partition gets some, so that the zombie's too must move on to the heir.
    acked.merge(writer.write(&maker.take(200)).await?);
    tables.will_hold(TABLE, &acked).await?;

    zombie.thaw().await?;
    acked.merge(writer.write(&maker.take(200)).await?);
    tables.will_hold(TABLE, &acked).await?;
    heir.stop().await?;
    zombie.stop().await?;
    tables.must_hold(TABLE, &name, &acked).await?;
    site.audit().await
}
