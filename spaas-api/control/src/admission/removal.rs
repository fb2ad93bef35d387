//! What may be removed, and what a namespace's tables are.

use std::collections::BTreeMap;

use super::check::Admission;
use super::declared::Declared;
use super::owners::full_name;
use super::readers;
use super::refusal::Refusal;
use crate::model::{Kind, Resource};
use crate::store::StoreError;

impl Admission {
    /// The resource, if nothing refers to it.
    ///
    /// # Errors
    /// Why it may not be removed.
    pub async fn check_removal(
        &self,
        ns: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Resource, Refusal> {
        let declared = Declared::read(&self.store).await?;
        let found = declared.get(ns, kind, name).ok_or(Refusal::NotFound)?;
        let planner = &*self.planner;
        let users = readers::of(ns, kind, name, &declared, &self.outlines, planner);
        readers::check_unused(users)?;
        Ok(found.clone())
    }

    /// The tables that routes and jobs of the namespace write, by full name, each with its writers.
    ///
    /// # Errors
    /// The store's.
    pub async fn tables(&self, ns: &str) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
        let declared = Declared::read(&self.store).await?;
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for resource in declared.within(ns) {
            let writer = format!("{}/{}", resource.kind.plural(), resource.metadata.name);
            let written: Vec<String> = match resource.kind {
                Kind::Route => {
                    resource.spec["to"]["table"].as_str().map(full_name).into_iter().collect()
                }
                Kind::Job => {
                    let outline = self.outlines.of(resource, &declared, &*self.planner);
                    let sinks = outline.iter().flat_map(|outline| &outline.sinks);
                    sinks.filter_map(|sink| sink.table.as_deref()).map(full_name).collect()
                }
                Kind::Namespace | Kind::Connection | Kind::Stream => Vec::new(),
            };
            for table in written {
                let writers = tables.entry(table).or_default();
                if !writers.contains(&writer) {
                    writers.push(writer.clone());
                }
            }
        }
        Ok(tables)
    }
}
