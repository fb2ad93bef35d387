//! What is stored for a key: where in the log it came from, and the row.

use bytes::Bytes;

/// Bytes before the row.
const HEADER: usize = 25;

/// Where a record is in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl Place {
    /// Sorts like the log, partition by partition: neither number is negative.
    pub(super) fn key(self) -> [u8; 12] {
        let mut key = [0; 12];
        key[..4].copy_from_slice(&self.partition.to_be_bytes());
        key[4..].copy_from_slice(&self.offset.to_be_bytes());
        key
    }

    pub(super) fn of_key(key: &[u8]) -> Option<Self> {
        let (partition, offset) = key.split_first_chunk::<4>()?;
        Some(Self {
            partition: i32::from_be_bytes(*partition),
            offset: i64::from_be_bytes(offset.try_into().ok()?),
        })
    }
}

/// The latest record of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Which copy of the topic it was read from: it grows when the topic is created again.
    pub(super) generation: u32,
    pub(super) place: Place,
    /// The record's timestamp; of a deleted row the time it was deleted here.
    pub(super) time_ms: i64,
    pub(super) live: bool,
    pub(super) body: Bytes,
}

impl Entry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.body.len());
        bytes.push(u8::from(self.live));
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.place.key());
        bytes.extend_from_slice(&self.time_ms.to_be_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, body) = bytes.split_at_checked(HEADER)?;
        Some(Self {
            live: match header[0] {
                0 => false,
                1 => true,
                _ => return None,
            },
            generation: u32::from_be_bytes(header[1..5].try_into().ok()?),
            place: Place::of_key(&header[5..17])?,
            time_ms: i64::from_be_bytes(header[17..].try_into().ok()?),
            body: Bytes::copy_from_slice(body),
        })
    }

    pub(super) fn row(self) -> Option<Bytes> {
        self.live.then_some(self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_places_sort_like_the_log() {
        let place = Place { partition: 3, offset: 1 << 40 };
        let body = Bytes::from_static(b"{}");
        let entry = Entry { generation: 7, place, time_ms: -5, live: true, body };
        assert_eq!(Entry::decode(&entry.encode()), Some(entry.clone()));
        assert_eq!(Place::of_key(&place.key()), Some(place));
        assert!(place.key() < Place { partition: 4, offset: 0 }.key());
        assert!(Place { partition: 3, offset: 255 }.key() < place.key());
        let mut damaged = entry.encode();
        damaged[0] = 9;
        assert_eq!(Entry::decode(&damaged), None);
        assert_eq!(Entry::decode(&damaged[..HEADER - 1]), None);
    }
}
