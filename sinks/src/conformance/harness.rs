//! What a sink's tests provide.

use async_trait::async_trait;

use millrace_events::DeadLetter;

use crate::Sink;

/// In which form the checks hand rows to the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As columns: see [`columns`](super::columns).
    Columns,
    /// As raw records: a JSON object of the same columns, the id in header `ce_id` too.
    Raw,
}

/// A destination under test.
#[async_trait]
pub trait SinkHarness: Send {
    /// A new writer of the same route to the same destination, as another process would be.
    async fn sink(&mut self) -> Box<dyn Sink>;

    /// The event ids a reader of the destination sees, repetitions included.
    async fn delivered(&mut self) -> Vec<String>;

    /// The dead letters a reader sees, repetitions included.
    async fn dead_letters(&mut self) -> Vec<DeadLetter>;

    /// Whether a row is visible once however often it was fed, and only after its commit.
    fn exactly_once(&self) -> bool;

    /// The form of rows the sink is to take.
    fn form(&self) -> Form {
        Form::Columns
    }

    /// Makes the destination fail until `mend`; `false` when the harness cannot.
    async fn break_destination(&mut self) -> bool {
        false
    }

    /// Makes the destination work again.
    async fn mend_destination(&mut self) {}
}
