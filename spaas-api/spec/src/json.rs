//! JSON text made into the YAML it almost is.

use std::fmt::Write as _;

use serde::de::IgnoredAny;

/// The text as the YAML reader understands it, if it is JSON: tabs between tokens become spaces,
/// pairs of surrogates the character they stand for. It is JSON still.
pub(crate) fn as_yaml(text: &str) -> Option<String> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut quoted = false;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => quoted = !quoted,
            '\t' if !quoted => {
                out.push(' ');
                continue;
            }
            '\\' => {
                rest = escape(rest, &mut out);
                continue;
            }
            // Allowed in JSON text, not in YAML.
            '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{2028}' | '\u{2029}' if quoted => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    Some(out)
}

/// Writes the escape whose back slash has been read; returns what is behind it.
fn escape<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let unit = |text: &str| {
        let digits = text.strip_prefix('u')?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let second = rest.get(5..).and_then(|t| t.strip_prefix('\\')).and_then(unit);
    if let (Some(high), Some(low)) = (unit(rest), second)
        && let Some(Ok(c)) = char::decode_utf16([high, low]).next()
        && u32::from(c) > 0xffff
    {
        out.push(c);
        return &rest[11..];
    }
    out.push('\\');
    let mut chars = rest.chars();
    out.extend(chars.next());
    chars.as_str()
}

/// The JSON value that `text` begins with, cut off behind its end.
pub(crate) fn first_value(text: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return &text[..=index];
                }
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_and_yaml_write_differently_is_rewritten() {
        let text = "{\t\"a\\\"\":\t\"\\ud83d\\ude00\\n\\u00e9\\/\t\"}";
        // A tab within a text is not JSON.
        assert_eq!(as_yaml(text), None);
        let text = text.replace("/\t", "/");
        assert_eq!(as_yaml(&text).as_deref(), Some("{ \"a\\\"\": \"😀\\n\\u00e9\\/\"}"));
        assert_eq!(as_yaml("a: 1"), None);
        assert_eq!(as_yaml("{a: 1}"), None);
    }

    #[test]
    fn a_value_ends_where_its_brackets_do() {
        assert_eq!(first_value("{\"}\\\"\": [{}]}, {}]"), "{\"}\\\"\": [{}]}");
    }
}
