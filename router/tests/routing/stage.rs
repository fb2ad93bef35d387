//! A topic on a real broker and routers over it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use millrace_bus::testing::TestBroker;
use millrace_bus::{Admin, Producer, ProducerLimits};
use millrace_events::{
    Budget, Column, ColumnType, NoProbe, Outgoing, PartitionId, StreamSchema, SystemClock,
    Transport,
};
use millrace_router::{
    Handling, HeaderFilter, Membership, RollPolicy, Route, RoutePlan, Router, RouterSettings,
};

use crate::sink::{MemorySink, Place};

/// Events enough for a batch of the smallest size.
pub(crate) const EVENTS_A_BATCH: u64 = 2_000;

pub(crate) struct Stage {
    broker: TestBroker,
    stream: Arc<StreamSchema>,
    producer: Producer,
    budget: Budget,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        // `RUST_LOG=debug` shows what the router did; only the first stage of the process can ask.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let broker = TestBroker::start().await;
        let topic = broker.topic("routing");
        let admin = Admin::new(&broker.settings()).expect("a client");
        admin.ensure_topic(&topic, 2).await.expect("a topic");
        let limits = ProducerLimits { queue_bytes: 8 << 20, linger: Duration::from_millis(2) };
        let producer = Producer::new(&broker.settings(), limits).expect("a producer");
        let column =
            |name: &str, data_type| Column { name: name.into(), data_type, required: false };
        let stream = StreamSchema {
            name: "s".parse().expect("valid"),
            topic,
            partitions: 2,
            key: None,
            id: None,
            event_time: None,
            columns: vec![column("n", ColumnType::Int64), column("pad", ColumnType::String)],
        };
        let budget = Budget::new("all", 4 << 20);
        Self { broker, stream: Arc::new(stream), producer, budget }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) async fn produce(&self, ids: Range<u64>) {
        let pad = "x".repeat(60);
        let values: Vec<_> =
            ids.map(|n| format!("{{\"n\": {n}, \"pad\": \"{pad}\"}}").into_bytes()).collect();
        let values: Vec<_> = values.iter().map(Vec::as_slice).collect();
        self.produce_bytes(&values).await;
    }

    pub(crate) async fn produce_bytes(&self, values: &[&[u8]]) {
        let records = values.iter().enumerate().map(|(i, value)| Outgoing {
            topic: self.stream.topic.as_str().into(),
            partition: Some(PartitionId(i32::from(i % 2 == 1))),
            key: None,
            value: Some(Bytes::copy_from_slice(value)),
            headers: Vec::new(),
            timestamp_ms: None,
        });
        for result in self.producer.send(records.collect()).await {
            result.expect("acknowledged");
        }
    }

    fn roll(every: Duration) -> RollPolicy {
        RollPolicy { bytes: 64 << 10, every, idle: every / 2 }
    }

    fn make(
        &self,
        name: &str,
        filter: Option<&str>,
        place: &Arc<Place>,
        roll: RollPolicy,
    ) -> Route {
        let plan = RoutePlan::compile(&self.stream, filter, None).expect("compiles");
        Route {
            name: name.parse().expect("valid"),
            stream: Arc::clone(&self.stream),
            headers: HeaderFilter::default(),
            handling: Handling::Columns(plan),
            roll,
            sink: Box::new(MemorySink::new(place)),
        }
    }

    pub(crate) fn route(&self, name: &str, filter: Option<&str>, place: &Arc<Place>) -> Route {
        self.make(name, filter, place, Self::roll(Duration::from_millis(50)))
    }

    /// A route that would not commit by itself within any test.
    pub(crate) fn slow_rolling(&self, name: &str, place: &Arc<Place>) -> Route {
        self.make(name, None, place, Self::roll(Duration::from_secs(100_000)))
    }

    pub(crate) fn router(&self, routes: Vec<Route>) -> Router {
        let settings = RouterSettings {
            kafka: self.broker.settings(),
            membership: Membership::Alone,
            budget: self.budget.clone(),
            stall_after: Duration::from_millis(300),
            release_patience: Duration::from_secs(5),
            fenced_wait: Duration::from_millis(100),
            clock: Arc::new(SystemClock::default()),
            probe: Arc::new(NoProbe),
        };
        Router::start(settings, routes).expect("starts")
    }
}
