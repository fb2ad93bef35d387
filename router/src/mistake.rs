//! A mistake in a route's SQL: what, where, and what to write instead.

use std::fmt;

use datafusion::error::DataFusionError;

/// What is wrong with a piece of SQL. Lines and columns count from 1 within that piece.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SqlMistake {
    /// Line, or 1 when the place is unknown.
    pub line: usize,
    /// Column in characters, or 1 when the place is unknown.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for SqlMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl SqlMistake {
    /// A mistake of the piece as a whole.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { line: 1, column: 1, message: message.into(), hint: None }
    }

    /// Adds what to write instead.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A mistake at the first place where `text` stands in `sql`, whatever its case.
    pub(crate) fn at_text(sql: &str, text: &str, message: impl Into<String>) -> Self {
        let mut mistake = Self::new(message);
        if let Some(at) = sql.to_lowercase().find(&text.to_lowercase()) {
            let before = sql.get(..at).unwrap_or_default();
            mistake.line = before.matches('\n').count() + 1;
            mistake.column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        }
        mistake
    }

    /// Reads the place out of a DataFusion error. `skip_lines` lines were put before `sql`.
    pub(crate) fn from_datafusion(sql: &str, error: &DataFusionError, skip_lines: usize) -> Self {
        let text = error.strip_backtrace();
        if let Some(diagnostic) = error.diagnostic() {
            let mut mistake = Self::new(&diagnostic.message);
            if let Some(span) = diagnostic.span {
                mistake.line =
                    usize::try_from(span.start.line).unwrap_or(1).saturating_sub(skip_lines);
                mistake.column = usize::try_from(span.start.column).unwrap_or(1);
            }
            mistake.hint = did_you_mean(&text);
            return mistake;
        }
        if let Some((message, line, column)) = parser_position(&text) {
            let message = message.trim_start_matches("SQL error: ParserError(\"").to_owned();
            return Self {
                line: line.saturating_sub(skip_lines).max(1),
                column,
                message,
                hint: None,
            };
        }
        if let Some(name) = text.strip_prefix("Schema error: No field named ") {
            let name = name.split(['.', ' ']).next().unwrap_or_default().trim_matches('"');
            let mistake = Self::at_text(sql, name, format!("there is no column `{name}`"));
            return Self { hint: did_you_mean(&text), ..mistake };
        }
        Self::new(text)
    }
}

fn did_you_mean(text: &str) -> Option<String> {
    let known = text.split("Valid fields are ").nth(1)?;
    Some(format!("columns are {}", known.trim_end_matches('.')))
}

/// `… at Line: 1, Column: 5` at the end of a parser error.
fn parser_position(text: &str) -> Option<(&str, usize, usize)> {
    let (message, place) = text.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let digits =
        |s: &str| s.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    Some((message, digits(line)?, digits(column)?))
}
