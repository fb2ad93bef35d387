//! The text of a job, and the bytes a line and column of it stand for.

use std::ops::Range;

use datafusion::common::Span as PlanSpan;
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use crate::SqlError;

/// A job's text with the start of each line.
#[derive(Debug)]
pub(crate) struct SourceText<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> SourceText<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, lines: std::iter::once(0).chain(after_newlines).collect() }
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The byte of a line and a column in characters, both from 1; the end of the text beyond it.
    pub(crate) fn offset(&self, line: u64, column: u64) -> usize {
        let index = |n: u64| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(&start) = self.lines.get(index(line)) else { return self.text.len() };
        let rest = &self.text[start..];
        let within = rest.char_indices().nth(index(column)).map_or(rest.len(), |(at, _)| at);
        start + within
    }

    /// The bytes of a span of tokens.
    pub(crate) fn range(&self, span: Span) -> Range<usize> {
        let at = |place: Location| self.offset(place.line, place.column);
        at(span.start)..at(span.end)
    }

    /// The bytes of a span in a plan.
    pub(crate) fn plan_range(&self, span: &PlanSpan) -> Range<usize> {
        self.offset(span.start.line, span.start.column)..self.offset(span.end.line, span.end.column)
    }

    /// A mistake at these bytes.
    pub(crate) fn error(&self, at: Range<usize>, message: impl Into<String>) -> SqlError {
        SqlError::at(self.text, at, message)
    }

    /// A mistake at this span.
    pub(crate) fn error_at(&self, span: Span, message: impl Into<String>) -> SqlError {
        self.error(self.range(span), message)
    }
}
