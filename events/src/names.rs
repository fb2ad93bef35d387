//! Names that become topics and paths, validated once at the door.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a valid {what} name: {why}")]
pub struct NameError {
    what: &'static str,
    name: String,
    why: &'static str,
}

const MAX_LEN: usize = 100;

fn check_part(what: &'static str, name: &str, extra: &str) -> Result<(), NameError> {
    let fail = |why| Err(NameError { what, name: name.to_owned(), why });
    let mut chars = name.chars();
    match chars.next() {
        None => return fail("it is empty"),
        Some(c) if !c.is_ascii_lowercase() && c != '_' => {
            return fail("it must start with a lower-case letter or `_`");
        }
        Some(_) => {}
    }
    if name.len() > MAX_LEN {
        return fail("it is longer than 100 characters");
    }
    if chars.any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || extra.contains(c))) {
        return fail("use only lower-case letters, digits, `_` (and `-` outside tables)");
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $ty:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $ty(Arc<str>);

        impl $ty {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $ty {
            type Err = NameError;
            fn from_str(s: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> Result<(), NameError> = $check;
                check(s)?;
                Ok(Self(s.into()))
            }
        }

        impl TryFrom<String> for $ty {
            type Error = NameError;
            fn try_from(s: String) -> Result<Self, NameError> {
                s.parse()
            }
        }

        impl From<$ty> for String {
            fn from(n: $ty) -> Self {
                n.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Name of a stream: lower-case letters, digits, `_`, `-`; at most 100 characters.
    StreamName,
    "stream",
    |s| check_part("stream", s, "_-")
);
name!(
    /// Name of a route: lower-case letters, digits, `_`, `-`; at most 100 characters.
    RouteName,
    "route",
    |s| check_part("route", s, "_-")
);
name!(
    /// Name of a table: one part (`dead_letters`) or two (`raw.playback`: schema and table).
    TableName,
    "table",
    |s| {
        let parts: Vec<_> = s.split('.').collect();
        if parts.len() > 2 {
            return Err(NameError {
                what: "table",
                name: s.to_owned(),
                why: "write `table` or `schema.table`",
            });
        }
        parts.into_iter().try_for_each(|p| check_part("table", p, "_"))
    }
);

impl TableName {
    /// Schema and table; a one-part name is in schema `public`.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once('.').unwrap_or(("public", &self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_folder_are_refused() {
        for bad in ["", "..", "a/b", "../x", "A", "a b", "a.b.c", "a..b", "-a", "a\0", "é"] {
            assert!(bad.parse::<TableName>().is_err(), "{bad:?}");
            assert!(bad.parse::<StreamName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ordinary_names_pass() {
        assert_eq!(
            "raw.playback".parse::<TableName>().expect("valid").parts(),
            ("raw", "playback")
        );
        assert_eq!("audit".parse::<TableName>().expect("valid").parts(), ("public", "audit"));
        assert!("play-back_2".parse::<StreamName>().is_ok());
    }
}
