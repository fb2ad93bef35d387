//! What titles, members and countries are called.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TitleId(pub i64);

/// A member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(pub i64);

/// Code of a country, at most four ASCII letters or digits; `*` stands for the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Country([u8; 4]);

impl Country {
    /// All countries together.
    pub const WORLD: Self = Self([0; 4]);

    /// Parses a code; case does not matter.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::WORLD);
        }
        let fits = text.len() <= 4 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        let mut code = [0; 4];
        for (to, from) in code.iter_mut().zip(text.bytes()) {
            *to = from.to_ascii_uppercase();
        }
        fits.then_some(Self(code))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        if *self == Self::WORLD {
            return "*";
        }
        let length = self.0.iter().position(|b| *b == 0).unwrap_or(4);
        std::str::from_utf8(&self.0[..length]).expect("made of ASCII")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Country {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("no code of a country"))
    }
}

/// A map by ids.
pub(crate) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;
/// A set of ids.
pub(crate) type IdSet<K> = HashSet<K, BuildHasherDefault<IdHasher>>;

/// Hashes ids by a multiplication and a fold: a page asks for hundreds. Who could choose ids to
/// make them collide could as well choose how many there are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct IdHasher(u64);

impl IdHasher {
    fn add(&mut self, part: u64) {
        let product = u128::from(self.0 ^ part) * 0x9E37_79B9_7F4A_7C15;
        #[expect(clippy::cast_possible_truncation, reason = "both halves are folded together")]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        self.0 = folded;
    }
}

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_i64(&mut self, part: i64) {
        self.add(part.cast_unsigned());
    }

    fn write_usize(&mut self, part: usize) {
        self.add(part as u64);
    }
}
