//! A piece of memory with records of keys and values, one after the other.

use crate::KeyGroup;

/// Bytes before the key: namespace 8, length of key 4, length of value 4, room for value 4,
/// key group 2, flags 1, nothing 1.
const HEADER: usize = 24;

/// The key did not exist before, and no checkpoint knows it.
pub(super) const FRESH: u8 = 1;
/// Not a value: the key was removed.
pub(super) const REMOVED: u8 = 2;
/// A later record took its place.
pub(super) const DEAD: u8 = 4;

/// What a record says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) namespace: i64,
    pub(super) group: KeyGroup,
    pub(super) flags: u8,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
}

impl Record<'_> {
    /// Bytes it takes when the value has this much room.
    pub(super) fn size(&self, room: usize) -> usize {
        HEADER + self.key.len() + room
    }
}

/// Records in one piece of memory that never moves.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
}

impl Chunk {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// Bytes of memory held.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes of records.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether `size` more bytes fit without moving.
    pub(super) fn fits(&self, size: usize) -> bool {
        self.bytes.len() + size <= self.bytes.capacity()
    }

    /// Gives back memory that will not be used.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Appends a record whose value may grow to `room` bytes, and says where it begins.
    pub(super) fn push(&mut self, record: &Record<'_>, room: usize) -> u32 {
        let at = short(self.bytes.len());
        self.bytes.extend_from_slice(&record.namespace.to_le_bytes());
        self.bytes.extend_from_slice(&short(record.key.len()).to_le_bytes());
        self.bytes.extend_from_slice(&short(record.value.len()).to_le_bytes());
        self.bytes.extend_from_slice(&short(room).to_le_bytes());
        self.bytes.extend_from_slice(&record.group.0.to_le_bytes());
        self.bytes.extend_from_slice(&[record.flags, 0]);
        self.bytes.extend_from_slice(record.key);
        self.bytes.extend_from_slice(record.value);
        self.bytes.resize(self.bytes.len() + room - record.value.len(), 0);
        at
    }

    #[inline]
    fn header(&self, at: u32) -> &[u8; HEADER] {
        self.bytes[at as usize..].first_chunk().expect("a record begins here")
    }

    /// Reads a little of both ends of a record's header, which lie in one line of the cache or two.
    #[inline]
    pub(super) fn touch(&self, at: u32) -> u32 {
        let header = self.header(at);
        u32::from(header[0]) + u32::from(header[HEADER - 1])
    }

    #[inline]
    pub(super) fn key(&self, at: u32) -> &[u8] {
        let length = number(self.header(at), 8);
        &self.bytes[at as usize + HEADER..][..length]
    }

    #[inline]
    pub(super) fn value(&self, at: u32) -> &[u8] {
        let header = self.header(at);
        let (key, value) = (number(header, 8), number(header, 12));
        &self.bytes[at as usize + HEADER + key..][..value]
    }

    /// How far the value at `at` may grow.
    #[inline]
    pub(super) fn room(&self, at: u32) -> usize {
        number(self.header(at), 16)
    }

    #[inline]
    pub(super) fn flags(&self, at: u32) -> u8 {
        self.header(at)[22]
    }

    /// Bytes of the whole record.
    #[inline]
    pub(super) fn size(&self, at: u32) -> usize {
        let header = self.header(at);
        HEADER + number(header, 8) + number(header, 16)
    }

    pub(super) fn record(&self, at: u32) -> Record<'_> {
        let header = self.header(at);
        Record {
            namespace: i64::from_le_bytes(*header.first_chunk().expect("8 of 24 bytes")),
            group: KeyGroup(u16::from_le_bytes([header[20], header[21]])),
            flags: header[22],
            key: self.key(at),
            value: self.value(at),
        }
    }

    /// Where the record after the one at `at` begins, if there is one.
    pub(super) fn next(&self, at: u32) -> Option<u32> {
        let next = at as usize + self.size(at);
        (next < self.bytes.len()).then(|| short(next))
    }

    /// Replaces a value by one that fits.
    #[inline]
    pub(super) fn set_value(&mut self, at: u32, value: &[u8]) {
        let start = at as usize + HEADER + number(self.header(at), 8);
        self.bytes[at as usize + 12..][..4].copy_from_slice(&short(value.len()).to_le_bytes());
        self.bytes[start..][..value.len()].copy_from_slice(value);
    }

    /// Marks a record as dead.
    pub(super) fn kill(&mut self, at: u32) {
        self.bytes[at as usize + 22] |= DEAD;
    }

    /// Takes a flag off a record.
    pub(super) fn clear(&mut self, at: u32, flag: u8) {
        self.bytes[at as usize + 22] &= !flag;
    }

    /// All records that are not dead, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let first = (!self.bytes.is_empty()).then_some(0);
        std::iter::successors(first, |at| self.next(*at))
            .map(|at| self.record(at))
            .filter(|record| record.flags & DEAD == 0)
    }
}

#[inline]
fn number(header: &[u8; HEADER], at: usize) -> usize {
    let bytes = header[at..].first_chunk::<4>().expect("inside the header");
    u32::from_le_bytes(*bytes) as usize
}

#[inline]
fn short(length: usize) -> u32 {
    u32::try_from(length).expect("keys and values are far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_stand_one_after_the_other_and_values_change_within_their_room() {
        let mut chunk = Chunk::with_capacity(1000);
        let record = |namespace, key, value| Record {
            namespace,
            group: KeyGroup(7),
            flags: FRESH,
            key,
            value,
        };
        let first = chunk.push(&record(-5, b"key", b"value"), 8);
        let second = chunk.push(&record(6, b"", b"x"), 1);
        let third = chunk.push(&record(9, b"k", b""), 0);
        assert_eq!((chunk.next(first), chunk.next(second)), (Some(second), Some(third)));
        assert_eq!((chunk.next(third), chunk.room(first)), (None, 8));
        chunk.set_value(first, b"longer!!");
        assert_eq!((chunk.key(first), chunk.value(first)), (&b"key"[..], &b"longer!!"[..]));
        chunk.kill(second);
        let seen: Vec<_> = chunk.records().map(|r| (r.namespace, r.group.0, r.key)).collect();
        assert_eq!(seen, [(-5, 7, &b"key"[..]), (9, 7, &b"k"[..])]);
    }
}
