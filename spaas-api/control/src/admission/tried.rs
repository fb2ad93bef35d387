//! A job that is planned but not declared.

use millrace_spec::{JobSpec, Manifests};

use super::check::Admission;
use super::declared::Declared;
use super::draft::Drafts;
use super::jobs::{Planned, plan};
use super::load::with_drafts;
use super::refusal::Refusal;
use crate::seams::JobOutline;

/// A job that plans, with what it refers to.
#[derive(Debug, Clone)]
pub struct Tried {
    /// The job under its qualified name.
    pub job: JobSpec,
    /// Its streams and connections.
    pub manifests: Manifests,
    /// What it reads and writes.
    pub outline: JobOutline,
}

impl Admission {
    /// Plans the one job of `drafts` against what is declared in the namespace.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn try_job(&self, ns: &str, drafts: &Drafts) -> Result<Tried, Refusal> {
        let declared = Declared::read(&self.store).await?;
        let manifests = with_drafts(ns, drafts, &declared, &*self.planner)?;
        let draft = drafts.items.first().ok_or(Refusal::NotFound)?;
        let Planned { job, outline } = plan(ns, draft, &manifests, &*self.planner)?;
        Ok(Tried { job, manifests, outline })
    }
}
