//! One table of an operator's state: bytes by (namespace, key).

use std::collections::{BTreeMap, HashMap};

use crate::{Key, KeyGroup, StateError};

/// Bytes by (namespace, key), of the key groups one instance owns.
///
/// A namespace is an instant (the end of a window, a timer, 0 for state without time): they are
/// listed in order, read whole, and dropped whole. An empty value means that there is none.
#[derive(Debug, Default)]
pub struct Table {
    name: String,
    namespaces: BTreeMap<i64, HashMap<Box<[u8]>, (KeyGroup, Vec<u8>)>>,
}

impl Table {
    /// An empty table in memory.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), namespaces: BTreeMap::new() }
    }

    /// Its name, stable across versions of the job.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, or `None`.
    pub fn get(&mut self, namespace: i64, key: Key<'_>) -> Result<Option<&[u8]>, StateError> {
        Ok(self
            .namespaces
            .get(&namespace)
            .and_then(|entries| entries.get(key.bytes))
            .map(|(_, value)| value.as_slice()))
    }

    /// Replaces the value; an empty one removes it.
    pub fn put(&mut self, namespace: i64, key: Key<'_>, value: &[u8]) -> Result<(), StateError> {
        self.update(namespace, key, |old| {
            old.clear();
            old.extend_from_slice(value);
        })
    }

    /// Changes the value in place; `change` sees an empty one if there is none, and removes it by
    /// leaving it empty.
    pub fn update<R>(
        &mut self,
        namespace: i64,
        key: Key<'_>,
        change: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<R, StateError> {
        let entries = self.namespaces.entry(namespace).or_default();
        let (_, value) = entries.entry(key.bytes.into()).or_insert_with(|| (key.group, Vec::new()));
        let result = change(value);
        if value.is_empty() {
            entries.remove(key.bytes);
            if entries.is_empty() {
                self.namespaces.remove(&namespace);
            }
        }
        Ok(result)
    }

    /// Removes the value.
    pub fn remove(&mut self, namespace: i64, key: Key<'_>) -> Result<(), StateError> {
        self.update(namespace, key, Vec::clear)
    }

    /// The least namespace that holds anything.
    pub fn first_namespace(&mut self) -> Result<Option<i64>, StateError> {
        Ok(self.namespaces.keys().next().copied())
    }

    /// The namespaces from `from` up to and without `to` that hold anything, ascending.
    pub fn namespaces(&mut self, from: i64, to: i64) -> Result<Vec<i64>, StateError> {
        Ok(self.namespaces.range(from..to).map(|(namespace, _)| *namespace).collect())
    }

    /// Shows every key and value of a namespace, in an order that is the same for the same
    /// contents: by bytes of the key.
    pub fn scan(
        &mut self,
        namespace: i64,
        mut visit: impl FnMut(KeyGroup, &[u8], &[u8]),
    ) -> Result<(), StateError> {
        let Some(entries) = self.namespaces.get(&namespace) else { return Ok(()) };
        let mut sorted: Vec<_> = entries.iter().collect();
        sorted.sort_by_key(|(key, _)| *key);
        for (key, (group, value)) in sorted {
            visit(*group, key, value);
        }
        Ok(())
    }

    /// Removes everything of a namespace.
    pub fn drop_namespace(&mut self, namespace: i64) -> Result<(), StateError> {
        self.namespaces.remove(&namespace);
        Ok(())
    }
}
