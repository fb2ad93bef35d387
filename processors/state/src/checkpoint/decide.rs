//! The decisions of the checkpoint protocol, from observed facts and without I/O.

use std::collections::BTreeSet;

use super::entry::{Entry, age_of};

/// What stands where we tried to put an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    Absent,
    /// Our entry.
    Ours,
    /// Another one.
    Other,
}

/// What to do after an attempt to append an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Next {
    /// The entry is the newest of the log.
    Done,
    /// The log went on without it.
    Overtaken,
    /// It was lost: put it again.
    Again,
    /// It was lost too often.
    GiveUp,
}

/// After an attempt to append: what stands at that place, whether anything stands further on.
pub(super) fn after_append(seen: Seen, newer: bool, may_retry: bool) -> Next {
    match (seen, newer) {
        // Also where our own entry stands: the newer run may not have seen it, and owns the job.
        (_, true) | (Seen::Other, false) => Next::Overtaken,
        (Seen::Ours, false) => Next::Done,
        (Seen::Absent, false) if may_retry => Next::Again,
        (Seen::Absent, false) => Next::GiveUp,
    }
}

/// Where the next claim stands, its generation (above `floor`), and the place of the newest
/// complete checkpoint.
pub(super) fn claim_after(newest: Option<&Entry>, floor: u64) -> (u64, u64, Option<u64>) {
    newest.map_or((1, floor + 1, None), |newest| {
        (newest.sequence + 1, newest.generation.max(floor) + 1, newest.latest())
    })
}

/// Which state files may go: those older than the newest complete checkpoint of this run that
/// nobody needs. `newest` is its generation and number; paths are below the prefix.
///
/// Files of later checkpoints may be in the making, those with foreign names are not ours.
pub(super) fn collectable<'a>(
    files: impl IntoIterator<Item = &'a str>,
    needed: &BTreeSet<&str>,
    newest: (u64, u64),
) -> Vec<&'a str> {
    let old = |path: &&str| age_of(path).is_some_and(|age| age < newest);
    files.into_iter().filter(old).filter(|path| !needed.contains(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Kind, state_path};
    use super::*;

    #[test]
    fn an_entry_counts_only_when_it_is_the_newest() {
        for (seen, newer, may_retry, expected) in [
            (Seen::Ours, false, true, Next::Done),
            (Seen::Ours, false, false, Next::Done),
            (Seen::Ours, true, true, Next::Overtaken),
            (Seen::Other, false, true, Next::Overtaken),
            (Seen::Other, true, false, Next::Overtaken),
            (Seen::Absent, true, true, Next::Overtaken),
            (Seen::Absent, false, true, Next::Again),
            (Seen::Absent, false, false, Next::GiveUp),
        ] {
            assert_eq!(after_append(seen, newer, may_retry), expected, "{seen:?} {newer}");
        }
    }

    #[test]
    fn a_claim_stands_after_the_newest_entry_and_points_to_the_newest_checkpoint() {
        let entry = |kind| Entry::new(7, 3, "r", kind);
        let after = |kind, floor| claim_after(Some(&entry(kind)), floor);
        assert_eq!(claim_after(None, 0), (1, 1, None));
        assert_eq!(claim_after(None, 6), (1, 7, None));
        assert_eq!(after(Kind::Claim { latest: None }, 0), (8, 4, None));
        assert_eq!(after(Kind::Claim { latest: Some(5) }, 2), (8, 4, Some(5)));
        assert_eq!(after(Kind::Claim { latest: Some(5) }, 9), (8, 10, Some(5)));
        assert_eq!(after(Kind::Checkpoint(Box::default()), 0), (8, 4, Some(7)));
    }

    #[test]
    fn only_old_files_that_nobody_needs_are_collected() {
        let files: Vec<_> = [(1, 9), (2, 3), (2, 4), (2, 5), (2, 6), (3, 1)]
            .map(|(generation, checkpoint)| state_path(generation, checkpoint, "f"))
            .to_vec();
        let foreign = "state/notes.txt";
        let needed = BTreeSet::from([files[1].as_str()]);
        let all = files.iter().map(String::as_str).chain([foreign]);
        let gone = collectable(all, &needed, (2, 5));
        assert_eq!(gone, [files[0].as_str(), files[2].as_str()]);
    }
}
