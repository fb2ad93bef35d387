//! The tail of a task: its chain, its edges, and what happens at a barrier.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use millrace_events::Clock;
use millrace_plan::OperatorId;
use millrace_state::{StateMemory, spill_if_needed};

use super::chain::{Chain, FrozenTable};
use super::channel::{Barrier, Message, OutEdge};
use super::report::{Report, report};
use super::status::TaskGauge;
use super::step::{JobProbe, JobStep};
use crate::{JobError, Micros};

/// What a task hands over to be written while it goes on.
#[derive(Debug)]
pub(crate) struct FrozenState {
    pub(crate) checkpoint: u64,
    /// How long rows had to wait for it.
    pub(crate) pause: Duration,
    pub(crate) watermarks: Vec<(OperatorId, Micros)>,
    /// Entries in all tables.
    pub(crate) live: u64,
    pub(crate) tables: Vec<FrozenTable>,
}

/// A chain with everything it needs to send on what it makes.
pub(crate) struct Pipeline {
    pub(crate) chain: Chain,
    pub(crate) edges: Vec<OutEdge>,
    pub(crate) writer: Sender<FrozenState>,
    pub(crate) memory: StateMemory,
    pub(crate) reports: Sender<Report>,
    /// Whether a checkpoint was asked for because of memory.
    pub(crate) pressed: bool,
    pub(crate) probe: Arc<dyn JobProbe>,
    pub(crate) gauge: Arc<TaskGauge>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Pipeline {
    /// Sends what the chain has made; waits while readers are slower.
    pub(crate) async fn flush(&mut self) -> Result<(), JobError> {
        for (edge, message) in self.chain.take_outgoing() {
            self.edges[edge].send(message).await?;
        }
        spill_if_needed(&self.memory, &mut self.chain.tables())?;
        self.gauge.show(&mut self.chain);
        self.ask_for_a_checkpoint().await
    }

    /// What changed since the last checkpoint cannot leave memory before the next one: when that is
    /// too much, the next one comes early.
    async fn ask_for_a_checkpoint(&mut self) -> Result<(), JobError> {
        let changed: usize = self.chain.tables().iter().map(|table| table.dirty_bytes()).sum();
        if !self.pressed && changed > self.memory.limit() / 2 {
            self.pressed = true;
            report(&self.reports, Report::Pressed).await?;
        }
        Ok(())
    }

    /// Freezes the state and passes the barrier on. Rows wait only for the freezing; the writing
    /// goes on beside them.
    pub(crate) async fn barrier(&mut self, barrier: Barrier) -> Result<(), JobError> {
        self.pressed = false;
        let begun = self.clock.monotonic();
        let tables = self.chain.freeze()?;
        let pause = self.clock.monotonic().saturating_sub(begun);
        let watermarks = self.chain.watermarks();
        let live = self.chain.tables().iter().map(|table| table.entries() as u64).sum();
        self.flush().await?;
        for edge in &mut self.edges {
            edge.send(Message::Barrier(barrier)).await?;
        }
        self.probe.reached(JobStep::Frozen)?;
        let frozen =
            FrozenState { checkpoint: barrier.checkpoint, pause, watermarks, live, tables };
        self.writer.send(frozen).await.map_err(|_| JobError::Stopped)
    }
}
