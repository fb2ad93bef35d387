//! Keys of state, and the key groups by which state is dealt to instances.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

/// Number of key groups: the greatest parallelism of a job, for ever, since state is stored by it.
pub const KEY_GROUPS: u16 = 128;

/// The unit by which keyed state moves between instances.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct KeyGroup(pub u16);

/// Hash of a key, stable across versions and machines (XXH3, 64 bits, seed 0).
pub fn hash(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

impl KeyGroup {
    /// The group of a key with this hash.
    pub fn of(hash: u64) -> Self {
        // The upper bits: the lower ones pick buckets of hash tables.
        Self(u16::try_from((hash >> 48) % u64::from(KEY_GROUPS)).expect("below KEY_GROUPS"))
    }
}

/// The key groups an instance owns: `start <= group < end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyGroups {
    /// First group.
    pub start: u16,
    /// One past the last group.
    pub end: u16,
}

impl KeyGroups {
    /// All of them.
    pub const ALL: Self = Self { start: 0, end: KEY_GROUPS };

    /// The share of `instance` of `parallelism`. Shares are contiguous, disjoint and cover all.
    pub fn share(instance: usize, parallelism: usize) -> Self {
        assert!(instance < parallelism && parallelism <= usize::from(KEY_GROUPS), "a valid share");
        let bound = |i: usize| {
            u16::try_from((i * usize::from(KEY_GROUPS)).div_ceil(parallelism)).expect("in range")
        };
        Self { start: bound(instance), end: bound(instance + 1) }
    }

    /// The instance of `parallelism` that owns `group`; the inverse of [`Self::share`].
    pub fn owner(group: KeyGroup, parallelism: usize) -> usize {
        usize::from(group.0) * parallelism / usize::from(KEY_GROUPS)
    }

    /// Whether `group` is one of these.
    pub fn contains(&self, group: KeyGroup) -> bool {
        Range { start: self.start, end: self.end }.contains(&group.0)
    }

    /// The groups that both have, if any.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let both = Self { start: self.start.max(other.start), end: self.end.min(other.end) };
        (both.start < both.end).then_some(both)
    }

    /// Whether the two have a group in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// A key of a state table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// Group of the *partitioning* key, which may be a prefix of this one.
    pub group: KeyGroup,
    /// [`hash`] of `bytes`.
    pub hash: u64,
    /// The encoded key.
    pub bytes: &'a [u8],
}

impl<'a> Key<'a> {
    /// A key that is the partitioning key itself.
    pub fn new(bytes: &'a [u8]) -> Self {
        let hash = hash(bytes);
        Self { group: KeyGroup::of(hash), hash, bytes }
    }

    /// A key that only begins with the partitioning key, whose group is `group`.
    pub fn within(group: KeyGroup, bytes: &'a [u8]) -> Self {
        Self { group, hash: hash(bytes), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_all_groups_once_and_owner_is_their_inverse() {
        for parallelism in 1..=usize::from(KEY_GROUPS) {
            for group in 0..KEY_GROUPS {
                let owner = KeyGroups::owner(KeyGroup(group), parallelism);
                for instance in 0..parallelism {
                    let share = KeyGroups::share(instance, parallelism);
                    assert_eq!(share.contains(KeyGroup(group)), instance == owner);
                }
            }
        }
    }
}
