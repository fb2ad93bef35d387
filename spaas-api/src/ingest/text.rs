//! Pieces of JSON read without copying: texts that borrow unless escaped, scalars, the place of an
//! error.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A JSON string, borrowed from the input unless it holds escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E: Error>(self, s: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(s)))
            }
            fn visit_str<E: Error>(self, s: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(s.to_owned())))
            }
        }
        from.deserialize_str(TextVisitor)
    }
}

/// The value of a CloudEvents attribute in its text form; `None` is JSON null, which means absent.
#[derive(Debug)]
pub(super) struct Scalar<'a>(pub(super) Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a whole number or a boolean")
            }
            fn visit_borrowed_str<E: Error>(self, s: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar(Some(Cow::Borrowed(s))))
            }
            fn visit_str<E: Error>(self, s: &str) -> Result<Self::Value, E> {
                Ok(Scalar(Some(Cow::Owned(s.to_owned()))))
            }
            fn visit_bool<E: Error>(self, b: bool) -> Result<Self::Value, E> {
                Ok(Scalar(Some(Cow::Borrowed(if b { "true" } else { "false" }))))
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Self::Value, E> {
                Ok(Scalar(Some(Cow::Owned(n.to_string()))))
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Self::Value, E> {
                Ok(Scalar(Some(Cow::Owned(n.to_string()))))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Scalar(None))
            }
        }
        from.deserialize_any(ScalarVisitor)
    }
}

/// What is wrong with a text, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    /// Line and column in the text, counted from 1; `None` is the text as a whole.
    pub(super) place: Option<(usize, usize)>,
}

/// Longest message shown; parsers quote their input, which can be of any length.
const MAX_MESSAGE: usize = 300;

impl Fault {
    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None }
    }

    pub(super) fn json(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let mut message = error.to_string();
        if let Some(text) = message.strip_suffix(&format!(" at line {line} column {column}")) {
            message.truncate(text.len());
        }
        if let Some((cut, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.truncate(cut);
            message.push('…');
        }
        Self { message, place: (line > 0).then_some((line, column.max(1))) }
    }
}

/// Turns byte offsets into lines and columns, reading the body once however many are asked for.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, line: 1, line_start: 0 }
    }

    /// Line and column of the first byte of `part`, a slice of the body, or of `place` inside it.
    /// Parts come in ascending order; an earlier one is placed at the later one's line.
    pub(super) fn locate(&mut self, part: &[u8], place: Option<(usize, usize)>) -> (usize, usize) {
        let offset = offset_in(self.body, part);
        for (i, _) in self.body[self.at.min(offset)..offset]
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
        {
            self.line += 1;
            self.line_start = self.at + i + 1;
        }
        self.at = self.at.max(offset);
        let start = (self.line, self.at - self.line_start + 1);
        match place {
            None => start,
            Some((1, column)) => (start.0, start.1 + column - 1),
            Some((line, column)) => (start.0 + line - 1, column),
        }
    }
}

/// Where `part`, a slice of `whole`, begins in it.
pub(super) fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    let offset = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    debug_assert!(offset + part.len() <= whole.len(), "a part of another text");
    offset.min(whole.len())
}

/// Whether nesting in `json`, a valid JSON text, stays within `max` levels.
pub(super) fn depth_within(json: &str, max: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_inside_texts_do_not_nest() {
        assert!(depth_within(r#"{"a":"[[[[\"[[["}"#, 1));
        assert!(depth_within("[[],[],[[]]]", 3));
        assert!(!depth_within("[[],[],[[]]]", 2));
    }

    #[test]
    fn a_place_inside_a_part_is_found_in_the_whole() {
        let body = b"[\n  {\"a\": 1},\n  {\"b\":\n 2}]";
        let mut cursor = Cursor::new(body);
        assert_eq!(cursor.locate(&body[4..12], None), (2, 3));
        assert_eq!(cursor.locate(&body[16..], Some((1, 4))), (3, 6));
        assert_eq!(cursor.locate(&body[16..], Some((2, 2))), (4, 2));
    }
}
