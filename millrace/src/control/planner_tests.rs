//! What the control plane is told of a job before it runs, and after.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::PutPayload;
use serde_json::{Value, json};
use url::Url;

use millrace_bus::testing::TestBroker;
use millrace_bus::{Admin, Producer, ProducerLimits};
use millrace_control::Tables;
use millrace_events::{Outgoing, Transport};
use millrace_sinks::WarehouseSettings;

use super::*;
use crate::cli::{SecretArgs, StoreArgs};
use crate::compose::Secrets;
use crate::control::tables::TablesOf;

const SQL: &str = "INSERT INTO counts SELECT title, COUNT(*) AS n FROM plays GROUP BY title;
INSERT INTO kept SELECT title, at FROM plays WHERE title IS NOT NULL";

struct Desk {
    engine: Engine,
    manifests: Manifests,
    _folder: tempfile::TempDir,
}

impl Desk {
    async fn new(kafka: KafkaSettings, topic: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = Url::from_directory_path(folder.path()).expect("a path");
        let warehouse = Warehouse::open(WarehouseSettings::at(url)).await.expect("it opens");
        let text = format!(
            "kind: Stream\nmetadata: {{ name: plays }}\nspec:\n  topic: {topic}\n  format: json\n  \
             event_time: {{ column: at, delay: 1s }}\n  partitions: 2\n  columns:\n    \
             - {{ name: at, type: timestamp_ms }}\n    - {{ name: title, type: string }}\n"
        );
        let manifests = crate::manifests::load_text(Path::new("plays.yaml"), &text);
        let manifests = manifests.unwrap_or_else(|mistakes| panic!("{}", mistakes[0]));
        let store = StoreArgs { data: folder.path().to_owned(), store: None };
        let secrets = Secrets::of(&SecretArgs { secrets: None }, &store).expect("a path");
        Self { engine: Engine::new(kafka, warehouse, secrets), manifests, _folder: folder }
    }
}

fn job(sql: &str) -> JobSpec {
    JobSpec {
        name: "counting".parse().unwrap(),
        sql: sql.to_owned(),
        sinks: BTreeMap::new(),
        late: None,
        parallelism: 1,
        checkpoint_interval: Duration::from_secs(1),
        memory: 64 << 20,
        until_end: false,
    }
}

#[tokio::test]
async fn a_job_is_outlined_and_every_mistake_has_its_place() {
    let desk = Desk::new(KafkaSettings::plain("127.0.0.1:1"), "plays").await;
    let outline = desk.engine.validate(&job(SQL), &desk.manifests).unwrap();
    assert_eq!(outline.streams, ["plays"]);
    let [counts, kept] = &outline.sinks[..] else { panic!("{outline:?}") };
    assert_eq!((counts.topic.as_deref(), counts.table.as_deref()), (Some("counts"), None));
    assert_eq!(counts.key, ["title"]);
    let column = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
    assert_eq!(counts.columns, [column("title", "STRING"), column("n", "BIGINT")]);
    assert_eq!((kept.topic.as_deref(), kept.table.as_deref()), (None, Some("kept")));

    let wrong = job("INSERT INTO kept\nSELECT titel FROM plays");
    let Err(SeamError::Sql(mistakes)) = desk.engine.validate(&wrong, &desk.manifests) else {
        panic!("there is no such column")
    };
    let [mistake] = &mistakes[..] else { panic!("{mistakes:?}") };
    assert_eq!((mistake.line, mistake.column), (2, 8));
    assert_eq!(mistake.excerpt.as_deref(), Some("SELECT titel FROM plays\n       ^^^^^"));
    let text = desk.engine.explain(&job(SQL), &desk.manifests, "json").unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_ok());
    assert!(desk.engine.explain(&job(SQL), &desk.manifests, "svg").is_err());

    let begun = Instant::now();
    for _ in 0..20 {
        desk.engine.validate(&job(SQL), &desk.manifests).unwrap();
    }
    println!("validate: {:?} each", begun.elapsed() / 20);
}

async fn send(kafka: &KafkaSettings, topic: &str, events: i64) {
    Admin::new(kafka).unwrap().ensure_topic(topic, 2).await.unwrap();
    let limits = ProducerLimits { queue_bytes: 1 << 20, linger: Duration::from_millis(1) };
    let producer = Producer::new(kafka, limits).unwrap();
    let topic: Arc<str> = topic.into();
    let outgoing = (0..events).map(|number| Outgoing {
        topic: Arc::clone(&topic),
        partition: Some(millrace_events::PartitionId(i32::try_from(number % 2).unwrap())),
        key: None,
        value: Some(
            json!({ "at": number * 1000, "title": format!("t{}", number % 4) }).to_string().into(),
        ),
        headers: Vec::new(),
        timestamp_ms: None,
    });
    for answer in producer.send(outgoing.collect()).await {
        answer.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_the_result_over_the_newest_events() {
    let broker = TestBroker::start().await;
    let topic = broker.topic("plays");
    let desk = Desk::new(broker.settings(), &topic).await;
    let empty = desk.engine.sample(&job(SQL), &desk.manifests, 10, 5).await.unwrap();
    assert!(empty.iter().all(|sink| sink.rows.is_empty()), "no topic, no rows: {empty:?}");
    send(&broker.settings(), &topic, 100).await;
    let sampled = desk.engine.sample(&job(SQL), &desk.manifests, 40, 5).await.unwrap();
    let [counts, kept] = &sampled[..] else { panic!("{sampled:?}") };
    let expected: Vec<_> = (0..4).map(|t| json!({ "title": format!("t{t}"), "n": 10 })).collect();
    assert_eq!((&counts.rows, counts.truncated), (&expected, false));
    assert_eq!((kept.rows.len(), kept.truncated), (5, true));
    assert!(TablesOf::new(desk.engine.warehouse.clone()).table("kept").await.unwrap().is_none());
}

#[tokio::test]
async fn the_verdict_is_on_what_the_newest_checkpoint_holds() {
    use millrace_processors::connector::MemorySink;

    let desk = Desk::new(KafkaSettings::plain("127.0.0.1:1"), "plays").await;
    let verdict =
        async |sql: &str| desk.engine.verdict(&job(sql), &desk.manifests, None).await.unwrap();
    assert_eq!(verdict(SQL).await, StateVerdict::New);

    let (plan, _) = plan_declared(&job(SQL), &desk.manifests).unwrap();
    let checkpoints = compose::checkpoints(&desk.engine.warehouse, "counting");
    Job::new("counting", plan)
        .checkpoints(checkpoints)
        .with_source("plays", MemorySource::new(Vec::new()))
        .with_sink("counts", MemorySink::new())
        .with_sink("kept", MemorySink::new())
        .run()
        .await
        .unwrap();
    assert_eq!(verdict(SQL).await, StateVerdict::Same);
    let more = SQL.replace("COUNT(*) AS n", "COUNT(*) AS n, MAX(at) AS newest");
    assert!(matches!(verdict(&more).await, StateVerdict::Incompatible { .. }));
    let less = "INSERT INTO kept SELECT title, at FROM plays WHERE title IS NOT NULL";
    let StateVerdict::Partly { dropped, .. } = verdict(less).await else { panic!("counts go") };
    assert!(dropped.iter().any(|operator| operator.starts_with("group-aggregate")), "{dropped:?}");

    let (store, path) = compose::savepoint_path(&desk.engine.warehouse, "savepoints/counting/x/y");
    store.put(&path, PutPayload::from_static(b"state")).await.unwrap();
    let (_, other) = compose::savepoint_path(&desk.engine.warehouse, "savepoints/counting/x2/y");
    store.put(&other, PutPayload::from_static(b"state")).await.unwrap();
    desk.engine.forget_savepoint("savepoints/counting/x2").await.unwrap();
    assert!(store.get(&other).await.is_err(), "its files go");
    assert!(store.get(&path).await.is_ok(), "and no other's");
    desk.engine.forget("counting").await.unwrap();
    assert_eq!(verdict(SQL).await, StateVerdict::New);
    assert!(store.get(&path).await.is_err(), "savepoints go too");
}
