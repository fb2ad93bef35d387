//! What is wrong with a job's SQL, where, and what to write instead.

use std::fmt;

/// A mistake in SQL. `Display` is the message with its place, the line of the text, the offending
/// part underlined, and the cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters underlined, at least 1.
    pub width: usize,
    /// The whole line of the text.
    pub source_line: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl SqlError {
    /// A mistake at byte range `at` of `text`.
    pub fn at(text: &str, at: std::ops::Range<usize>, message: impl Into<String>) -> Self {
        let from = at.start.min(text.len());
        let line_start = text[..from].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[from..].find('\n').map_or(text.len(), |newline| from + newline);
        let to = at.end.clamp(from, line_end);
        Self {
            line: text[..from].matches('\n').count() + 1,
            column: text[line_start..from].chars().count() + 1,
            width: text[from..to].chars().count().max(1),
            source_line: text[line_start..line_end].to_owned(),
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        writeln!(f, "  | {}", self.source_line)?;
        let (blank, mark) = (" ".repeat(self.column - 1), "^".repeat(self.width));
        write!(f, "  | {blank}{mark}")?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n  = {hint}"))
    }
}

impl std::error::Error for SqlError {}
