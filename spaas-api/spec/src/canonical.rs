//! One form for every spec, so that two can be compared and shown.

use std::fmt::Write as _;

use saphyr_parser::ScalarStyle;
use serde_json::{Map, Number, Value as Json};

use super::yaml::{Node, Value};

/// The value with the keys of every mapping sorted and fields without a value left out.
pub fn canonical(value: &Json) -> Json {
    match value {
        Json::Object(fields) => {
            let mut pairs: Vec<_> = fields.iter().filter(|(_, v)| !v.is_null()).collect();
            pairs.sort_by_key(|(name, _)| *name);
            let pairs = pairs.into_iter().map(|(name, v)| (name.clone(), canonical(v)));
            Json::Object(pairs.collect::<Map<_, _>>())
        }
        Json::Array(items) => items.iter().map(canonical).collect(),
        other => other.clone(),
    }
}

/// What a node says, in canonical form. What JSON cannot say the same way stays text.
pub(crate) fn json_of(node: &Node) -> Json {
    match &node.value {
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Map(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().filter(|(_, v)| !v.is_null()).collect();
            pairs.sort_by_key(|(key, _)| key_text(key));
            let pairs = pairs.into_iter().map(|(key, v)| (key_text(key).to_owned(), json_of(v)));
            Json::Object(pairs.collect::<Map<_, _>>())
        }
        Value::Scalar(..) if node.is_null() => Json::Null,
        Value::Scalar(text, ScalarStyle::Plain) => plain(text, node.kind()),
        Value::Scalar(text, _) => Json::String(text.clone()),
    }
}

fn key_text(key: &Node) -> &str {
    match &key.value {
        Value::Scalar(text, _) => text,
        _ => "",
    }
}

fn plain(text: &str, kind: &str) -> Json {
    let number = || {
        let whole = text.parse::<i64>().ok().map(Number::from);
        let number = whole.or_else(|| Number::from_f64(text.parse().ok()?))?;
        // `007` and `1.50` are more than numbers where text is wanted.
        (number.to_string() == text).then_some(number)
    };
    match kind {
        "true or false" => Json::Bool(text == "true"),
        "a number" => number().map_or_else(|| Json::String(text.to_owned()), Json::Number),
        _ => Json::String(text.to_owned()),
    }
}

/// Canonical JSON text, indented.
///
/// # Panics
/// Never: a JSON value can be written as JSON.
pub fn to_json(value: &Json) -> String {
    let mut text = serde_json::to_string_pretty(&canonical(value)).expect("JSON is JSON");
    text.push('\n');
    text
}

/// Canonical YAML text: block style, texts of several lines as blocks, keys sorted. Reading it
/// gives the same value again.
pub fn to_yaml(value: &Json) -> String {
    let mut out = String::new();
    match canonical(value) {
        Json::Object(fields) if !fields.is_empty() => write_map(&fields, 0, &mut out),
        Json::Array(items) if !items.is_empty() => write_list(&items, 0, &mut out),
        other => {
            write_scalar(&other, 0, &mut out);
        }
    }
    out
}

fn write_map(fields: &Map<String, Json>, indent: usize, out: &mut String) {
    for (index, (name, value)) in fields.iter().enumerate() {
        // The first key of a mapping in a list stands behind the dash.
        if index > 0 || !out.ends_with("- ") {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&quoted_if_needed(name));
        out.push(':');
        write_value(value, indent, out);
    }
}

fn write_value(value: &Json, indent: usize, out: &mut String) {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            write_map(fields, indent + 2, out);
        }
        Json::Array(items) if !items.is_empty() => {
            out.push('\n');
            write_list(items, indent + 2, out);
        }
        other => {
            out.push(' ');
            write_scalar(other, indent + 2, out);
        }
    }
}

fn write_list(items: &[Json], indent: usize, out: &mut String) {
    for item in items {
        out.push_str(&" ".repeat(indent));
        out.push('-');
        match item {
            Json::Object(fields) if !fields.is_empty() => {
                out.push(' ');
                write_map(fields, indent + 2, out);
            }
            other => write_value(other, indent, out),
        }
    }
}

fn write_scalar(value: &Json, indent: usize, out: &mut String) {
    match value {
        Json::String(text) if fits_block(text) => write_block(text, indent.max(2), out),
        Json::String(text) => {
            let _ = writeln!(out, "{}", quoted_if_needed(text));
        }
        other => {
            let _ = writeln!(out, "{other}");
        }
    }
}

/// Whether the text reads back unchanged from a literal block.
fn fits_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.starts_with([' ', '\n'])
        && !body.ends_with('\n')
        && body
            .lines()
            .all(|line| !line.ends_with(' ') && !line.trim().is_empty() || line.is_empty())
        && body.chars().all(|c| c == '\n' || is_printable(c))
}

fn write_block(text: &str, indent: usize, out: &mut String) {
    out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
        out.push('\n');
    }
}

fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// The text as it is where nothing could take it for something else, else in quotes.
fn quoted_if_needed(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}
