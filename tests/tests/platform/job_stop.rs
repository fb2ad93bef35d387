//! A streaming job that is told to stop with `--drain` writes the windows that were open, and with
//! `--late` keeps the rows that came too late for theirs.

use anyhow::{Context, Result, ensure};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use serde_json::json;

use millrace_bus::testing::TestBroker;
use millrace_tests::{
    Acked, EventMaker, Fate, KafkaWriter, Millrace, Planned, Site, Tables, manifests,
};

/// Events are a second apart: some windows of a minute close by themselves, the last cannot.
const EVENTS: usize = 200;

async fn number(tables: &Tables, table: &str, sql: &str) -> Result<i64> {
    let batches = tables.sql(table, sql).await?;
    let batch = batches.iter().find(|batch| batch.num_rows() > 0).context("a row")?;
    Ok(batch.column(0).as_primitive::<Int64Type>().value(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_job_leaves_no_window_open_and_late_rows_in_their_table() -> Result<()> {
    let broker = TestBroker::start().await;
    let name = broker.topic("stopped");
    let site = Site::new(&manifests(&name, "unused", 1))?;
    let sql = format!(
        "INSERT INTO kept SELECT event_id FROM `{name}`;
         INSERT INTO minutes SELECT window_start, COUNT(*) AS n
           FROM TABLE(TUMBLE(TABLE `{name}`, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
           GROUP BY window_start, window_end;"
    );
    std::fs::write(site.path("job.sql"), sql)?;
    let writer = KafkaWriter::open(&broker.settings(), &name, 1).await?;
    let mut acked: Acked = writer.write(&EventMaker::all_good(&name, 1).take(EVENTS)).await?;
    let mut command = site.command(&["job", "run"], "data");
    command
        .arg(site.path("job.sql"))
        .arg("-f")
        .arg(site.path("manifests"))
        .args(["--kafka", &broker.settings().bootstrap, "--name", "stopped", "--drain"])
        .args(["--checkpoint-interval", "50ms", "--late", "raw.late"])
        .args(["--table", "kept=raw.kept", "--table", "minutes=raw.minutes"]);
    let job = Millrace::start(command, &site.path("data"), site.path("job.log"))?;
    let told = async {
        let tables = site.tables().await?;
        tables.will_hold("raw.kept", &acked).await?;
        let event = json!({ "event_id": "late", "event_time": 1_767_225_600_000_i64 });
        let value = event.to_string().into();
        let late = Planned { id: "late".to_owned(), member: 1, fate: Fate::Written, value };
        acked.merge(writer.write(&[late]).await?);
        tables.will_hold("raw.kept", &acked).await?;
        job.stop().await?;
        let in_time = number(&tables, "raw.minutes", "SELECT SUM(n) FROM t").await?;
        ensure!(usize::try_from(in_time) == Ok(EVENTS), "{in_time} rows are in windows");
        let late = "SELECT COUNT(*) FROM t WHERE row LIKE '%2026-01-01T00:00:00%'";
        let late = number(&tables, "raw.late", late).await?;
        ensure!(late == 1, "{late} rows are in the table of late rows");
        let all = number(&tables, "raw.late", "SELECT COUNT(*) FROM t").await?;
        ensure!(all == 1, "{all} rows are late");
        Ok(())
    };
    let told: Result<()> = told.await;
    told.with_context(|| site.logs())
}
