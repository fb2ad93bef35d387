//! A cursor over the text of one JSON value (RFC 8259): takes tokens, checks grammar, builds
//! nothing.

use std::borrow::Cow;
use std::fmt;

/// Objects and arrays may be nested this deep; one bit each in [`Scan::skip`].
const MAX_DEPTH: u32 = 64;

/// Where the text stops being JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadJson {
    at: usize,
    expected: &'static str,
}

impl fmt::Display for BadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not valid JSON at byte {}: expected {}", self.at, self.expected)
    }
}

/// A number as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number<'a> {
    pub(super) text: &'a str,
    /// Neither fraction nor exponent.
    pub(super) integer: bool,
}

/// The cursor. `at` is always on a character boundary: it moves over ASCII bytes and whole strings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes before the cursor.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The text from `from` to the cursor.
    pub(super) fn since(&self, from: usize) -> &'a str {
        &self.text[from..self.at]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes `byte` if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        self.at += usize::from(hit);
        hit
    }

    /// Takes `token` if the text goes on with it; `token` must be whole characters.
    pub(super) fn take_all(&mut self, token: &str) -> bool {
        let hit = self.text.as_bytes()[self.at..].starts_with(token.as_bytes());
        self.at += if hit { token.len() } else { 0 };
        hit
    }

    pub(super) fn bad<T>(&self, expected: &'static str) -> Result<T, BadJson> {
        Err(BadJson { at: self.at, expected })
    }

    /// Takes `byte`, which must be next.
    pub(super) fn need(&mut self, byte: u8, expected: &'static str) -> Result<(), BadJson> {
        if self.take(byte) { Ok(()) } else { self.bad(expected) }
    }

    /// Takes a string with its quotes and gives it with escapes resolved.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, BadJson> {
        self.need(b'"', "a string")?;
        let start = self.at;
        self.at = self.special(start);
        if self.take(b'"') {
            return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
        }
        let mut out = String::from(&self.text[start..self.at]);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return self.bad("an escaped control character"),
                None => return self.bad("the end of a string"),
            }
            let plain = self.at;
            self.at = self.special(plain);
            out.push_str(&self.text[plain..self.at]);
        }
    }

    /// Position of the first quote, backslash or control character from `from` on, eight bytes at a
    /// time: strings are most of an event, and this is what their length costs.
    fn special(&self, from: usize) -> usize {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let zero_bytes = |x: u64| x.wrapping_sub(ONES) & !x;
        let bytes = self.text.as_bytes();
        let mut at = from;
        while let Some(chunk) = bytes[at..].first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let quote = zero_bytes(word ^ (ONES * u64::from(b'"')));
            let backslash = zero_bytes(word ^ (ONES * u64::from(b'\\')));
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            // Borrows can mark a byte wrongly only above one that is marked rightly.
            let marks = (quote | backslash | control) & HIGH;
            if marks != 0 {
                return at + (marks.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        let rest = bytes[at..].iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20));
        rest.map_or(bytes.len(), |i| at + i)
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, BadJson> {
        let c = match self.peek() {
            Some(b @ (b'"' | b'\\' | b'/')) => char::from(b),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return self.bad("an escape: one of \"\\/bfnrtu"),
        };
        self.at += 1;
        Ok(c)
    }

    /// The digits of `\uXXXX`, and of the second half of a surrogate pair.
    fn unicode(&mut self) -> Result<char, BadJson> {
        let first = self.hex4()?;
        if !(0xD800..0xE000).contains(&first) {
            return char::from_u32(first).map_or_else(|| self.bad("a character"), Ok);
        }
        if first >= 0xDC00 || !self.take_all("\\u") {
            return self.bad("a surrogate pair");
        }
        let second = self.hex4()?;
        if !(0xDC00..0xE000).contains(&second) {
            return self.bad("the second half of a surrogate pair");
        }
        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        char::from_u32(code).map_or_else(|| self.bad("a character"), Ok)
    }

    fn hex4(&mut self) -> Result<u32, BadJson> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|b| char::from(b).to_digit(16)) else {
                return self.bad("four hexadecimal digits");
            };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }

    /// Takes an integer of up to 18 digits, the common case; `None` moves nothing.
    pub(super) fn small_integer(&mut self) -> Option<i64> {
        let bytes = &self.text.as_bytes()[self.at..];
        let negative = bytes.first() == Some(&b'-');
        let start = usize::from(negative);
        let mut value = 0_i64;
        let mut end = start;
        while let Some(digit) = bytes.get(end).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
            if end - start == 18 {
                return None;
            }
            value = value * 10 + i64::from(digit);
            end += 1;
        }
        let leading_zero = end - start > 1 && bytes[start] == b'0';
        if end == start || leading_zero || matches!(bytes.get(end), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.at += end;
        Some(if negative { -value } else { value })
    }

    /// Takes a number.
    pub(super) fn number(&mut self) -> Result<Number<'a>, BadJson> {
        let start = self.at;
        let mut integer = true;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            integer = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            integer = false;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(Number { text: self.since(start), integer })
    }

    fn digits(&mut self) -> Result<(), BadJson> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.bad("a digit") } else { Ok(()) }
    }

    /// Passes over any value, checking its grammar. Iterative, so that nesting cannot exhaust the
    /// stack.
    pub(super) fn skip(&mut self) -> Result<(), BadJson> {
        // Bit 0 is the innermost open bracket: 1 for an object.
        let (mut objects, mut depth) = (0_u64, 0_u32);
        loop {
            self.whitespace();
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == MAX_DEPTH {
                        return self.bad("at most 64 nested objects and arrays");
                    }
                    self.at += 1;
                    self.whitespace();
                    let object = open == b'{';
                    if !self.take(if object { b'}' } else { b']' }) {
                        objects = objects << 1 | u64::from(object);
                        depth += 1;
                        if object {
                            self.skip_key()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => self.skip_string()?,
                Some(b'-' | b'0'..=b'9') => {
                    self.number()?;
                }
                _ if self.take_all("null") || self.take_all("true") || self.take_all("false") => {}
                _ => return self.bad("a value"),
            }
            loop {
                if depth == 0 {
                    return Ok(());
                }
                self.whitespace();
                let object = objects & 1 == 1;
                if self.take(b',') {
                    if object {
                        self.whitespace();
                        self.skip_key()?;
                    }
                    break;
                }
                let (close, expected) =
                    if object { (b'}', "`,` or `}`") } else { (b']', "`,` or `]`") };
                self.need(close, expected)?;
                objects >>= 1;
                depth -= 1;
            }
        }
    }

    fn skip_key(&mut self) -> Result<(), BadJson> {
        if self.peek() != Some(b'"') {
            return self.bad("a key in double quotes");
        }
        self.skip_string()?;
        self.whitespace();
        self.need(b':', "`:` after a key")
    }

    /// Passes over a string; only one with escapes is looked at twice.
    fn skip_string(&mut self) -> Result<(), BadJson> {
        self.string().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(text: &str) -> bool {
        let mut scan = Scan::new(text);
        scan.skip().is_ok() && {
            scan.whitespace();
            scan.peek().is_none()
        }
    }

    #[test]
    fn grammar_is_that_of_rfc_8259() {
        for good in [
            "0",
            "-0.5e+3",
            " [ ] ",
            "{\"a\":[1,{\"b\":null}],\"c\":\"\\ud83d\\ude00\"}",
            "\"é\u{7f}\"",
        ] {
            assert!(accepts(good), "{good}");
        }
        for bad in [
            "",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "-",
            "[1,]",
            "[1 2]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "\"\\x\"",
            "\"\\ud83d\"",
            "\"\\udc00\"",
            "\"\n\"",
            "nul",
            "[}",
            "{]",
            "\"",
            "{\"a\":1",
            "NaN",
        ] {
            assert!(!accepts(bad), "{bad}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(accepts(&nested(64)));
        assert!(!accepts(&nested(65)));
        assert!(!accepts(&"[".repeat(1_000_000)));
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_near_json(text in r#"[\[\]{}",:0-9eE.+\-a-t\\ é\n]{0,24}"#) {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            prop_assert_eq!(accepts(&text), theirs.is_ok());
        }

        #[test]
        fn strings_round_trip(text in any::<String>()) {
            let json = serde_json::to_string(&text).expect("strings serialise");
            prop_assert_eq!(Scan::new(&json).string().expect("valid"), text);
        }

        #[test]
        fn small_integers_are_read_whole_or_left(text in "-?[0-9]{1,20}[.e,}]?") {
            let mut scan = Scan::new(&text);
            let fast = scan.small_integer();
            let whole = Scan::new(&text).number();
            if let Some(fast) = fast {
                let number = whole.expect("a number");
                prop_assert!(number.integer);
                prop_assert_eq!(number.text.parse::<i64>().expect("fits"), fast);
                prop_assert_eq!(scan.at(), number.text.len());
            } else {
                prop_assert_eq!(scan.at(), 0);
            }
        }
    }
}
