//! The fixed part of a Kafka record batch (message format 2), as it lies in a file.
//!
//! Layout: <https://kafka.apache.org/documentation/#recordbatch>. The checksum covers everything
//! from the attributes on, so that a broker can write the base offset without touching it.

/// Bytes before the records.
pub(super) const HEADER: usize = 61;
/// Bytes of base offset and length, which the length does not count.
const PREFIX: usize = 12;
const CHECKED_FROM: usize = 21;

/// What the broker needs to know of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) base: i64,
    /// Bytes of the whole batch.
    pub(super) bytes: usize,
    crc: u32,
    /// Offset after the last record.
    pub(super) next: i64,
    pub(super) max_timestamp: i64,
    pub(super) producer: i64,
    pub(super) epoch: i16,
    pub(super) sequence: i32,
}

impl Header {
    /// Reads the header; `None` if this cannot be one.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let data = data.get(..HEADER)?;
        let base = i64::from_be_bytes(field(data, 0));
        let length = usize::try_from(i32::from_be_bytes(field(data, 8))).ok()?;
        let delta = i32::from_be_bytes(field(data, 23));
        let magic = data[16];
        if base < 0 || magic != 2 || delta < 0 || length + PREFIX < HEADER {
            return None;
        }
        Some(Self {
            base,
            bytes: length + PREFIX,
            crc: u32::from_be_bytes(field(data, 17)),
            next: base + i64::from(delta) + 1,
            max_timestamp: i64::from_be_bytes(field(data, 35)),
            producer: i64::from_be_bytes(field(data, 43)),
            epoch: i16::from_be_bytes(field(data, 51)),
            sequence: i32::from_be_bytes(field(data, 53)),
        })
    }

    /// Whether `batch`, header included, is whole.
    pub(super) fn matches(&self, batch: &[u8]) -> bool {
        let checked = batch.get(CHECKED_FROM..self.bytes);
        checked.is_some_and(|checked| {
            u64::from(self.crc) == crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, checked)
        })
    }

    /// Records in the batch, log gaps included.
    pub(super) fn width(&self) -> i64 {
        self.next - self.base
    }
}

/// Writes the offset the log gave the batch.
pub(super) fn set_base(batch: &mut [u8], base: i64) {
    batch[..8].copy_from_slice(&base.to_be_bytes());
}

fn field<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    data[at..at + N].try_into().expect("the header was checked to be whole")
}
