//! Reading the fields of a mapping: required, optional, typed, and nothing unknown.

use std::collections::HashSet;
use std::str::FromStr;
use std::time::Duration;

use saphyr_parser::ScalarStyle;

use super::mistake::{Report, Spot};
use super::quantity::{parse_duration, parse_size};
use super::yaml::{Node, Value};
use crate::suggest;

/// The fields of one mapping, every one of them known.
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    at: Spot,
    what: &'static str,
    entries: Vec<(&'n str, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// Opens a mapping that may hold `known` fields; reports every other one, and doubles.
    pub(crate) fn open(
        node: &'n Node,
        what: &'static str,
        known: &[&str],
        report: &mut Report,
    ) -> Option<Self> {
        let Value::Map(pairs) = &node.value else {
            report.add(
                node.at,
                format!("{what} must be a mapping of fields, not {}", node.kind()),
                format!("fields: {}", known.join(", ")),
            );
            return None;
        };
        let mut entries: Vec<(&str, &Node)> = Vec::new();
        for (key, value) in pairs {
            let Value::Scalar(name, _) = &key.value else {
                report.add(key.at, "a field name must be plain text", "write `name: value`");
                continue;
            };
            if !known.contains(&name.as_str()) {
                let hint = suggest::hint(name, "fields", known.iter().copied());
                report.add(key.at, format!("unknown field `{name}` in {what}"), hint);
            } else if entries.iter().any(|(n, _)| n == name) {
                report.add(key.at, format!("field `{name}` is given twice"), "keep one of them");
            } else {
                entries.push((name, value));
            }
        }
        Some(Self { at: node.at, what, entries })
    }

    /// The field's value, if it is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(n, v)| *n == name && !v.is_null()).map(|(_, v)| *v)
    }

    /// The field's value; reports when it is missing.
    pub(crate) fn need(&self, name: &str, report: &mut Report) -> Option<&'n Node> {
        if let Some(value) = self.get(name) {
            return Some(value);
        }
        if let Some((_, value)) = self.entries.iter().find(|(n, _)| *n == name) {
            report.add(value.at, format!("`{name}` has no value"), "give it one");
        } else {
            let message = format!("{} lacks the field `{name}`", self.what);
            report.add(self.at, message, format!("add `{name}: …`"));
        }
        None
    }

    /// Where the mapping starts.
    pub(crate) fn at(&self) -> Spot {
        self.at
    }
}

impl Node {
    /// What the value is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Scalar(..) if self.is_null() => "nothing",
            Value::Scalar(text, ScalarStyle::Plain) if is_number(text) => "a number",
            Value::Scalar(text, ScalarStyle::Plain) if is_boolean(text) => "true or false",
            Value::Scalar(..) => "text",
        }
    }

    /// The value as text; numbers and Booleans must be quoted to be text.
    pub(crate) fn text(&self, report: &mut Report) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) if self.kind() == "text" => Some(text),
            Value::Scalar(text, _) => {
                let hint = format!("quote it: \"{text}\"");
                report.add(self.at, format!("expected text, found {}", self.kind()), hint);
                None
            }
            _ => {
                report.add(
                    self.at,
                    format!("expected text, found {}", self.kind()),
                    "write one text",
                );
                None
            }
        }
    }

    /// The value as a name or other text that parses.
    pub(crate) fn parsed<T>(&self, report: &mut Report) -> Option<T>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let text = self.text(report)?;
        text.parse().map_err(|e: T::Err| report.add(self.at, e.to_string(), rename(text))).ok()
    }

    /// The value as a whole number within `range`.
    pub(crate) fn integer(
        &self,
        range: std::ops::RangeInclusive<i32>,
        report: &mut Report,
    ) -> Option<i32> {
        let number = match &self.value {
            Value::Scalar(text, ScalarStyle::Plain) => {
                text.parse::<i32>().ok().filter(|n| n.to_string() == *text)
            }
            _ => None,
        };
        let number = number.filter(|n| range.contains(n));
        if number.is_none() {
            let (from, to) = range.into_inner();
            report.add(
                self.at,
                format!("expected a whole number from {from} to {to}, found {}", self.shown()),
                super::mistake::NO_HINT,
            );
        }
        number
    }

    /// The value as `true` or `false`.
    pub(crate) fn boolean(&self, report: &mut Report) -> Option<bool> {
        match &self.value {
            Value::Scalar(text, ScalarStyle::Plain) if is_boolean(text) => Some(text == "true"),
            _ => {
                let message = format!("expected true or false, found {}", self.shown());
                report.add(self.at, message, "write `true` or `false`");
                None
            }
        }
    }

    /// The value as a duration.
    pub(crate) fn duration(&self, report: &mut Report) -> Option<Duration> {
        self.quantity("duration", parse_duration, report)
    }

    /// The value as a number of bytes.
    pub(crate) fn size(&self, report: &mut Report) -> Option<u64> {
        self.quantity("size", parse_size, report)
    }

    fn quantity<T>(
        &self,
        what: &str,
        parse: fn(&str) -> Result<T, String>,
        report: &mut Report,
    ) -> Option<T> {
        let text = match &self.value {
            Value::Scalar(text, _) => text.as_str(),
            _ => "",
        };
        let message = || format!("{} is not a {what}", self.shown());
        parse(text).map_err(|hint| report.add(self.at, message(), hint)).ok()
    }

    /// The value as text that may look like a number or a Boolean.
    pub(crate) fn loose_text(&self, report: &mut Report) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) if !self.is_null() => Some(text),
            _ => self.text(report),
        }
    }

    /// The value as pairs of names and values, each name once.
    pub(crate) fn entries(
        &self,
        what: &'static str,
        report: &mut Report,
    ) -> Option<Vec<(&str, Spot, &Node)>> {
        let Value::Map(pairs) = &self.value else {
            let message = format!("{what} must be a mapping, not {}", self.kind());
            report.add(self.at, message, "write `name: value`");
            return None;
        };
        let mut entries: Vec<(&str, Spot, &Node)> = Vec::with_capacity(pairs.len());
        let mut names = HashSet::with_capacity(pairs.len());
        for (key, value) in pairs {
            let Value::Scalar(name, _) = &key.value else {
                report.add(key.at, "a name must be plain text", "write `name: value`");
                continue;
            };
            if names.insert(name) {
                entries.push((name, key.at, value));
            } else {
                report.add(key.at, format!("`{name}` is given twice"), "keep one of them");
            }
        }
        Some(entries)
    }

    /// The value as a list.
    pub(crate) fn list(&self, report: &mut Report) -> Option<&[Node]> {
        if let Value::List(items) = &self.value {
            return Some(items);
        }
        let message = format!("expected a list, found {}", self.shown());
        report.add(self.at, message, "write `[a, b]`, or one `- item` a line");
        None
    }

    fn shown(&self) -> String {
        match &self.value {
            Value::Scalar(text, _) if !self.is_null() && text.len() <= 40 => format!("`{text}`"),
            _ => self.kind().to_owned(),
        }
    }
}

/// A name that would do, when lower case and underscores are all it takes.
pub(crate) fn rename(name: &str) -> Option<String> {
    let better: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' })
        .collect::<String>()
        .to_ascii_lowercase();
    let fits = better.parse::<millrace_events::StreamName>().is_ok();
    (fits && better != name).then(|| format!("`{better}` would do"))
}

fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "false")
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.parse::<f64>().is_ok()
}
