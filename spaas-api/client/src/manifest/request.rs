//! One request's text out of chosen documents, and where each of its lines is from.

use super::read::{Document, Sources};

/// Where a line of a request is from: numbers of file and line, both from 0.
type Origin = (usize, usize);

/// Documents as they are sent.
#[derive(Debug)]
pub(crate) struct Request<'s> {
    pub(crate) sources: &'s Sources,
    /// What is sent.
    pub(crate) text: String,
    /// Numbers of file and document, in the order in which they are sent.
    pub(crate) documents: Vec<(usize, usize)>,
    lines: Vec<Option<Origin>>,
}

impl<'s> Request<'s> {
    /// The documents that are `chosen`.
    ///
    /// Lines of others are left empty, so that those sent stay as they were written.
    pub(crate) fn of(sources: &'s Sources, chosen: impl Fn(&Document) -> bool) -> Self {
        let mut request =
            Self { sources, text: String::new(), documents: Vec::new(), lines: Vec::new() };
        for (number, file) in sources.files.iter().enumerate() {
            let wanted: Vec<bool> = file.documents.iter().map(&chosen).collect();
            if !wanted.contains(&true) {
                continue;
            }
            request.push("---", None);
            for (line, text) in file.lines.iter().enumerate() {
                request.push(
                    &sent(file.documents.as_slice(), &wanted, line, text),
                    Some((number, line)),
                );
            }
            let taken = wanted.iter().enumerate().filter(|(_, wanted)| **wanted);
            request.documents.extend(taken.map(|(document, _)| (number, document)));
        }
        request
    }

    fn push(&mut self, line: &str, origin: Option<Origin>) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines.push(origin);
    }

    /// Where line `line` (from 1) of the request is from.
    pub(super) fn origin(&self, line: usize) -> Option<Origin> {
        self.lines.get(line.checked_sub(1)?).copied().flatten()
    }

    /// Document `index` of the request, and its file.
    pub(super) fn document(&self, index: usize) -> Option<(usize, &'s Document)> {
        let (file, document) = self.documents.get(index)?;
        Some((*file, &self.sources.files[*file].documents[*document]))
    }
}

/// What is sent in place of a line.
fn sent(documents: &[Document], wanted: &[bool], line: usize, text: &str) -> String {
    // Lines before the first document belong to it.
    let after = |d: &Document| d.tree.first_line <= line + 1;
    let owner = documents.iter().rposition(after).unwrap_or(0);
    if !wanted[owner] {
        return if text.starts_with("---") { "---".to_owned() } else { String::new() };
    }
    let replaced = documents[owner].sql.as_ref().map(|sql| &sql.line);
    match replaced.filter(|(number, _)| *number == line + 1) {
        Some((_, replacement)) => replacement.clone(),
        None => text.to_owned(),
    }
}
