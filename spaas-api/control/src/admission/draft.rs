//! Documents as a request brings them, each with what it says of itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millrace_spec::{Document, documents, qualified};
use serde_json::Value;

use millrace_events::RouteName;

use super::load::faults;
use super::refusal::{Fault, Refusal};
use crate::model::{Kind, Resource};

/// Path of the request's text, in mistakes about it.
pub(super) const REQUEST: &str = "request";

/// What is to be declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Number of its document in the request, from 0.
    pub document: usize,
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its spec in canonical form, defaults left out.
    pub spec: Value,
    /// As it was written.
    pub source: Arc<Document>,
}

/// The documents of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Drafts {
    /// The text they came in.
    pub text: String,
    /// One for each document.
    pub items: Vec<Draft>,
}

impl Drafts {
    /// Reads the documents of a text as things of the namespace `ns`.
    ///
    /// # Errors
    /// All that is wrong with their form; references and SQL have not been looked at.
    pub fn read(ns: &str, text: String) -> Result<Self, Refusal> {
        let found = documents(Path::new(REQUEST), &text)
            .map_err(|mistakes| Refusal::Manifest(faults(&mistakes)))?;
        if found.is_empty() {
            let fault = Fault {
                message: "there is no document in it".to_owned(),
                hint: Some("send `kind`, `metadata` and `spec`".to_owned()),
                ..Fault::default()
            };
            return Err(Refusal::Manifest(vec![fault]));
        }
        let mut wrong = Vec::new();
        let items: Vec<Draft> =
            found.into_iter().enumerate().map(|(n, d)| draft(ns, n, d, &mut wrong)).collect();
        if wrong.is_empty() { Ok(Self { text, items }) } else { Err(Refusal::Manifest(wrong)) }
    }

    /// Whether a draft takes the place of the resource.
    pub(super) fn replace(&self, resource: &Resource) -> bool {
        let same = |d: &Draft| d.kind == resource.kind && d.name == resource.metadata.name;
        self.items.iter().any(same)
    }
}

fn draft(ns: &str, document: usize, found: Document, wrong: &mut Vec<Fault>) -> Draft {
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == found.kind.as_str());
    let kind = kind.expect("manifests and the store have the same kinds");
    if let Some(other) = found.namespace.as_ref().filter(|own| *own != ns) {
        let message = format!("the document is of namespace `{other}`, the request of `{ns}`");
        let fault = Fault::at(document, "/metadata/namespace", message);
        wrong.push(fault.hint("leave it out, or send it to its own namespace"));
    }
    if kind != Kind::Namespace && qualified(ns, &found.name).parse::<RouteName>().is_err() {
        let message = "its name with the namespace is longer than 100 characters";
        wrong.push(Fault::at(document, "/metadata/name", message).hint("choose a shorter name"));
    }
    let (name, labels) = (found.name.clone(), found.labels.clone());
    Draft { document, kind, name, labels, spec: found.spec.clone(), source: Arc::new(found) }
}
