//! Every sink that delivers at least once against the checks every sink must pass.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use serde_json::Value;
use url::Url;

use millrace_bus::testing::TestBroker;
use millrace_events::DeadLetter;
use millrace_sinks::conformance::{Form, SinkHarness, check};
use millrace_sinks::{
    AtLeastOnce, HttpDelivery, HttpFormat, HttpSettings, KafkaDelivery, KafkaDeliverySettings,
    RetryPolicy, Sink,
};

use crate::books::{Books, MemoryBooks};
use crate::kafka;
use crate::memory::{MemoryDelivery, Mood, Place};
use crate::rows::route;
use crate::server::Server;
use crate::table::Tables;

#[derive(Default)]
struct InMemory {
    place: Place,
    books: MemoryBooks,
}

#[async_trait]
impl SinkHarness for InMemory {
    async fn sink(&mut self) -> Box<dyn Sink> {
        let book = || Arc::new(self.books.clone());
        Box::new(AtLeastOnce::new(route(), MemoryDelivery::to(&self.place), book(), book()))
    }

    async fn delivered(&mut self) -> Vec<String> {
        self.place.ids()
    }

    async fn dead_letters(&mut self) -> Vec<DeadLetter> {
        self.books.letters()
    }

    fn exactly_once(&self) -> bool {
        false
    }

    async fn break_destination(&mut self) -> bool {
        self.place.set(Mood::Breaks);
        true
    }

    async fn mend_destination(&mut self) {
        self.place.set(Mood::Works);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_in_memory_conforms() {
    check(&mut InMemory::default()).await;
}

/// Runs the checks and returns how they failed.
async fn complaint(mut harness: InMemory) -> String {
    let checked = std::panic::AssertUnwindSafe(check(&mut harness)).catch_unwind().await;
    let panic = checked.expect_err("the checks passed a sink that is wrong");
    panic.downcast::<String>().map_or_else(|_| String::new(), |text| *text)
}

#[tokio::test]
async fn the_checks_notice_a_lost_row_and_a_zombie_that_may_commit() {
    let lies = InMemory::default();
    lies.place.set(Mood::Lies);
    let lost = complaint(lies).await;
    assert!(lost.contains("committed and is not at the destination"), "{lost}");

    let lenient = InMemory::default();
    lenient.books.pages().lenient = true;
    let zombie = complaint(lenient).await;
    assert!(zombie.contains("expected Fenced"), "{zombie}");
}

struct ToHttp {
    server: Server,
    books: Books,
    form: Form,
    format: HttpFormat,
}

#[async_trait]
impl SinkHarness for ToHttp {
    async fn sink(&mut self) -> Box<dyn Sink> {
        let url = format!("http://{}/", self.server.address);
        let settings = HttpSettings {
            allow_private: true,
            format: self.format,
            batch_rows: 64,
            retry: RetryPolicy {
                attempts: 2,
                first: Duration::from_millis(1),
                ..RetryPolicy::default()
            },
            ..HttpSettings::new(route(), Url::parse(&url).expect("a URL"))
        };
        let delivery = HttpDelivery::new(settings).expect("settings are fine");
        let (ledgers, dead_letters) = (self.books.ledgers(), self.books.dead_letters());
        Box::new(AtLeastOnce::new(route(), delivery, ledgers, dead_letters))
    }

    async fn delivered(&mut self) -> Vec<String> {
        let rows = |text: &str| -> Vec<Value> {
            match self.format {
                HttpFormat::JsonArray => serde_json::from_str(text).expect("an array"),
                HttpFormat::Ndjson => {
                    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
                }
            }
        };
        let id = |row: &Value| row["event_id"].as_str().expect("an id").to_owned();
        self.server.seen().iter().flat_map(|seen| rows(seen.text())).map(|row| id(&row)).collect()
    }

    async fn dead_letters(&mut self) -> Vec<DeadLetter> {
        self.books.letters().await
    }

    fn exactly_once(&self) -> bool {
        false
    }

    fn form(&self) -> Form {
        self.form
    }

    async fn break_destination(&mut self) -> bool {
        self.server.set_broken(true);
        true
    }

    async fn mend_destination(&mut self) {
        self.server.set_broken(false);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_http_sink_conforms() {
    let columns = ToHttp {
        server: Server::start().await,
        books: Books::Tables(Tables::start().await),
        form: Form::Columns,
        format: HttpFormat::Ndjson,
    };
    let raw = ToHttp {
        server: Server::start().await,
        books: Books::Memory(MemoryBooks::default()),
        form: Form::Raw,
        format: HttpFormat::JsonArray,
    };
    for mut harness in [columns, raw] {
        check(&mut harness).await;
    }
}

struct ToKafka {
    broker: TestBroker,
    topic: String,
    books: Books,
    form: Form,
}

#[async_trait]
impl SinkHarness for ToKafka {
    async fn sink(&mut self) -> Box<dyn Sink> {
        let id = Some("event_id".to_owned());
        let settings = kafka::settings(self.broker.settings(), &self.topic);
        let delivery =
            KafkaDelivery::new(KafkaDeliverySettings { key: id.clone(), id, ..settings });
        let delivery = delivery.expect("settings are fine");
        let (ledgers, dead_letters) = (self.books.ledgers(), self.books.dead_letters());
        Box::new(AtLeastOnce::new(route(), delivery, ledgers, dead_letters))
    }

    async fn delivered(&mut self) -> Vec<String> {
        let found = kafka::read(&self.broker, &self.topic).await;
        found.iter().map(|read| read.header("ce_id")).collect()
    }

    async fn dead_letters(&mut self) -> Vec<DeadLetter> {
        self.books.letters().await
    }

    fn exactly_once(&self) -> bool {
        false
    }

    fn form(&self) -> Form {
        self.form
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kafka_sink_conforms_for_columns() {
    to_kafka(Form::Columns, Books::Tables(Tables::start().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kafka_sink_conforms_for_raw_records() {
    to_kafka(Form::Raw, Books::Memory(MemoryBooks::default())).await;
}

async fn to_kafka(form: Form, books: Books) {
    let broker = TestBroker::start().await;
    let topic = kafka::topic(&broker, 3).await;
    let mut harness = ToKafka { broker, topic, books, form };
    check(&mut harness).await;
    harness.broker.stop().await;
}
