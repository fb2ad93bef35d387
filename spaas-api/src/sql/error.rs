//! Errors for who asked: line, column, what is wrong and what to write instead; no paths, no
//! secrets.

use std::fmt;
use std::time::Duration;

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use super::SourceError;
use super::deadline::TimeIsUp;
use millrace_spec::suggest;

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// The text is not SQL, or does not fit the tables: correct it.
    Invalid,
    /// It does more than read, or reaches outside: this will never run.
    Refused,
    /// The text is longer than allowed.
    TooLong,
    /// Too many questions at once: try again.
    Busy,
    /// It took too long: ask for less.
    Time,
    /// It needed too much memory: ask for less.
    Memory,
    /// Not the caller's fault; the log says more.
    Internal,
}

impl SqlErrorKind {
    /// The stable name of the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "sql-invalid",
            Self::Refused => "sql-refused",
            Self::TooLong => "sql-too-long",
            Self::Busy => "sql-busy",
            Self::Time => "sql-time-limit",
            Self::Memory => "sql-memory-limit",
            Self::Internal => "sql-internal",
        }
    }
}

/// Why a question has no answer. Line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SqlError {
    /// What can be done about it.
    pub kind: SqlErrorKind,
    /// Line; 1 when the place is unknown.
    pub line: usize,
    /// Column; 1 when the place is unknown.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, message, hint, .. } = self;
        write!(f, "line {line}, column {column}: {message}")?;
        hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl SqlError {
    pub(crate) fn new(kind: SqlErrorKind, message: impl Into<String>) -> Self {
        Self { kind, line: 1, column: 1, message: message.into(), hint: None }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn at(mut self, (line, column): Place) -> Self {
        (self.line, self.column) = (line.max(1), column.max(1));
        self
    }

    /// A failure that is ours: the cause goes to the log, not to the caller.
    pub(crate) fn internal(what: &str, cause: &dyn fmt::Display) -> Self {
        tracing::error!(what, %cause, "SQL question failed");
        Self::new(SqlErrorKind::Internal, what).hint("try again; the log says why")
    }

    pub(crate) fn source(what: &str, cause: &SourceError) -> Self {
        Self::internal(what, cause)
    }

    /// Reads kind, place and hint out of a DataFusion error about `sql`.
    pub fn from_datafusion(sql: &str, error: &DataFusionError) -> Self {
        let error = first(error);
        let mut out = Self::from_root(sql, error.find_root());
        if let Some(diagnostic) = error.diagnostic() {
            if out.kind == SqlErrorKind::Invalid {
                let message = &diagnostic.message;
                let (message, _) = parser_place(message).unwrap_or((message, (1, 1)));
                out.message = without_paths(message);
            }
            if let Some(span) = diagnostic.span {
                out = out.at(place(span.start.line, span.start.column));
            }
            if out.hint.is_none() {
                out.hint = diagnostic.helps.first().map(|help| without_paths(&help.message));
            }
        }
        out
    }

    fn from_root(sql: &str, root: &DataFusionError) -> Self {
        let invalid = |text: String| Self::new(SqlErrorKind::Invalid, without_paths(&text));
        match root {
            DataFusionError::SQL(error, _) => Self::from_parser(&error.to_string()),
            DataFusionError::SchemaError(error, _) => Self::from_schema(sql, error),
            DataFusionError::Plan(text)
            | DataFusionError::Execution(text)
            | DataFusionError::Configuration(text)
            | DataFusionError::NotImplemented(text) => invalid(strip_backtrace(text)),
            DataFusionError::ResourcesExhausted(_) => {
                Self::new(SqlErrorKind::Memory, "the question needs more memory than it may use")
                    .hint("filter or aggregate earlier, or select fewer columns")
            }
            DataFusionError::External(error) if error.is::<TimeIsUp>() => {
                Self::new(SqlErrorKind::Time, "no full answer within the time limit")
                    .hint("filter on a partition column, or aggregate")
            }
            DataFusionError::ArrowError(error, _) if is_about_values(error) => {
                invalid(error.to_string())
            }
            other => Self::internal("the question could not be answered", other),
        }
    }

    fn from_parser(text: &str) -> Self {
        let text = strip_backtrace(text);
        let text = text.strip_prefix("sql parser error: ").unwrap_or(&text);
        let (message, place) = parser_place(text).unwrap_or((text, (1, 1)));
        Self::new(SqlErrorKind::Invalid, message).at(place)
    }

    fn from_schema(sql: &str, error: &SchemaError) -> Self {
        match error {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let names: Vec<_> = valid_fields.iter().map(|c| c.name.as_str()).collect();
                Self::new(SqlErrorKind::Invalid, format!("there is no column `{}`", field.name))
                    .hint(suggest::hint(&field.name, "columns", names.iter().copied()))
                    .at(find(sql, &field.name))
            }
            SchemaError::AmbiguousReference { field } => {
                let message = format!("the column `{}` is in more than one table", field.name);
                Self::new(SqlErrorKind::Invalid, message)
                    .hint("put the table's name or alias before it")
                    .at(find(sql, &field.name))
            }
            other => Self::new(SqlErrorKind::Invalid, other.to_string()),
        }
    }
}

/// The time limit was reached.
pub(crate) fn too_slow(time: Duration) -> SqlError {
    SqlError::new(SqlErrorKind::Time, format!("no full answer within {time:?}"))
        .hint("filter on a partition column, or aggregate")
}

/// The work ended without an answer, which only a panic in it does.
pub(crate) fn stopped() -> SqlError {
    SqlError::internal("the work on the question stopped", &"its task ended early")
}

/// Line and column, from 1.
pub(crate) type Place = (usize, usize);

pub(crate) fn place(line: u64, column: u64) -> Place {
    let fit = |n| usize::try_from(n).unwrap_or(1).max(1);
    (fit(line), fit(column))
}

/// Where `needle` first stands in `sql` whatever its case; the start when it does not.
pub(crate) fn find(sql: &str, needle: &str) -> Place {
    let Some(at) = sql.to_ascii_lowercase().find(&needle.to_ascii_lowercase()) else {
        return (1, 1);
    };
    let before = &sql[..at];
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (before.matches('\n').count() + 1, column)
}

fn first(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Collection(errors) => errors.first().map_or(error, first),
        other => other,
    }
}

/// Arrow errors that speak of the caller's values rather than of storage.
fn is_about_values(error: &ArrowError) -> bool {
    matches!(
        error,
        ArrowError::CastError(_)
            | ArrowError::ParseError(_)
            | ArrowError::ComputeError(_)
            | ArrowError::DivideByZero
            | ArrowError::ArithmeticOverflow(_)
            | ArrowError::InvalidArgumentError(_)
            | ArrowError::NotYetImplemented(_)
    )
}

fn strip_backtrace(text: &str) -> String {
    text.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or_default().trim().to_owned()
}

/// `… at Line: 1, Column: 5` at the end of a parser error.
fn parser_place(text: &str) -> Option<(&str, Place)> {
    let (message, place) = text.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let number = |s: &str| {
        s.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>().ok()
    };
    Some((message, (number(line)?, number(column)?)))
}

/// `text` with everything that looks like a path or an address taken out.
pub(crate) fn without_paths(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "'\"`()[]{}<>,;".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let path = word.contains("://") || (word.starts_with('/') && word[1..].contains('/'));
        out.push_str(if path { "…" } else { word });
        rest = &rest[word.len()..];
        if let Some(c) = rest.chars().next() {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses_do_not_leave_the_house() {
        for (text, shown) in [
            ("cannot open '/var/lib/x/part-0.parquet' now", "cannot open '…' now"),
            ("GET s3://bucket/key?X-Amz=1 failed", "GET … failed"),
            ("a / b and 1/2 stay", "a / b and 1/2 stay"),
            ("", ""),
        ] {
            assert_eq!(without_paths(text), shown);
        }
        let error = DataFusionError::IoError(std::io::Error::other("/etc/secret"));
        let shown = SqlError::from_datafusion("SELECT 1", &error);
        assert_eq!(shown.kind, SqlErrorKind::Internal);
        assert!(!shown.to_string().contains("secret"), "{shown}");
    }
}
