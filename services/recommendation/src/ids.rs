//! What titles, members and countries are called.

use std::fmt;

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
