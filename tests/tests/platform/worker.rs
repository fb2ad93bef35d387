//! A worker process: it does what its assignment says, answers on its socket, is the only one of
//! its job, and goes on where a killed one was.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use millrace_bus::KafkaSettings;
use millrace_bus::testing::TestBroker;
use millrace_tests::{
    Acked, EventMaker, Exit, KafkaWriter, Millrace, Site, eventually, latest_by_key, manifests,
};

const TABLE: &str = "raw.kept";
/// Exit code of a worker that finds another one of its job.
const HELD: i32 = 90;

/// A job's folder, as a launcher would keep it.
struct Place {
    site: Site,
    stream: String,
    feed: String,
    kafka: KafkaSettings,
    folder: PathBuf,
}

impl Place {
    fn new(broker: &TestBroker) -> Result<Self> {
        let (stream, feed) = (broker.topic("worker"), broker.topic("feed"));
        let site = Site::empty()?;
        let folder = site.path("job");
        std::fs::create_dir(&folder)?;
        Ok(Self { site, stream, feed, kafka: broker.settings(), folder })
    }

    async fn writer(&self) -> Result<KafkaWriter> {
        KafkaWriter::open(&self.kafka, &self.stream, 2).await
    }

    /// Rows as they came, and a count by country whose columns `totals` names.
    fn documents(&self, totals: &str) -> Vec<String> {
        let all = manifests(&self.stream, "unused", 2);
        let stream = all.split("---").next().unwrap_or_default().to_owned();
        let from = format!("FROM `{}` WHERE kind <> 'debug'", self.stream);
        let sql = format!(
            "INSERT INTO kept SELECT event_id, country, member_id {from};
             INSERT INTO totals SELECT country, {totals} {from} GROUP BY country;"
        );
        let sinks = json!({ "kept": { "table": TABLE }, "totals": { "feed": self.feed } });
        let spec = json!({ "sql": sql, "sinks": sinks, "checkpoint": { "interval": "100ms" } });
        let job = json!({ "kind": "Job", "metadata": { "name": "plays" }, "spec": spec });
        vec![stream, job.to_string()]
    }

    /// Starts a worker of run `run`; `work` overrides parts of its work.
    fn start(&self, run: &str, totals: &str, work: &Value) -> Result<Millrace> {
        let mut whole = json!({
            "kind": "job", "version": 1, "documents": self.documents(totals), "parallelism": 1,
            "goal": 1, "state": "keep", "from_savepoint": null,
        });
        for (field, value) in work.as_object().context("an object")? {
            whole[field] = value.clone();
        }
        let launch = json!({
            "assignment": {
                "run": run, "job": "plays", "attempt": 1, "memory_bytes": 1_u64 << 30,
                "work": whole,
            },
            "log": { "bytes": 1 << 20, "files": 1 },
            "limit_memory": true,
        });
        let file = self.folder.join(format!("{run}.json"));
        std::fs::write(&file, launch.to_string())?;
        let mut command = self.site.command(&["worker"], "data");
        command.arg("--assignment").arg(&file).args(["--kafka", &self.kafka.bootstrap]);
        command.stdin(Stdio::null());
        Millrace::start(command, &self.site.path("data"), self.site.path("worker.log"))
    }

    /// Sends a request; what follows the head of the answer can be read.
    async fn send(&self, request: &str, body: &str) -> Result<BufReader<UnixStream>> {
        let mut stream = UnixStream::connect(self.folder.join("socket")).await?;
        let head = format!(
            "{request} HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = BufReader::new(stream);
        let mut line = String::new();
        answer.read_line(&mut line).await?;
        ensure!(line.contains(" 200 ") || line.contains(" 202 "), "{request}: {line}");
        while line != "\r\n" {
            line.clear();
            ensure!(answer.read_line(&mut line).await? > 0, "{request}: the answer has no end");
        }
        Ok(answer)
    }

    async fn ask(&self, request: &str, body: &Value) -> Result<String> {
        let mut text = String::new();
        self.send(request, &body.to_string()).await?.read_to_string(&mut text).await?;
        Ok(text)
    }

    /// The status, once it is as wanted.
    async fn status(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let asked = eventually("the status of the worker", async || {
            // It may not listen yet.
            let Ok(text) = self.ask("GET /status", &json!({})).await else { return Ok(None) };
            Ok(Some(serde_json::from_str(&text)?).filter(&wanted))
        });
        asked.await.with_context(|| self.logs())
    }

    async fn stop(&self, mut worker: Millrace, run: &str, order: &Value) -> Result<Value> {
        self.ask("POST /stop", order).await?;
        worker.exit_clean().await.with_context(|| self.logs())?;
        self.end(run)
    }

    fn end(&self, run: &str) -> Result<Value> {
        let text = std::fs::read(self.folder.join(format!("{run}.end.json")))?;
        Ok(serde_json::from_slice(&text)?)
    }

    fn logs(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        format!("{}\n--- log\n{log}", self.site.logs())
    }
}

fn plain() -> Value {
    json!({ "drain": false, "savepoint": null })
}

fn read_all(events: u64) -> impl Fn(&Value) -> bool {
    move |status| {
        let source = &status["sources"][0];
        let seen =
            source["rows"].as_u64().unwrap_or(0) + source["deadLetters"].as_u64().unwrap_or(0);
        seen == events && source["lag"] == 0 && status["checkpoint"]["number"].as_u64() > Some(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_answers_is_the_only_one_and_goes_on_where_a_killed_one_was() -> Result<()> {
    let broker = TestBroker::start().await;
    let place = Place::new(&broker)?;
    let writer = place.writer().await?;
    let mut maker = EventMaker::new(&place.stream, 7);
    let mut acked = Acked::default();
    acked.merge(writer.write(&maker.take(200)).await?);

    let first = place.start("run-1", "COUNT(*) AS n", &json!({}))?;
    let status = place.status(read_all(200)).await?;
    assert_eq!((&status["run"], &status["phase"]), (&json!("run-1"), &json!("running")));
    assert_eq!(status["sources"][0]["name"], place.stream);
    let sinks = status["sinks"].as_array().context("sinks")?;
    assert_eq!(sinks[0]["name"], "kept");
    assert_eq!(sinks[0]["rows"], acked.written.len());
    assert!(status["rssBytes"].as_u64() > Some(1 << 20), "{status}");
    let metrics = place.ask("GET /metrics", &json!({})).await?;
    assert!(metrics.contains("namespace=\"default\",job=\"plays\""), "{metrics}");

    let mut second = place.start("run-2", "COUNT(*) AS n", &json!({}))?;
    let Exit::Failed(code) = second.exit().await? else { panic!("the job has a worker already") };
    assert_eq!(code.code(), Some(HELD));

    // Rows are seen once somebody looks: who is heard first is told by the next ones.
    let mut tail = place.send("GET /tail?sink=kept", "").await?;
    let seen = AtomicBool::new(false);
    let shown = async {
        let mut line = String::new();
        while !line.starts_with("data: ") {
            line.clear();
            ensure!(tail.read_line(&mut line).await? > 0, "the rows end");
        }
        seen.store(true, Ordering::Relaxed);
        Ok(serde_json::from_str::<Value>(line.trim_start_matches("data: "))?)
    };
    // To its end: what a write that is given up half-way has appended, nobody knows.
    let more = async {
        while !seen.load(Ordering::Relaxed) {
            acked.merge(writer.write(&maker.take(5)).await?);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    let (shown, ()) = tokio::try_join!(shown, more)?;
    assert_eq!((&shown["sink"], &shown["kind"]), (&json!("kept"), &json!("+I")));
    assert!(shown["row"]["event_id"].is_string(), "{shown}");
    drop(tail);

    let order = json!({ "path": "savepoints/plays/one" });
    let made = place.ask("POST /savepoint", &order).await?;
    assert_eq!(place.ask("POST /savepoint", &order).await?, made, "it is there already");
    first.kill().await?;
    assert!(place.end("run-1").is_err(), "nobody could say how it ended");

    acked.merge(writer.write(&maker.take(100)).await?);
    let third = place.start("run-3", "COUNT(*) AS n", &json!({ "parallelism": 2 }))?;
    place.status(|status| status["checkpoint"]["number"].as_u64() > Some(0)).await?;
    place.site.tables().await?.will_hold(TABLE, &acked).await.with_context(|| place.logs())?;
    let order = json!({ "drain": false, "savepoint": "savepoints/plays/two" });
    let end = place.stop(third, "run-3", &order).await?;
    assert_eq!(end["kind"], "stopped");
    assert!(end["checkpoint"].as_u64() > Some(0), "{end}");
    acked.must_be(&place.site.tables().await?.ids(TABLE).await?)?;
    let saved = place.site.path("tables/job-savepoints/plays");
    let names = ["one", "two"].map(|name| saved.join(name).join("savepoint.json").exists());
    assert_eq!(names, [true, true]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_forgotten_once_and_the_place_in_the_stream_kept() -> Result<()> {
    let broker = TestBroker::start().await;
    let place = Place::new(&broker)?;
    let writer = place.writer().await?;
    let mut maker = EventMaker::all_good(&place.stream, 3);
    let mut acked = writer.write(&maker.take(60)).await?;
    let first = place.start("run-1", "COUNT(*) AS n", &json!({}))?;
    place.status(read_all(60)).await?;
    place.stop(first, "run-1", &plain()).await?;

    let totals = "COUNT(*) AS n, SUM(member_id) AS total";
    let mut refused = place.start("run-2", totals, &json!({ "state": "allow_dropped" }))?;
    assert!(matches!(refused.exit().await?, Exit::Failed(_)));
    let end = place.end("run-2")?;
    assert_eq!((&end["kind"], &end["retryable"]), (&json!("failed"), &json!(false)), "{end}");

    let fresh = json!({ "state": "fresh", "goal": 2 });
    acked.merge(writer.write(&maker.take(30)).await?);
    let third = place.start("run-3", totals, &fresh)?;
    place.status(read_all(30)).await?;
    third.kill().await?;
    // The same goal again: what was counted since stays counted.
    acked.merge(writer.write(&maker.take(12)).await?);
    let fourth = place.start("run-4", totals, &fresh)?;
    place.site.tables().await?.will_hold(TABLE, &acked).await.with_context(|| place.logs())?;
    place.stop(fourth, "run-4", &plain()).await?;
    acked.must_be(&place.site.tables().await?.ids(TABLE).await?)?;
    let rows = latest_by_key(&place.kafka, &place.feed).await?;
    let counted: i64 = rows.values().filter_map(|row| row["n"].as_i64()).sum();
    assert_eq!(counted, 42, "every event since the place was kept, once: {rows:?}");
    Ok(())
}
