//! Whether a commit may be sent, is already there, or must not happen: from facts, without I/O.

use millrace_events::{Epoch, Offset};

use super::ledgers::LedgerKey;
use crate::Ledger;

/// One ledger as the writer believes it to be, as the table has it, and as the commit would leave
/// it.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) key: LedgerKey,
    pub(crate) believed: Ledger,
    pub(crate) found: Ledger,
    pub(crate) becomes: Ledger,
}

/// What to do next about a commit.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The table holds it: an earlier attempt succeeded although its outcome was not reported.
    AlreadyDone,
    /// A newer writer owns a partition. Nothing of this commit is or will be visible.
    Fenced { key: LedgerKey, ours: Epoch, theirs: Epoch },
    /// The epoch is ours but the offset is not where we left it: start again from the table.
    Moved { key: LedgerKey, ours: Option<Offset>, theirs: Option<Offset> },
    /// Write the log entry of exactly this version.
    Put { version: i64 },
}

/// Decides about a commit. `visible`: the commit's id was seen in the log. `head`: the newest
/// version known, `None` when there is no table yet.
///
/// The order matters. A commit that was seen counts even when somebody fenced us right after it,
/// for the new owner's ledger includes it. An epoch belongs to one writer for ever, so finding our
/// epoch with the very ledger we wanted means that our own commit did it, although its entry may
/// be gone.
pub(crate) fn decide(visible: bool, head: Option<i64>, standings: &[Standing]) -> Verdict {
    if visible {
        return Verdict::AlreadyDone;
    }
    let moves = |s: &Standing| s.becomes != s.believed;
    if standings.iter().any(moves)
        && standings.iter().all(|s| s.found.epoch == s.believed.epoch && s.found == s.becomes)
    {
        return Verdict::AlreadyDone;
    }
    for Standing { key, believed, found, .. } in standings {
        if found.epoch != believed.epoch {
            let (ours, theirs) = (believed.epoch, found.epoch);
            return Verdict::Fenced { key: key.clone(), ours, theirs };
        }
        if found.next != believed.next {
            let (ours, theirs) = (believed.next, found.next);
            return Verdict::Moved { key: key.clone(), ours, theirs };
        }
    }
    Verdict::Put { version: head.map_or(0, |v| v + 1) }
}

#[cfg(test)]
mod tests {
    use millrace_events::TopicPartition;

    use super::*;

    fn ledger(epoch: i64, next: Option<i64>) -> Ledger {
        let written = next.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        Ledger {
            epoch: Epoch(epoch),
            first: next.map(|_| Offset(0)),
            next: next.map(Offset),
            written,
            ..Ledger::default()
        }
    }

    fn standing(believed: Ledger, found: Ledger, becomes: Ledger) -> Standing {
        let route = "r".parse().expect("valid");
        let key = LedgerKey::route(&route, &TopicPartition::new("t", 0));
        Standing { key, believed, found, becomes }
    }

    #[test]
    fn verdicts() {
        let old = ledger(1, Some(10));
        let new = ledger(1, Some(20));
        let cases = [
            ("nothing happened", false, Some(4), old, "Put { version: 5 }"),
            ("no table yet", false, None, old, "Put { version: 0 }"),
            ("seen in the log", true, Some(5), new, "AlreadyDone"),
            ("seen, then fenced", true, Some(6), ledger(2, Some(20)), "AlreadyDone"),
            ("entry cleaned up, ledger is ours", false, Some(6), new, "AlreadyDone"),
            ("another writer claimed", false, Some(5), ledger(2, Some(10)), "Fenced"),
            (
                "another writer claimed and wrote the same",
                false,
                Some(6),
                ledger(2, Some(20)),
                "Fenced",
            ),
            ("the table was made anew", false, Some(0), ledger(0, None), "Fenced"),
            ("the offset moved under our epoch", false, Some(5), ledger(1, Some(15)), "Moved"),
        ];
        for (case, visible, head, found, expected) in cases {
            let verdict = decide(visible, head, &[standing(old, found, new)]);
            assert!(format!("{verdict:?}").starts_with(expected), "{case}: {verdict:?}");
        }
    }

    #[test]
    fn one_fenced_partition_stops_the_whole_commit() {
        let (old, new) = (ledger(1, Some(10)), ledger(1, Some(20)));
        let standings = [standing(old, old, new), standing(old, ledger(2, Some(10)), new)];
        assert!(matches!(decide(false, Some(1), &standings), Verdict::Fenced { .. }));
    }

    #[test]
    fn a_claim_expects_nothing() {
        assert_eq!(decide(false, Some(7), &[]), Verdict::Put { version: 8 });
        assert_eq!(decide(true, Some(8), &[]), Verdict::AlreadyDone);
    }
}
