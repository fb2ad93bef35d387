//! Headers that go with every request; they can hold secrets and are never shown.

use std::fmt;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::SinkError;

/// Shown in place of what must not be.
const HIDDEN: &str = "…";
/// A shorter part of a value, `Basic` or so, is no secret by itself.
const SHORTEST_SECRET: usize = 8;

/// Headers of every request. `Debug` shows their names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HttpHeaders(HeaderMap);

impl HttpHeaders {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, in place of an earlier one of that name. The error names the header and does not
    /// repeat the value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SinkError> {
        let rejected = |why: &str| SinkError::Rejected { what: format!("header `{name}`: {why}") };
        let key = HeaderName::try_from(name).map_err(|_| rejected("not the name of a header"))?;
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| rejected("its value has characters that cannot be sent"))?;
        value.set_sensitive(true);
        self.0.insert(key, value);
        Ok(())
    }

    /// As the client takes them.
    pub(super) fn map(&self) -> HeaderMap {
        self.0.clone()
    }

    /// `text` without their values: a server may repeat in its answer what it was sent.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut values: Vec<&str> = self.0.values().filter_map(|v| v.to_str().ok()).collect();
        let parts: Vec<&str> = values.iter().flat_map(|v| v.split_whitespace()).collect();
        values.extend(parts.into_iter().filter(|part| part.len() >= SHORTEST_SECRET));
        values.retain(|value| !value.is_empty());
        // The whole before its parts.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.iter().fold(text.to_owned(), |text, value| text.replace(value, HIDDEN))
    }
}

impl fmt::Debug for HttpHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_no_text() {
        let mut headers = HttpHeaders::new();
        headers.set("Authorization", "Bearer hunter2hunter2").expect("can be sent");
        headers.set("x-team", "films").expect("can be sent");
        assert_eq!(format!("{headers:?}"), r#"{"authorization", "x-team"}"#);
        let echo = "no Bearer hunter2hunter2, nor hunter2hunter2 of films";
        assert_eq!(headers.redact(echo), "no …, nor … of …");
        let error = headers.set("x-a", "hunter3\n").expect_err("a line end").to_string();
        assert!(error.contains("x-a") && !error.contains("hunter3"), "{error}");
        assert!(headers.set("a b", "c").is_err());
    }
}
