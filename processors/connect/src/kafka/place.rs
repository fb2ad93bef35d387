//! Where to go on in a partition, as a checkpoint keeps it: `17`, or `17..100` if it ends there.

use std::fmt;
use std::str::FromStr;

use millrace_events::{Offset, TopicPartition};
use millrace_processors::connector::{Position, SplitId};

/// A position in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// First offset not read.
    pub(crate) next: Offset,
    /// First offset not to be read, if the run is bounded. Kept with the position, so that a run
    /// that restarts ends where it would have ended.
    pub(crate) end: Option<Offset>,
}

impl Place {
    /// Whether nothing is left to read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            Some(end) => write!(f, "{}..{end}", self.next),
            None => write!(f, "{}", self.next),
        }
    }
}

impl FromStr for Place {
    type Err = std::num::ParseIntError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (next, end) = match s.split_once("..") {
            Some((next, end)) => (next, Some(Offset(end.parse()?))),
            None => (s, None),
        };
        Ok(Self { next: Offset(next.parse()?), end })
    }
}

/// A position as the offset of a partition; `None` if it is one of another kind of source.
pub(crate) fn offset((split, position): &(SplitId, Position)) -> Option<(TopicPartition, Offset)> {
    let (topic, partition) = split.0.rsplit_once('/')?;
    let place: Place = position.0.parse().ok()?;
    Some((TopicPartition::new(topic, partition.parse().ok()?), place.next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_the_checkpoint() {
        for (text, end) in [("17", None), ("17..100", Some(Offset(100)))] {
            let place = Place { next: Offset(17), end };
            assert_eq!(text.parse(), Ok(place));
            assert_eq!(place.to_string(), text);
        }
        for wrong in ["", "..", "1..", "x", "1..2..3"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_knows_the_end() {
        for (text, at_end) in [("5", false), ("5..6", false), ("6..6", true), ("0..0", true)] {
            assert_eq!(text.parse::<Place>().expect(text).is_at_end(), at_end, "{text}");
        }
    }
}
