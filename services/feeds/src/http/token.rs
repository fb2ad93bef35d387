//! Where a reader is: the text that `since` takes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How long a token is good for: half of how long deleted rows are remembered.
const GOOD_MS: i64 = crate::store::TOMBSTONES_MS / 2;

/// A place in a feed: which copy of the topic, when it was given out, and the next offset of each
/// partition. As text `GENERATION.MILLISECONDS.PARTITION-OFFSET_PARTITION-OFFSET…`; offsets are
/// those of the topic, so that a token of one copy of the service is good for another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Token {
    /// Grows when the topic is created again.
    pub generation: u32,
    /// When it was given out, milliseconds since the Unix epoch.
    pub given_ms: i64,
    /// The next offset of each partition.
    pub next: BTreeMap<i32, i64>,
}

/// Why a token is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was not given out by this API.
    #[error("`since` is no token of this API")]
    NotOne,
    /// The topic was created again, or the token is so old that deletes may be forgotten.
    #[error("the token is too old, or of a topic that was created again: read the feed whole")]
    Gone,
}

impl Token {
    /// Whether changes since then can still be told.
    pub fn check(&self, generation: u32, now_ms: i64) -> Result<(), TokenError> {
        if self.generation != generation || now_ms - self.given_ms > GOOD_MS {
            return Err(TokenError::Gone);
        }
        Ok(())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.", self.generation, self.given_ms)?;
        for (at, (partition, offset)) in self.next.iter().enumerate() {
            let between = if at == 0 { "" } else { "_" };
            write!(f, "{between}{partition}-{offset}")?;
        }
        Ok(())
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(TokenError::NotOne);
        let generation = part()?.parse().map_err(|_| TokenError::NotOne)?;
        let given_ms = part()?.parse().map_err(|_| TokenError::NotOne)?;
        let places = part()?;
        let mut next = BTreeMap::new();
        for place in places.split('_').filter(|_| !places.is_empty()) {
            let (partition, offset) = place.split_once('-').ok_or(TokenError::NotOne)?;
            let partition: u16 = partition.parse().map_err(|_| TokenError::NotOne)?;
            let offset: i64 = offset.parse().map_err(|_| TokenError::NotOne)?;
            if offset < 0 || next.insert(i32::from(partition), offset).is_some() {
                return Err(TokenError::NotOne);
            }
        }
        Ok(Self { generation, given_ms, next })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_comes_back(
            generation in any::<u32>(),
            given_ms in 0_i64..1 << 50,
            next in proptest::collection::btree_map(0_i32..60_000, 0_i64..i64::MAX, 0..5),
        ) {
            let token = Token { generation, given_ms, next };
            prop_assert_eq!(token.to_string().parse(), Ok(token));
        }

        #[test]
        fn no_text_breaks_it(text in "[0-9._-]{0,30}") {
            if let Ok(token) = text.parse::<Token>() {
                prop_assert_eq!(token.to_string().parse(), Ok(token));
            }
        }
    }

    #[test]
    fn old_tokens_and_those_of_another_topic_are_gone() {
        let token = Token { generation: 2, given_ms: 1000, next: BTreeMap::new() };
        assert_eq!(token.check(2, 1000 + GOOD_MS), Ok(()));
        assert_eq!(token.check(2, 1001 + GOOD_MS), Err(TokenError::Gone));
        assert_eq!(token.check(3, 1000), Err(TokenError::Gone));
    }
}
