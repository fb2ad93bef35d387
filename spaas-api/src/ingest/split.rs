//! A body cut into the texts of its events, none of them copied.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::text::Fault;

/// Why a body has no events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SplitError {
    /// It holds more events than allowed.
    TooMany,
    /// It is not what it should be.
    Malformed(Fault),
}

/// The lines that are not blank.
pub(super) fn lines(body: &[u8], max: usize) -> Result<Vec<&[u8]>, SplitError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let lines = body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let mut taken = Vec::new();
    for line in lines {
        if taken.len() == max {
            return Err(SplitError::TooMany);
        }
        taken.push(line);
    }
    Ok(taken)
}

/// The elements of a list, or the one event if the body is not a list and `or_one`.
pub(super) fn list(body: &[u8], max: usize, or_one: bool) -> Result<Vec<&[u8]>, SplitError> {
    let malformed = |message: String| Err(SplitError::Malformed(Fault::whole(message)));
    let text = match std::str::from_utf8(body) {
        Ok(text) => text.trim_ascii_start(),
        Err(error) => return malformed(format!("not UTF-8 from byte {} on", error.valid_up_to())),
    };
    if !text.starts_with('[') {
        return if or_one {
            Ok(vec![body.trim_ascii()])
        } else {
            malformed("a batch must be a JSON list".to_owned())
        };
    }
    let mut too_many = false;
    let mut json = serde_json::Deserializer::from_str(text);
    Elements { max, too_many: &mut too_many }
        .deserialize(&mut json)
        .and_then(|elements| json.end().map(|()| elements))
        .map_err(|error| {
            if too_many { SplitError::TooMany } else { SplitError::Malformed(Fault::json(&error)) }
        })
}

struct Elements<'a> {
    max: usize,
    too_many: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = Vec<&'de [u8]>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = Vec<&'de [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element::<&'de RawValue>()? {
            if elements.len() == self.max {
                *self.too_many = true;
                return Err(A::Error::custom("too many"));
            }
            elements.push(element.get().as_bytes());
        }
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_be_blank_end_in_crlf_and_begin_with_a_mark() {
        let body = b"\xEF\xBB\xBF{}\r\n\n  [] \n";
        assert_eq!(lines(body, 2), Ok(vec![&b"{}"[..], b"[]"]));
        assert_eq!(lines(body, 1), Err(SplitError::TooMany));
        assert_eq!(lines(b"", 0), Ok(vec![]));
    }

    #[test]
    fn lists_are_bounded_and_must_be_whole() {
        assert_eq!(list(b" [ {} , 1] ", 2, true), Ok(vec![&b"{}"[..], b"1"]));
        assert_eq!(list(b"[1,2,3", 2, true), Err(SplitError::TooMany));
        assert_eq!(list(b" {} ", 2, true), Ok(vec![&b"{}"[..]]));
        for bad in [&b"{}"[..], b"[1", b"[1] 2", b"[\"\xff\"]", b"[1,]"] {
            assert!(matches!(list(bad, 9, false), Err(SplitError::Malformed(_))), "{bad:?}");
        }
    }
}
