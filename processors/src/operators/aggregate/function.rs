//! What an aggregate function does with the states of groups.

use arrow::array::ArrayRef;

use super::picked::Picked;
use crate::JobError;

/// The states of one function: a field of `width` bytes in each group's record.
pub(crate) struct Slots<'a> {
    /// All records.
    pub(crate) bytes: &'a mut [u8],
    /// Length of a record.
    pub(crate) stride: usize,
    /// Where in the record the field is.
    pub(crate) offset: usize,
}

impl Slots<'_> {
    /// The field of a group and what follows it.
    #[inline]
    pub(crate) fn of(&mut self, group: usize) -> &mut [u8] {
        let start = group * self.stride;
        &mut self.bytes[start + self.offset..start + self.stride]
    }
}

/// A function whose state has a fixed size. A field of zeros is the state that has seen nothing.
pub(crate) trait Fixed: Send + Sync {
    /// Bytes of a state.
    fn width(&self) -> usize;

    /// Adds rows to their groups, or takes them back.
    fn update(&self, args: &[ArrayRef], picked: Picked<'_>, retract: bool, slots: &mut Slots<'_>);

    /// Adds to `into` what `from` has seen.
    fn merge(&self, into: &mut [u8], from: &[u8]);

    /// The results of states, in order.
    fn finish(&self, states: &mut dyn Iterator<Item = &[u8]>) -> Result<ArrayRef, JobError>;
}

/// A function whose state grows. An empty state is the one that has seen nothing.
pub(crate) trait Variable: Send + Sync {
    /// Adds rows to their groups, or takes them back.
    fn update(
        &self,
        args: &[ArrayRef],
        picked: Picked<'_>,
        retract: bool,
        states: &mut [Vec<u8>],
    ) -> Result<(), JobError>;

    /// Adds to `into` what `from` has seen, after what `into` has.
    fn merge(&self, into: &mut Vec<u8>, from: &[u8]) -> Result<(), JobError>;

    /// The results of states, in order.
    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef, JobError>;
}
