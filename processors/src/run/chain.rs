//! The operators of one task: rows and watermarks pushed from each to its readers.

use millrace_plan::OperatorId;
use millrace_state::{Frozen, Table};

use super::channel::Message;
use super::late::late_rows;
use super::watermarks::{TimeChange, WatermarkMerge};
use crate::{Batch, JobError, Micros, Operator, Output};

/// Where rows of an operator go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// To a port of another operator of the chain.
    Local { slot: usize, port: usize },
    /// To an edge out of the task.
    Remote { edge: usize },
}

/// One operator of a chain.
pub(crate) struct Slot {
    pub(crate) id: OperatorId,
    /// `None` at the head of a source's task, which only passes rows on.
    pub(crate) operator: Option<Box<dyn Operator>>,
    pub(crate) time: WatermarkMerge,
    pub(crate) targets: Vec<Target>,
    /// Edges to where late rows are kept.
    pub(crate) late_edges: Vec<usize>,
    pub(crate) counts: Counts,
}

/// What an operator instance has seen since its run began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Rows taken in.
    pub rows_in: u64,
    /// Rows given out.
    pub rows_out: u64,
    /// Rows that came after their window had closed.
    pub late: u64,
}

/// An operator instance at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) counts: Counts,
    pub(crate) watermark: Micros,
    pub(crate) state_bytes: u64,
}

/// State of one table at a barrier.
pub(crate) type FrozenTable = (OperatorId, String, Frozen);

/// The operators of a task, the head first.
pub(crate) struct Chain {
    slots: Vec<Slot>,
    /// What is to be sent out of the task, in order.
    outgoing: Vec<(usize, Message)>,
}

impl Chain {
    pub(crate) fn new(slots: Vec<Slot>) -> Self {
        Self { slots, outgoing: Vec::new() }
    }

    /// Rows arrive at port `port` of the head.
    pub(crate) fn rows(&mut self, port: usize, batch: Batch) -> Result<(), JobError> {
        self.feed(0, port, batch)
    }

    /// Event time of port `port` of the head has changed.
    pub(crate) fn time(&mut self, port: usize, change: TimeChange) -> Result<(), JobError> {
        self.feed_time(0, port, change)
    }

    /// What is to be sent, in order: (edge, message).
    pub(crate) fn take_outgoing(&mut self) -> Vec<(usize, Message)> {
        std::mem::take(&mut self.outgoing)
    }

    /// Puts everything into tables and freezes them; rows this makes are among the outgoing.
    pub(crate) fn freeze(&mut self) -> Result<Vec<FrozenTable>, JobError> {
        for at in 0..self.slots.len() {
            let mut out = Output::default();
            if let Some(operator) = &mut self.slots[at].operator {
                operator.before_checkpoint(&mut out)?;
            }
            self.deliver(at, out)?;
        }
        let mut frozen = Vec::new();
        for slot in &mut self.slots {
            let Some(operator) = &mut slot.operator else { continue };
            for table in operator.tables() {
                let name = table.name().to_owned();
                frozen.push((slot.id.clone(), name, table.freeze()));
            }
        }
        Ok(frozen)
    }

    /// Watermark of each operator's input.
    pub(crate) fn watermarks(&self) -> Vec<(OperatorId, Micros)> {
        self.slots.iter().map(|slot| (slot.id.clone(), slot.time.combined())).collect()
    }

    /// What each operator has seen and holds.
    pub(crate) fn seen(&mut self) -> impl Iterator<Item = Seen> + '_ {
        self.slots.iter_mut().map(|slot| {
            let tables = slot.operator.as_mut().map(|operator| operator.tables());
            let bytes = tables.into_iter().flatten().map(|table| table.bytes()).sum::<usize>();
            let watermark = slot.time.combined();
            Seen { counts: slot.counts, watermark, state_bytes: bytes as u64 }
        })
    }

    /// All state tables of the task.
    pub(crate) fn tables(&mut self) -> Vec<&mut Table> {
        let operators = self.slots.iter_mut().filter_map(|slot| slot.operator.as_mut());
        operators.flat_map(|operator| operator.tables()).collect()
    }

    fn feed(&mut self, at: usize, port: usize, batch: Batch) -> Result<(), JobError> {
        let slot = &mut self.slots[at];
        slot.counts.rows_in += batch.len() as u64;
        let mut out = Output::default();
        match &mut slot.operator {
            Some(operator) => {
                operator.process(port, batch, &mut out).map_err(|e| named(e, &slot.id))?;
            }
            None => out.push(batch),
        }
        self.deliver(at, out)
    }

    fn feed_time(&mut self, at: usize, port: usize, change: TimeChange) -> Result<(), JobError> {
        let slot = &mut self.slots[at];
        let merged = match change {
            TimeChange::Watermark(watermark) => slot.time.watermark(port, watermark),
            TimeChange::Idle => slot.time.idle(port),
        };
        let sent = match merged {
            None => return Ok(()),
            Some(TimeChange::Idle) => TimeChange::Idle,
            Some(TimeChange::Watermark(watermark)) => {
                let mut out = Output::default();
                let mut onward = watermark;
                if let Some(operator) = &mut slot.operator {
                    onward =
                        operator.watermark(watermark, &mut out).map_err(|e| named(e, &slot.id))?;
                }
                self.deliver(at, out)?;
                TimeChange::Watermark(onward)
            }
        };
        for target in self.slots[at].targets.clone() {
            match target {
                Target::Local { slot, port } => self.feed_time(slot, port, sent)?,
                Target::Remote { edge } => self.outgoing.push((edge, message_of(sent))),
            }
        }
        Ok(())
    }

    fn deliver(&mut self, at: usize, out: Output) -> Result<(), JobError> {
        let slot = &mut self.slots[at];
        for late in out.late {
            slot.counts.late += late.num_rows() as u64;
            for edge in &slot.late_edges {
                let rows = late_rows(&slot.id, slot.time.combined(), &late)?;
                self.outgoing.push((*edge, Message::Rows(Batch::append(rows))));
            }
        }
        for batch in out.batches {
            self.slots[at].counts.rows_out += batch.len() as u64;
            for index in 0..self.slots[at].targets.len() {
                match self.slots[at].targets[index] {
                    Target::Local { slot, port } => self.feed(slot, port, batch.clone())?,
                    Target::Remote { edge } => {
                        self.outgoing.push((edge, Message::Rows(batch.clone())));
                    }
                }
            }
        }
        Ok(())
    }
}

fn message_of(change: TimeChange) -> Message {
    match change {
        TimeChange::Watermark(watermark) => Message::Watermark(watermark),
        TimeChange::Idle => Message::Idle,
    }
}

/// Says which operator failed.
fn named(error: JobError, id: &OperatorId) -> JobError {
    match error {
        JobError::Query { operator, source } if operator.is_empty() => {
            JobError::Query { operator: id.to_string(), source }
        }
        other => other,
    }
}
