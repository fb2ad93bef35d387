//! What declared jobs read and write, planned once for each version.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::declared::Declared;
use super::load::{declared_only, qualified_job, qualify_feeds};
use crate::Planner;
use crate::model::{Kind, Resource};
use crate::seams::JobOutline;

/// Versions remembered; far more than jobs anybody declares. When full, it begins anew.
const MAX_OUTLINES: usize = 10_000;

/// Outlines by the uid and generation of their job.
#[derive(Debug, Default)]
pub(crate) struct Outlines(Mutex<HashMap<(String, i64), Arc<JobOutline>>>);

impl Outlines {
    /// Remembers the outline of a job that was just declared.
    pub(crate) fn know(&self, job: &Resource, outline: &JobOutline) {
        let key = (job.metadata.uid.clone(), job.metadata.generation);
        self.lock().insert(key, Arc::new(outline.clone()));
    }

    /// The outline of a declared job, with qualified topics; `None` if it does not plan (any more).
    pub(crate) fn of(
        &self,
        job: &Resource,
        declared: &Declared,
        planner: &dyn Planner,
    ) -> Option<Arc<JobOutline>> {
        let key = (job.metadata.uid.clone(), job.metadata.generation);
        if let Some(known) = self.lock().get(&key) {
            return Some(Arc::clone(known));
        }
        let ns = &job.metadata.namespace;
        let wanted = |r: &Resource| {
            matches!(r.kind, Kind::Stream | Kind::Connection)
                || (r.kind == Kind::Job && r.metadata.name == job.metadata.name)
        };
        let manifests = declared_only(ns, declared, wanted, planner)
            .inspect_err(|mistakes| {
                tracing::warn!(job = job.metadata.name, ?mistakes, "a declared job is wrong");
            })
            .ok()?;
        let mut spec = qualified_job(ns, manifests.jobs.first()?)?;
        let mut outline = planner
            .validate(&spec, &manifests)
            .inspect_err(|error| {
                tracing::warn!(job = job.metadata.name, %error, "a declared job does not plan");
            })
            .ok()?;
        qualify_feeds(ns, &mut spec, &mut outline);
        let outline = Arc::new(outline);
        let mut all = self.lock();
        if all.len() >= MAX_OUTLINES {
            all.clear();
        }
        all.insert(key, Arc::clone(&outline));
        Some(outline)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, i64), Arc<JobOutline>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
