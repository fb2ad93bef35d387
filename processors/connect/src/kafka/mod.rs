//! A stream on Kafka as a source: partitions are splits, offsets are positions.

mod dead;
mod place;
mod polling;
mod reader;
mod stream;

pub use dead::{DeadLetterHook, DeadLettersCounted, DeadLettersKept};
pub(crate) use place::offset;
pub use stream::{KafkaStream, KafkaStreamSettings, StartAt};
