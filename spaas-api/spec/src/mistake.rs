//! Mistakes with their places, gathered in one report.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Something wrong in a manifest. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The line it is in.
    pub snippet: Option<String>,
    /// Number of the document within its file, from 0, empty ones not counted.
    pub document: usize,
    /// JSON pointer to the field within the document: `/spec/columns/2/type`; `None` for what
    /// belongs to no field, such as a mistake in the syntax.
    pub pointer: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, hint, .. } = self;
        write!(f, "{}:{line}:{column}: {message}", file.display())?;
        hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// What is wrong with a route's SQL. Line and column count from 1 within the SQL text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct SqlFault {
    /// Line, 1 when unknown.
    pub line: usize,
    /// Column in characters, 1 when unknown.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// A place in one of the files of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) file: usize,
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    /// The field it belongs to.
    pub(crate) field: FieldId,
}

/// A field of a file: an index into its [`Field`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FieldId(Option<usize>);

impl FieldId {
    /// No field.
    pub(crate) const NONE: Self = Self(None);
}

/// One step of the way from a document to a field.
#[derive(Debug)]
struct Field {
    /// The number of the document, or the field this one is in and its name there.
    way: Result<(FieldId, String), usize>,
}

/// A file as it was read.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    pub(crate) lines: Vec<Vec<char>>,
    fields: Vec<Field>,
}

impl Source {
    fn add(&mut self, field: Field) -> FieldId {
        self.fields.push(field);
        FieldId(Some(self.fields.len() - 1))
    }

    /// The field's document and the JSON pointer to it.
    fn pointer(&self, field: FieldId) -> (usize, Option<String>) {
        let mut names = Vec::new();
        let mut at = field;
        while let Some(index) = at.0 {
            match &self.fields[index].way {
                Ok((parent, name)) => {
                    names.push(name.replace('~', "~0").replace('/', "~1"));
                    at = *parent;
                }
                Err(document) => {
                    let steps = names.iter().rev().map(|name| format!("/{name}"));
                    return (*document, Some(steps.collect()));
                }
            }
        }
        (0, None)
    }
}

/// Mistakes that are listed; hostile text could have as many as it has characters.
const MAX_MISTAKES: usize = 500;

/// Files read and mistakes found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    sources: Vec<Source>,
    mistakes: Vec<Mistake>,
    /// Documents that may hold secrets.
    hidden: BTreeSet<(PathBuf, usize)>,
}

impl Report {
    /// Takes in a file; its index stands in every [`Spot`] of it.
    pub(crate) fn add_source(&mut self, path: &Path, text: &str) -> usize {
        // The line breaks of YAML: "\r\n" is one, a lone "\r" is one too.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines = text.split('\n').map(|line| line.chars().collect()).collect();
        self.sources.push(Source { path: path.to_owned(), lines, fields: Vec::new() });
        self.sources.len() - 1
    }

    pub(crate) fn source(&self, file: usize) -> &Source {
        &self.sources[file]
    }

    /// Document `number` of the file.
    pub(crate) fn document(&mut self, file: usize, number: usize) -> FieldId {
        self.sources[file].add(Field { way: Err(number) })
    }

    /// The field `name` within `parent`.
    pub(crate) fn field(&mut self, file: usize, parent: FieldId, name: &str) -> FieldId {
        self.sources[file].add(Field { way: Ok((parent, name.to_owned())) })
    }

    /// The beginning of a file that was not read.
    pub(crate) fn top(&mut self, path: &Path) -> Spot {
        let file = self.add_source(path, "");
        Spot { file, line: 1, column: 1, field: FieldId::NONE }
    }

    /// Whether nothing has been found wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// Adds a mistake, moved into the file should the place lie outside.
    pub(crate) fn add(&mut self, at: Spot, message: impl Into<String>, hint: impl Into<Hint>) {
        const SNIPPET_CHARS: usize = 160;
        if self.mistakes.len() >= MAX_MISTAKES {
            return;
        }
        let source = &self.sources[at.file];
        let line = at.line.clamp(1, source.lines.len());
        let text = &source.lines[line - 1];
        let (document, pointer) = source.pointer(at.field);
        let snippet: String = text.iter().take(SNIPPET_CHARS).collect();
        self.mistakes.push(Mistake {
            file: source.path.clone(),
            line,
            column: at.column.clamp(1, text.len() + 1),
            message: message.into(),
            hint: hint.into().0,
            snippet: (!snippet.trim().is_empty()).then_some(snippet),
            document,
            pointer,
        });
    }

    /// Keeps the lines of a document, which may hold secrets, out of its mistakes.
    pub(crate) fn hide(&mut self, document: Spot) {
        let number = self.sources[document.file].pointer(document.field).0;
        self.hidden.insert((self.sources[document.file].path.clone(), number));
    }

    /// The mistakes in the order of files and lines; empty when all is well.
    pub(crate) fn into_mistakes(mut self) -> Vec<Mistake> {
        self.mistakes.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        self.mistakes.dedup();
        for mistake in &mut self.mistakes {
            // A mistake in the syntax ends the text; whose document it is in is not known.
            let known = mistake.pointer.is_some();
            if self.hidden.contains(&(mistake.file.clone(), mistake.document)) || !known {
                mistake.snippet = mistake.snippet.take().filter(|_| self.hidden.is_empty());
            }
        }
        self.mistakes
    }

    /// Where a spot is, for messages that point at a second place.
    pub(crate) fn describe(&self, at: Spot) -> String {
        format!("{}:{}", self.sources[at.file].path.display(), at.line)
    }
}

/// Says in a type that a value was wrong and the mistake is in the report already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported;

/// An optional hint, so that callers may pass text or nothing.
#[derive(Debug)]
pub(crate) struct Hint(Option<String>);

/// No hint.
pub(crate) const NO_HINT: Hint = Hint(None);

impl From<&str> for Hint {
    fn from(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self(Some(text))
    }
}

impl From<Option<String>> for Hint {
    fn from(text: Option<String>) -> Self {
        Self(text)
    }
}
