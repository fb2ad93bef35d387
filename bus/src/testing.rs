//! A broker for tests.

use crate::{EmbeddedBroker, KafkaSettings};

/// An embedded broker in a temporary folder, or the one `MILLRACE_TEST_KAFKA` names.
pub struct TestBroker {
    _embedded: Option<EmbeddedBroker>,
}

#[expect(clippy::unused_self, clippy::unused_async)]
impl TestBroker {
    /// Starts.
    pub async fn start() -> Self {
        todo!()
    }

    /// How to reach it.
    pub fn settings(&self) -> KafkaSettings {
        todo!()
    }

    /// A topic name nobody else uses.
    pub fn topic(&self, prefix: &str) -> String {
        format!("{prefix}-{}", uuid::Uuid::new_v4().simple())
    }
}
