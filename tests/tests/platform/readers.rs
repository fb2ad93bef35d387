//! DuckDB and the Python package `deltalake` read the rows that were acknowledged.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use millrace_bus::testing::TestBroker;
use millrace_tests::tidy::repository;
use millrace_tests::{EventMaker, KafkaWriter, Site, manifests};

/// The interpreter with both readers: `MILLRACE_PYTHON`, or the one `deploy/readers/setup.sh`
/// makes.
async fn python() -> Result<String> {
    if let Ok(named) = std::env::var("MILLRACE_PYTHON") {
        return Ok(named);
    }
    let setup = repository().join("deploy/readers/setup.sh");
    let output = Command::new(setup).output().await.context("run deploy/readers/setup.sh")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "no Python with DuckDB and deltalake could be set up; name one with MILLRACE_PYTHON\n{said}"
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_and_python_deltalake_read_the_same_rows() -> Result<()> {
    let python = python().await?;
    let broker = TestBroker::start().await;
    let (kafka, name) = (broker.settings(), broker.topic("readers"));
    let site = Site::new(&manifests(&name, "plays", 2))?;
    let writer = KafkaWriter::open(&kafka, &name, 2).await?;
    let mut maker = EventMaker::new(&name, 6);
    let mut acked = writer.write(&maker.take(500)).await?;
    // Two runs, so that the log has several commits and the files several writers.
    let options = ["--alone", "--until-idle", "200ms"];
    site.router("router", &kafka, &options)?.exit_clean().await?;
    acked.merge(writer.write(&maker.take(500)).await?);
    site.router("router", &kafka, &options)?.exit_clean().await?;

    let table = site.tables().await?.url("raw.plays")?;
    let output = Command::new(python)
        .arg(repository().join("deploy/readers/check.py"))
        .arg(table.as_str())
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "check.py: {}\n{said}", output.status);
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let expected = acked.contents();
    for reader in ["duckdb", "deltalake"] {
        let read = &answer[reader];
        assert_eq!(read["rows"], expected.rows, "{reader}: {answer}");
        assert_eq!(read["distinct"], expected.distinct, "{reader}: {answer}");
        assert_eq!(read["checksum"], expected.checksum, "{reader}: {answer}");
        let columns = read["columns"].as_array().context("columns are a list")?;
        assert!(columns.contains(&"country".into()), "the partition column is a column: {answer}");
    }
    assert_eq!(answer["deltalake"]["partition_columns"], serde_json::json!(["country"]));
    Ok(())
}
