//! What an event is.
//!
//! ```text
//!  bytes on a topic ── RawBatch ──► Decoder ──► Decoded { Arrow columns, dead rows }
//!  a Rust service ──── Emitter ───► Transport (bus: Kafka) with an on-disk spool behind it
//! ```
//!
//! Duty: identity of events, names that become topics and paths, positions in a log, the schema of
//! a stream, bytes ↔ Arrow, dead letters, clocks, replay sources, the memory budget that bytes in
//! flight are charged to.
//!
//! Invariants: a [`RawBatch`] holds *every* record the log has in its range; decoding loses no row
//! (each is either a row of the Arrow batch or a dead row with a reason).
//!
//! Must not know: Kafka consumers, tables, SQL.

mod budget;
mod clock;
mod dead;
mod decode;
mod decoded;
mod emitter;
mod id;
mod names;
mod outgoing;
mod position;
mod probe;
mod raw;
mod replay;
mod schema;

pub use budget::{Budget, Reservation};
pub use clock::{Clock, SystemClock};
pub use dead::DeadLetter;
pub use decode::Decoder;
pub use decoded::Decoded;
pub use emitter::{
    EmitError, Emitter, EmitterSettings, EmitterStats, OnRejected, SpoolSettings, WhenFull,
};
pub use id::{ID_HEADER, new_event_id};
pub use names::{NameError, RouteName, StreamName, TableName};
pub use outgoing::{Outgoing, SendError, Transport};
pub use position::{Epoch, Offset, OffsetRange, PartitionId, TopicPartition};
pub use probe::{NoProbe, Probe, Step};
pub use raw::{Header, RawBatch, RawBatchBuilder, RawRecord};
pub use replay::{OpenBandit, ReplayError, ReplayEvent};
pub use schema::{Column, ColumnType, EventTime, StreamSchema};
