//! Why a change is not admitted.

use millrace_spec::Mistake;

use crate::seams::{SeamError, SqlMistake, StateVerdict};
use crate::store::StoreError;

/// One mistake and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fault {
    /// Number of the document in the request, from 0.
    pub document: Option<usize>,
    /// JSON pointer into the document.
    pub pointer: Option<String>,
    /// Line in the text, or in the SQL that `pointer` leads to, from 1.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// Of SQL: line and column in the request's text, if it is known there.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The line it is in.
    pub excerpt: Option<String>,
}

impl Fault {
    /// A fault of the value that `pointer` leads to.
    pub fn at(document: usize, pointer: &str, message: impl Into<String>) -> Self {
        Self {
            document: Some(document),
            pointer: Some(pointer.to_owned()),
            message: message.into(),
            ..Self::default()
        }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Mistakes in the SQL that `pointer` leads to.
    pub fn of_sql(document: Option<usize>, pointer: &str, mistakes: &[SqlMistake]) -> Vec<Self> {
        let fault = |mistake: &SqlMistake| Self {
            document,
            place: None,
            pointer: Some(pointer.to_owned()),
            line: Some(mistake.line),
            column: Some(mistake.column),
            message: mistake.message.clone(),
            hint: mistake.hint.clone(),
            excerpt: mistake.excerpt.clone(),
        };
        mistakes.iter().map(fault).collect()
    }

    /// A mistake of the manifest's text.
    pub(super) fn of_text(mistake: &Mistake) -> Self {
        Self {
            document: Some(mistake.document),
            place: None,
            pointer: mistake.pointer.clone(),
            line: Some(mistake.line),
            column: Some(mistake.column),
            message: mistake.message.clone(),
            hint: mistake.hint.clone(),
            excerpt: mistake.snippet.clone(),
        }
    }
}

/// It conflicts with what is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// One word for programs.
    pub kind: &'static str,
    /// The same for every conflict of the kind.
    pub title: &'static str,
    /// What conflicts, and the cure.
    pub detail: String,
    /// Where, if that can be said.
    pub faults: Vec<Fault>,
    /// Of a job: what would become of its state.
    pub verdict: Option<Box<StateVerdict>>,
}

impl Conflict {
    pub(super) fn new(kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, title, detail: detail.into(), faults: Vec::new(), verdict: None }
    }

    /// It conflicts at a place of a document.
    pub(super) fn at(mut self, document: usize, pointer: &str) -> Self {
        self.faults.push(Fault::at(document, pointer, self.detail.clone()));
        self
    }
}

/// Why a change is not admitted.
#[derive(Debug)]
pub enum Refusal {
    /// The manifests are wrong.
    Manifest(Vec<Fault>),
    /// The SQL of jobs is wrong.
    Sql(Vec<Fault>),
    /// It conflicts with what is declared.
    Conflict(Conflict),
    /// A condition on the version does not hold.
    Stale {
        /// The version now; 0 if there is none.
        current: i64,
    },
    /// What is to be changed is not there.
    NotFound,
    /// The store cannot say.
    Store(StoreError),
    /// The engine cannot say.
    Seam(SeamError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Conflict> for Refusal {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}
