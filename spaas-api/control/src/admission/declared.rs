//! Everything that is declared, at one moment.

use serde_json::Value;

use millrace_spec::qualified;

use crate::model::{Kind, Resource};
use crate::store::{Page, Store, StoreError};

/// All resources of all namespaces.
#[derive(Debug, Default)]
pub(crate) struct Declared(Vec<Resource>);

impl Declared {
    pub(crate) async fn read(store: &Store) -> Result<Self, StoreError> {
        let mut all = Vec::new();
        let mut page = Page::largest();
        loop {
            let found = store.list(None, None, &page).await?;
            all.extend(found.items);
            if found.next.is_none() {
                return Ok(Self(all));
            }
            page.after = found.next;
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Resource> {
        self.0.iter()
    }

    pub(crate) fn within<'a>(&'a self, ns: &'a str) -> impl Iterator<Item = &'a Resource> {
        self.0.iter().filter(move |r| r.metadata.namespace == ns)
    }

    pub(crate) fn get(&self, ns: &str, kind: Kind, name: &str) -> Option<&Resource> {
        let is =
            |r: &&Resource| r.kind == kind && r.metadata.namespace == ns && r.metadata.name == name;
        self.0.iter().find(is)
    }
}

/// The text of a resource as manifests have it.
pub fn document(kind: Kind, name: &str, spec: &Value) -> String {
    serde_json::json!({"kind": kind.as_str(), "metadata": {"name": name}, "spec": spec}).to_string()
}

/// The topic of a stream.
pub fn topic_of(ns: &str, name: &str, spec: &Value) -> String {
    spec["topic"].as_str().map_or_else(|| qualified(ns, name), ToOwned::to_owned)
}
