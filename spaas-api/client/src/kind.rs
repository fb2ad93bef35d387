//! Kinds of things, as commands name them.

use std::str::FromStr;

/// What can be shown; `Table` can only be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Owner of all others.
    Namespace,
    /// Where a broker or endpoint is.
    Connection,
    /// A named, typed schema on a topic.
    Stream,
    /// Stream → filter → projection → sink.
    Route,
    /// Streaming SQL.
    Job,
    /// A table that routes or jobs write.
    Table,
}

impl Kind {
    /// All kinds, in the order in which they must be made.
    const ALL: [Self; 6] =
        [Self::Namespace, Self::Connection, Self::Stream, Self::Route, Self::Job, Self::Table];

    /// As commands and results write it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Connection => "connection",
            Self::Stream => "stream",
            Self::Route => "route",
            Self::Job => "job",
            Self::Table => "table",
        }
    }

    /// As paths write it.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Connection => "connections",
            Self::Stream => "streams",
            Self::Route => "routes",
            Self::Job => "jobs",
            Self::Table => "tables",
        }
    }

    /// Path of all of the kind.
    pub(crate) fn list_path(self, ns: &str) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Namespace => &["v1", "namespaces"],
            _ => &["v1", "namespaces", ns, self.plural()],
        };
        words.iter().map(ToString::to_string).collect()
    }

    /// Path of one.
    pub(crate) fn path(self, ns: &str, name: &str) -> Vec<String> {
        let mut path = self.list_path(ns);
        path.push(name.to_owned());
        path
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = text.to_lowercase();
        let short = if word == "ns" { "namespace" } else { word.as_str() };
        let names = |kind: &Self| kind.word() == short || kind.plural() == short;
        Self::ALL.into_iter().find(names).ok_or_else(|| {
            "the kinds are namespace, connection, stream, route, job, table".to_owned()
        })
    }
}

/// A name as resources have it; keeps what is none out of paths.
pub(crate) fn parse_name(text: &str) -> Result<String, String> {
    let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if first && text.chars().all(rest) && text.len() <= 100 {
        return Ok(text.to_owned());
    }
    Err("names have lower-case letters, digits, `_` and `-`".to_owned())
}

/// As [`parse_name`], or a table's `schema.table`.
pub(crate) fn parse_name_or_table(text: &str) -> Result<String, String> {
    text.split('.').try_for_each(|part| parse_name(part).map(drop)).map(|()| text.to_owned())
}
