//! The path of an event on an S3-compatible server, whose conditional puts the commits rest on.

use std::sync::Arc;

use anyhow::{Result, ensure};
use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::task::JoinSet;

use millrace_bus::testing::TestBroker;
use millrace_tests::{EventMaker, Exit, KafkaWriter, S3Server, Site, manifests};

const TABLE: &str = "raw.plays";

fn client(server: &S3Server) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::new().with_bucket_name(S3Server::BUCKET);
    for (name, value) in server.options() {
        builder = builder.with_config(name.parse()?, value);
    }
    Ok(Arc::new(builder.build()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_conditional_writers_exactly_one_wins() -> Result<()> {
    const WRITERS: usize = 8;
    const ROUNDS: usize = 20;
    let server = S3Server::start().await?;
    let store = client(&server)?;
    for round in 0..ROUNDS {
        let path = Path::from(format!("race/{round}"));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (store, path) = (store.clone(), path.clone());
            writers.spawn(async move {
                // Large enough that writes overlap.
                let body = Bytes::from(vec![u8::try_from(writer).unwrap_or_default(); 200_000]);
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                let put = store.put_opts(&path, PutPayload::from(body), options).await;
                (writer, put)
            });
        }
        let mut winners = Vec::new();
        while let Some(joined) = writers.join_next().await {
            match joined? {
                (writer, Ok(_)) => winners.push(u8::try_from(writer)?),
                (_, Err(Error::AlreadyExists { .. })) => {}
                (_, Err(error)) => return Err(error.into()),
            }
        }
        let body = store.get(&path).await?.bytes().await?;
        ensure!(winners.len() == 1, "round {round}: {winners:?} all won");
        ensure!(body.len() == 200_000 && body.iter().all(|&b| b == winners[0]), "a torn object");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_reach_a_table_on_s3_exactly_once() -> Result<()> {
    let server = S3Server::start().await?;
    let broker = TestBroker::start().await;
    let (kafka, name) = (broker.settings(), broker.topic("s3"));
    let site = Site::on_s3(&manifests(&name, "plays", 2), &server, "warehouse")?;
    let writer = KafkaWriter::open(&kafka, &name, 2).await?;
    let mut maker = EventMaker::new(&name, 5);
    let mut acked = writer.write(&maker.take(400)).await?;

    let faults = ["mid-upload:1", "before-commit:1", "after-commit-before-ack:2"];
    for fault in faults {
        let options = ["--alone", "--until-idle", "300ms"];
        let mut router = site.router_with_fault("router", &kafka, &options, Some(fault))?;
        let exit = router.exit().await?;
        ensure!(!matches!(exit, Exit::Failed(_)), "{fault}: {exit:?}\n{}", site.logs());
        acked.merge(writer.write(&maker.take(100)).await?);
    }
    let options = ["--alone", "--until-idle", "300ms"];
    site.router("router", &kafka, &options)?.exit_clean().await?;
    site.tables().await?.must_hold(TABLE, &name, &acked).await?;
    site.audit().await
}
