//! Where reading a feed starts, decided from what was read and what the topic holds.

use std::collections::BTreeMap;

use millrace_events::Offset;

/// First offset held and the offset the next record will get.
pub(super) type Ends = (Offset, Offset);

/// What to do about a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Start {
    /// Go on at the places.
    GoOn,
    /// Read the topic from its start.
    Again(&'static str),
}

/// Judges the places of those partitions that `stand` still: the ends of the others may be older
/// than what was read since.
pub(super) fn decide(
    next: &BTreeMap<i32, i64>,
    ends: &[Ends],
    stand: impl Fn(i32) -> bool,
) -> Start {
    for (&partition, &next) in next.iter().filter(|(p, _)| stand(**p)) {
        let held = usize::try_from(partition).ok().and_then(|p| ends.get(p));
        match held {
            None => return Start::Again("it has fewer partitions than it had"),
            Some((_, high)) if next > high.0 => {
                return Start::Again("it ends before what was read of it");
            }
            // Between, rows may have been deleted.
            Some((low, _)) if next < low.0 => {
                return Start::Again("it no longer holds what comes next");
            }
            Some(_) => {}
        }
    }
    Start::GoOn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_another_one_is_read_again() {
        let ends = [(Offset(0), Offset(5)), (Offset(3), Offset(9))];
        let cases: [(&[(i32, i64)], bool); 7] = [
            (&[], true),
            (&[(0, 5), (1, 9)], true),
            (&[(0, 0), (1, 3)], true),
            (&[(0, 6)], false),
            (&[(1, 2)], false),
            (&[(2, 1)], false),
            (&[(0, 5), (1, 10)], false),
        ];
        for (next, goes_on) in cases {
            let next = next.iter().copied().collect();
            assert_eq!(decide(&next, &ends, |_| true) == Start::GoOn, goes_on, "{next:?}");
            let moving = decide(&next, &ends, |_| false);
            assert_eq!(moving, Start::GoOn, "partitions that are read are judged by the reader");
        }
    }
}
