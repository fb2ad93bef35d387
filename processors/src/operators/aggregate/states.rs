//! States of many groups side by side.
//!
//! As bytes, a state is: the number of rows of the group (8 bytes, little-endian); the fields of
//! the functions with states of fixed size, in the order of the calls; and for each function with
//! a growing state, in order, its length (4 bytes) and its bytes.

use super::cell::Cell;

/// Bytes of the number of rows, with which every record begins.
pub(crate) const HEADER: usize = 8;

/// States of groups 0, 1, 2 …
#[derive(Debug, Default)]
pub(crate) struct States {
    stride: usize,
    len: usize,
    records: Vec<u8>,
    /// By function, then by group. May be longer than `len`, to keep the memory.
    variable: Vec<Vec<Vec<u8>>>,
}

impl States {
    /// No groups; records of `stride` bytes, and `variables` functions with growing states.
    pub(crate) fn new(stride: usize, variables: usize) -> Self {
        Self { stride, len: 0, records: Vec::new(), variable: vec![Vec::new(); variables] }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Groups that have seen nothing, in place of what there was.
    pub(crate) fn reset(&mut self, groups: usize) {
        self.records.clear();
        self.len = 0;
        self.grow(groups);
    }

    /// More groups that have seen nothing, up to `groups`.
    pub(crate) fn grow(&mut self, groups: usize) {
        self.records.resize(groups * self.stride, 0);
        for states in &mut self.variable {
            let known = states.len();
            states[self.len.min(known)..groups.min(known)].iter_mut().for_each(Vec::clear);
            if known < groups {
                states.resize_with(groups, Vec::new);
            }
        }
        self.len = groups;
    }

    /// One more group, with the state in `bytes`.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let group = self.len;
        self.grow(group + 1);
        let stride = self.stride;
        self.record_mut(group).copy_from_slice(&bytes[..stride]);
        let mut parts = parts(&bytes[self.stride..]);
        for states in &mut self.variable {
            states[group].extend_from_slice(parts.next().unwrap_or_default());
        }
    }

    pub(crate) fn rows(&self, group: usize) -> i64 {
        i64::read(self.record(group))
    }

    pub(crate) fn record(&self, group: usize) -> &[u8] {
        &self.records[group * self.stride..(group + 1) * self.stride]
    }

    pub(crate) fn record_mut(&mut self, group: usize) -> &mut [u8] {
        &mut self.records[group * self.stride..(group + 1) * self.stride]
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.records.chunks_exact(self.stride)
    }

    pub(crate) fn records_mut(&mut self) -> &mut [u8] {
        &mut self.records
    }

    /// The growing states of function `which`.
    pub(crate) fn variable(&self, which: usize) -> &[Vec<u8>] {
        &self.variable[which][..self.len]
    }

    pub(crate) fn variable_mut(&mut self, which: usize) -> &mut [Vec<u8>] {
        &mut self.variable[which][..self.len]
    }

    /// Appends the state of a group to `out`.
    pub(crate) fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.record(group));
        for states in &self.variable {
            put_part(&states[group], out);
        }
    }
}

/// The growing states in the bytes after a record.
pub(crate) fn parts(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let length = u32::read(bytes) as usize;
        let (part, rest) = bytes[4..].split_at(length);
        bytes = rest;
        Some(part)
    })
}

/// Appends one growing state.
pub(crate) fn put_part(part: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(part.len()).expect("a state of less than 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(part);
}
