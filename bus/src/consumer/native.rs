//! The client library's event queue, read without copies: the one place with foreign pointers.
//!
//! rdkafka's safe `poll` tells an end-of-partition event by its partition number alone, without
//! topic and offset. Both are needed here: a range may only be closed at exactly the offset the
//! library had read up to, or records still in its queue would be taken for log gaps.
#![expect(unsafe_code, reason = "rdkafka's safe interface drops topic and offset of an event")]

use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

use bytes::Bytes;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{IsError as _, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr as Resp;

use millrace_events::{Header, Offset, RawRecord, TopicPartition};

use super::context::{Change, Context};

/// Identifies a partition while it is assigned: the topic handle's address and the partition
/// number.
pub(super) type Place = (usize, i32);

/// What came out of the queue.
pub(super) enum Polled<'a> {
    /// A record; `topic` reads its topic's name.
    Record { place: Place, topic: &'a str, record: RawRecord<'a> },
    /// Everything before `offset` was delivered and the log ends there for now.
    End { tp: TopicPartition, offset: Offset },
    /// The offset asked for is not in the log.
    OutOfRange { tp: TopicPartition },
    /// Something else went wrong.
    Failed { code: Code, fatal: bool, tp: Option<TopicPartition>, reason: String },
    /// The group moved partitions.
    Moved { change: Change, partitions: Vec<TopicPartition> },
    /// Nothing of interest.
    Noise,
}

/// A consumer and its queue.
pub(super) struct Native {
    client: BaseConsumer<Context>,
    /// Destroyed in `drop`, which runs before `client` is dropped.
    queue: *mut sys::rd_kafka_queue_t,
    headers: Vec<Header>,
}

// SAFETY: librdkafka's handles may be used from any thread; `Native` is not `Sync`, so only from
// one at a time.
unsafe impl Send for Native {}

impl Native {
    /// Takes over a consumer whose main queue is forwarded to its consumer queue (it has a group
    /// id).
    pub(super) fn new(client: BaseConsumer<Context>) -> Self {
        // SAFETY: the client is alive; the call returns an owned reference to its consumer queue,
        // which exists because the client was created with a group id.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(client.client().native_ptr()) };
        assert!(!queue.is_null(), "a consumer with a group id has a queue");
        Self { client, queue, headers: Vec::new() }
    }

    /// The client, for everything but polling.
    pub(super) fn client(&self) -> &BaseConsumer<Context> {
        &self.client
    }

    /// Takes the next event, waiting up to `timeout`, and shows it to `visit`. `None` when there is
    /// none.
    pub(super) fn poll<R>(
        &mut self,
        timeout: Duration,
        visit: impl FnOnce(&BaseConsumer<Context>, Polled<'_>) -> R,
    ) -> Option<R> {
        let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: `queue` lives until `drop`.
        let event = Event(unsafe { sys::rd_kafka_queue_poll(self.queue, millis) });
        if event.0.is_null() {
            return None;
        }
        self.headers.clear();
        Some(visit(&self.client, event.read(&mut self.headers)))
    }

    /// The end of the log as the last fetch reported it.
    pub(super) fn cached_end(&self, tp: &TopicPartition) -> Option<Offset> {
        let topic = CString::new(tp.topic.as_ref()).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is alive, the name is NUL-terminated, both out-pointers are valid.
        let answer = unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.client.client().native_ptr(),
                topic.as_ptr(),
                tp.partition.0,
                &raw mut low,
                &raw mut high,
            )
        };
        (!answer.is_error() && high >= 0).then_some(Offset(high))
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // SAFETY: the reference taken in `new`, given back once.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) };
    }
}

/// An event, owned; null when the queue was empty.
struct Event(*mut sys::rd_kafka_event_t);

impl Drop for Event {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: owned and not null; everything borrowed from it is gone (lifetime of `read`).
            unsafe { sys::rd_kafka_event_destroy(self.0) };
        }
    }
}

impl Event {
    fn read<'a>(&'a self, headers: &'a mut Vec<Header>) -> Polled<'a> {
        // SAFETY: not null, checked by the caller.
        match unsafe { sys::rd_kafka_event_type(self.0) } {
            sys::RD_KAFKA_EVENT_FETCH => self.record(headers),
            sys::RD_KAFKA_EVENT_ERROR => self.failure(),
            sys::RD_KAFKA_EVENT_REBALANCE => self.moved(),
            sys::RD_KAFKA_EVENT_LOG => self.log(),
            _ => Polled::Noise,
        }
    }

    fn record<'a>(&'a self, headers: &'a mut Vec<Header>) -> Polled<'a> {
        // SAFETY: a FETCH event holds at most one message, which lives as long as the event; key
        // and payload point into it or are null; the topic handle and its name live at least as
        // long.
        unsafe {
            let message = sys::rd_kafka_event_message_next(self.0);
            let Some(m) = message.as_ref() else { return Polled::Noise };
            let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            let timestamp_ms = sys::rd_kafka_message_timestamp(message, &raw mut kind);
            read_headers(message, headers);
            Polled::Record {
                place: (m.rkt as usize, m.partition),
                topic: text(sys::rd_kafka_topic_name(m.rkt)),
                record: RawRecord {
                    offset: Offset(m.offset),
                    timestamp_ms,
                    key: slice(m.key.cast(), m.key_len),
                    value: slice(m.payload.cast(), m.len),
                    headers,
                },
            }
        }
    }

    fn failure<'a>(&self) -> Polled<'a> {
        // SAFETY: not null, an ERROR event; the partition is owned and destroyed here, the string
        // is copied before the event goes.
        unsafe {
            let error = sys::rd_kafka_event_error(self.0);
            let partition = sys::rd_kafka_event_topic_partition(self.0);
            let place = partition.as_ref().map(|p| {
                (TopicPartition::new(text(p.topic.cast_const()), p.partition), Offset(p.offset))
            });
            if !partition.is_null() {
                sys::rd_kafka_topic_partition_destroy(partition);
            }
            match (error, place) {
                (Resp::RD_KAFKA_RESP_ERR__PARTITION_EOF, Some((tp, offset))) => {
                    Polled::End { tp, offset }
                }
                (Resp::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, Some((tp, _))) => {
                    Polled::OutOfRange { tp }
                }
                (error, place) => Polled::Failed {
                    code: error.into(),
                    fatal: sys::rd_kafka_event_error_is_fatal(self.0) != 0,
                    tp: place.map(|(tp, _)| tp),
                    reason: text(sys::rd_kafka_event_error_string(self.0)).to_owned(),
                },
            }
        }
    }

    fn moved<'a>(&self) -> Polled<'a> {
        // SAFETY: not null, a REBALANCE event; the list belongs to the event and is only read.
        let (error, partitions) = unsafe {
            let list = sys::rd_kafka_event_topic_partition_list(self.0);
            let partitions = list.as_ref().map_or_else(Vec::new, |list| {
                let count = usize::try_from(list.cnt).unwrap_or(0);
                (0..count)
                    .map(|i| &*list.elems.add(i))
                    .map(|p| TopicPartition::new(text(p.topic.cast_const()), p.partition))
                    .collect()
            });
            (sys::rd_kafka_event_error(self.0), partitions)
        };
        match Change::of(error) {
            Some(change) => Polled::Moved { change, partitions },
            None => Polled::Failed {
                code: error.into(),
                fatal: false,
                tp: None,
                reason: "the rebalance failed".to_owned(),
            },
        }
    }

    fn log<'a>(&self) -> Polled<'a> {
        let (mut facility, mut message, mut level) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: not null, a LOG event; the strings live as long as the event.
        unsafe {
            let failed = sys::rd_kafka_event_log(
                self.0,
                &raw mut facility,
                &raw mut message,
                &raw mut level,
            );
            if failed == 0 {
                crate::logging::talk(level, text(facility), text(message));
            }
        }
        Polled::Noise
    }
}

/// Appends the headers of `message`.
///
/// # Safety
/// `message` is a live message.
unsafe fn read_headers(message: *const sys::rd_kafka_message_t, out: &mut Vec<Header>) {
    let mut list = std::ptr::null_mut();
    // SAFETY: the message is alive; the list belongs to it. Name and value are copied at once.
    unsafe {
        if sys::rd_kafka_message_headers(message, &raw mut list).is_error() {
            return;
        }
        for i in 0.. {
            let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
            let answer =
                sys::rd_kafka_header_get_all(list, i, &raw mut name, &raw mut value, &raw mut size);
            if answer.is_error() {
                return;
            }
            let value = slice(value.cast(), size).map(Bytes::copy_from_slice);
            out.push(Header { name: text(name).to_owned(), value });
        }
    }
}

/// # Safety
/// `data` is null or points to `len` bytes that outlive `'a`.
unsafe fn slice<'a>(data: *const u8, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data, len) })
}

/// Text that is not UTF-8 (the broker never sends such) reads as empty.
///
/// # Safety
/// `data` is null or a NUL-terminated string that outlives `'a`.
unsafe fn text<'a>(data: *const c_char) -> &'a str {
    if data.is_null() {
        return "";
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(data) }.to_str().unwrap_or_default()
}
