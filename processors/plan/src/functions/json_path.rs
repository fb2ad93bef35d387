//! SQL/JSON paths of members and elements (`$.a['b'][0]`), followed without building the document.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(usize),
}

/// A path, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    /// Reads a path; the error says what is not supported.
    pub(super) fn parse(path: &str) -> Result<Self, String> {
        let wrong = || format!("'{path}' is not a JSON path supported here: write '$.a.b[0]'");
        let trimmed = path.trim();
        let trimmed = trimmed.strip_prefix("lax ").or(trimmed.strip_prefix("strict "));
        let mut rest = trimmed.unwrap_or(path).trim().strip_prefix('$').ok_or_else(wrong)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let length = after.find(['.', '[']).unwrap_or(after.len());
                let (name, after) = after.split_at(length);
                if name.is_empty() || name == "*" {
                    return Err(wrong());
                }
                steps.push(Step::Member(name.trim_matches('"').to_owned()));
                rest = after;
            } else if let Some(after) = rest.strip_prefix("['") {
                let (name, after) = after.split_once("']").ok_or_else(wrong)?;
                steps.push(Step::Member(name.to_owned()));
                rest = after;
            } else if let Some(after) = rest.strip_prefix('[') {
                let (index, after) = after.split_once(']').ok_or_else(wrong)?;
                steps.push(Step::Element(index.trim().parse().map_err(|_| wrong())?));
                rest = after;
            } else {
                return Err(wrong());
            }
        }
        Ok(Self(steps))
    }

    /// What the path leads to: `Err` for a text that is not JSON, `Ok(None)` when there is nothing.
    pub(super) fn find<'j>(&self, json: &'j str) -> Result<Option<&'j RawValue>, ()> {
        let mut value: &'j RawValue = serde_json::from_str(json).map_err(|_| ())?;
        for step in &self.0 {
            let mut inner = serde_json::Deserializer::from_str(value.get());
            let found = match (step, value.get().as_bytes().first()) {
                (Step::Member(name), Some(b'{')) => Member(name).deserialize(&mut inner),
                (Step::Element(index), Some(b'[')) => Element(*index).deserialize(&mut inner),
                _ => return Ok(None),
            };
            match found.map_err(|_| ())? {
                Some(found) => value = found,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }
}

/// Picks one member of an object; the last of equal names.
struct Member<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(Equals(self.0))? {
            if is_it {
                found = Some(map.next_value::<&RawValue>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a key is this one.
struct Equals<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Equals<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<bool, D::Error> {
        input.deserialize_str(self)
    }
}

impl Visitor<'_> for Equals<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// Picks one element of an array.
struct Element(usize);

impl<'de> DeserializeSeed<'de> for Element {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Element {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut index) = (None, 0);
        while let Some(element) = seq.next_element::<&RawValue>()? {
            if index == self.0 {
                found = Some(element);
            }
            index += 1;
        }
        Ok(found)
    }
}
