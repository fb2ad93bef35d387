//! A broker for tests: embedded, or the real one a variable names.

use std::net::{Ipv4Addr, SocketAddr};

use tempfile::TempDir;

use crate::{EmbeddedBroker, KafkaSettings};

/// Names a real Kafka (`HOST:PORT`) to test against.
pub const KAFKA_VARIABLE: &str = "MILLRACE_TEST_KAFKA";

/// An embedded broker in a temporary folder, or the real Kafka that `MILLRACE_TEST_KAFKA` names.
/// Stops, and its folder goes, when dropped.
pub struct TestBroker {
    // Dropped first: the broker must not write to a folder that is being removed.
    embedded: Option<EmbeddedBroker>,
    folder: Option<TempDir>,
    bootstrap: String,
}

impl TestBroker {
    /// Starts. Panics when it cannot: a test has nothing else to do then.
    pub async fn start() -> Self {
        if let Ok(bootstrap) = std::env::var(KAFKA_VARIABLE) {
            return Self { embedded: None, folder: None, bootstrap };
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let broker = EmbeddedBroker::start(folder.path(), any_port).await;
        let broker = broker.expect("the embedded broker starts in an empty folder");
        let bootstrap = broker.address().to_string();
        Self { embedded: Some(broker), folder: Some(folder), bootstrap }
    }

    /// Whether this is a real Kafka.
    pub fn is_real(&self) -> bool {
        self.folder.is_none()
    }

    /// How to reach it.
    pub fn settings(&self) -> KafkaSettings {
        KafkaSettings::plain(&self.bootstrap)
    }

    /// A topic name nobody else uses.
    pub fn topic(&self, prefix: &str) -> String {
        format!("{prefix}-{}", uuid::Uuid::new_v4().simple())
    }

    /// Stops the broker and waits for it; a real Kafka is left running.
    pub async fn stop(mut self) {
        if let Some(broker) = self.embedded.take() {
            broker.stop().await;
        }
    }
}
