//! Problem documents, as the API answers errors.

use std::fmt::{self, Write};

use serde::Deserialize;
use serde_json::Value;

use crate::exit::ExitKind;

/// Prefix of `type`; the rest names the kind of problem.
const TYPE_PREFIX: &str = "urn:millrace:problem:";
/// Of an answer that is no problem document, so many characters are shown.
const SHOWN: usize = 300;

/// An error as the API answers it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) title: String,
    pub(crate) status: u16,
    pub(crate) detail: Option<String>,
    pub(crate) errors: Vec<Item>,
    /// Of a job: what would become of its state.
    pub(crate) verdict: Option<Value>,
    /// The version now, of something that has changed.
    pub(crate) current: Option<i64>,
}

/// One mistake in what was sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Item {
    pub(crate) index: Option<usize>,
    pub(crate) pointer: Option<String>,
    pub(crate) line: Option<usize>,
    pub(crate) column: Option<usize>,
    /// Of SQL within a manifest: where it is in the text that was sent.
    pub(crate) document: Option<Place>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// A place in the text that was sent.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{}: {detail}", self.title),
            None => f.write_str(&self.title),
        }
    }
}

impl Problem {
    /// Reads an answer whose status says that something is wrong.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let read = serde_json::from_slice::<Self>(body).ok().filter(|p| !p.title.is_empty());
        let mut problem = read.unwrap_or_else(|| {
            let text: String = String::from_utf8_lossy(body).chars().take(SHOWN).collect();
            let detail = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
            Self { title: format!("the server answers {status}"), detail, ..Self::default() }
        });
        problem.status = status;
        problem
    }

    /// One word for programs.
    pub(crate) fn word(&self) -> &str {
        self.kind.strip_prefix(TYPE_PREFIX).unwrap_or(&self.kind)
    }

    /// How the command ends that meets it.
    pub(crate) fn exit(&self) -> ExitKind {
        match (self.status, self.word()) {
            (_, "state-incompatible" | "sql-invalid" | "manifest-invalid") => ExitKind::No,
            (401 | 403, _) => ExitKind::NotAllowed,
            (404, _) => ExitKind::NotFound,
            (409 | 412, _) => ExitKind::Conflict,
            (400 | 422, _) if !self.errors.is_empty() => ExitKind::No,
            (502..=504, _) => ExitKind::Unreachable,
            _ => ExitKind::Failed,
        }
    }

    /// Whether the same request may succeed when it is sent again.
    pub(crate) fn passing(&self) -> bool {
        matches!(self.status, 429 | 502 | 503 | 504)
    }

    /// All there is to say, with what to do about it.
    pub(crate) fn telling(&self) -> String {
        let mut text = self.to_string();
        for item in &self.errors {
            let _ = write!(text, "\n  {}", item.telling());
        }
        if let Some(verdict) = &self.verdict {
            let _ = write!(text, "\n{}", verdict_words(verdict));
        }
        if let Some(advice) = self.advice() {
            let _ = write!(text, "\n  {advice}");
        }
        text
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> Option<String> {
        match (self.status, self.word()) {
            (401, _) => Some(
                "give a token with MILLRACE_TOKEN or --token-file, or the platform's --data folder"
                    .to_owned(),
            ),
            (403, _) => Some("see what the token may do: millrace whoami".to_owned()),
            (_, "state-incompatible") => Some(
                "--allow-dropped-state lets go of state that has no place in the new version; \
                 --fresh-state forgets all of it, but not the place in the streams"
                    .to_owned(),
            ),
            (404, _) if self.detail.is_none() => {
                Some("see what there is: millrace get namespaces".to_owned())
            }
            (412, _) => self.current.map(|now| format!("it is at version {now} now")),
            _ => None,
        }
    }
}

impl Item {
    /// The mistake, with its place as far as the server knows it.
    pub(crate) fn telling(&self) -> String {
        let mut text = String::new();
        if let Some(pointer) = self.pointer.as_deref().filter(|p| !p.is_empty()) {
            let _ = write!(text, "{pointer}: ");
        }
        if let (Some(line), Some(column)) = (self.line, self.column) {
            let _ = write!(text, "{line}:{column}: ");
        }
        text.push_str(&self.message);
        if let Some(hint) = &self.hint {
            let _ = write!(text, " ({hint})");
        }
        text
    }
}

/// A state verdict in words, indented.
pub(crate) fn verdict_words(verdict: &Value) -> String {
    let list = |name: &str| {
        let items = verdict[name].as_array().map_or(&[][..], Vec::as_slice);
        items.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    match verdict["kind"].as_str() {
        Some("new") => "  state: there is none yet".to_owned(),
        Some("same") => "  state: all of it is kept".to_owned(),
        Some("partly") => {
            let mut text = "  state: some of it has no place in the new version".to_owned();
            for (what, name) in [("dropped", "dropped"), ("kept", "kept"), ("begins empty", "new")]
            {
                for operator in list(name) {
                    let _ = write!(text, "\n    {what}: {operator}");
                }
            }
            text
        }
        Some("incompatible") => {
            let word = |name: &str| verdict[name].as_str().unwrap_or("-").to_owned();
            format!("  state: {} cannot go on: {}", word("operator"), word("why"))
        }
        _ if verdict.is_null() => "  state: all of it is kept".to_owned(),
        _ => format!("  state: {verdict}"),
    }
}
