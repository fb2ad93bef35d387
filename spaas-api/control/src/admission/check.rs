//! The whole check of a request's drafts.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use millrace_events::Clock;
use millrace_spec::Manifests;

use super::declared::Declared;
use super::diff::unified;
use super::draft::{Draft, Drafts};
use super::jobs::{Planned, judge, judged, plan};
use super::load::with_drafts;
use super::outline::Outlines;
use super::owners::Foreign;
use super::readers;
use super::refusal::{Conflict, Fault, Refusal};
use crate::model::{Desired, Kind, Resource, RunEnd, StatePolicy};
use crate::seams::{JobOutline, StateVerdict};
use crate::store::{JobGoalChange, Put, PutOutcome, Store};
use crate::{Planner, Topics};

/// What a caller allows and asks for beside the manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct Wish {
    /// State of operators that are gone may be dropped.
    pub allow_dropped_state: bool,
    /// All state is to be forgotten but the place in the streams.
    pub fresh_state: bool,
    /// New jobs are not to run yet.
    pub stopped: bool,
    /// Path of the savepoint that a new job begins from.
    pub from_savepoint: Option<String>,
    /// The verdict is wanted even if the spec is the newest one.
    pub always_judge: bool,
    /// Verdicts are to be told, whatever they are: nothing will be done.
    pub only_tell: bool,
}

/// A draft that may be declared.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The draft.
    pub draft: Draft,
    /// What is declared under its name now.
    pub before: Option<Resource>,
    /// What declaring it comes to.
    pub outcome: PutOutcome,
    /// A unified diff of the canonical YAML.
    pub diff: String,
    /// Of a job: what it reads and writes.
    pub outline: Option<JobOutline>,
    /// Of a job with a new version: what becomes of its state.
    pub verdict: Option<StateVerdict>,
    /// Of a job with a new version: what its next start may do with state.
    pub policy: Option<StatePolicy>,
    /// Of a job whose last run was refused for good: it is to begin anew, its manifest unchanged.
    pub again: bool,
}

/// What is to be done with a job whose manifest is unchanged.
#[derive(Debug, Clone, Copy, Default)]
struct Anew {
    /// Its newest version is to run in place of an older one.
    version: bool,
    /// Its last run was refused, and now more is allowed.
    retry: bool,
}

impl Anew {
    fn is_due(self) -> bool {
        self.version || self.retry
    }
}

impl Checked {
    /// The change that declares it.
    pub fn put(
        &self,
        ns: &str,
        wish: &Wish,
        (author, reason): (&str, Option<&str>),
        now_ms: i64,
    ) -> Put {
        let goal = JobGoalChange {
            desired: (self.before.is_none() && wish.stopped).then_some(Desired::Stopped),
            state: self.policy.unwrap_or(StatePolicy::Keep),
            from_savepoint: wish.from_savepoint.clone().filter(|_| self.before.is_none()),
            again: self.again,
        };
        Put {
            ns: ns.to_owned(),
            kind: self.draft.kind,
            name: self.draft.name.clone(),
            spec: self.draft.spec.clone(),
            labels: self.draft.labels.clone(),
            author: author.to_owned(),
            reason: reason.map(ToOwned::to_owned),
            now_ms,
            expect: Some(self.before.as_ref().map_or(0, |r| r.metadata.resource_version)),
            goal: (self.draft.kind == Kind::Job).then_some(goal),
        }
    }
}

/// Checks drafts against everything declared.
pub struct Admission {
    pub(super) store: Store,
    pub(super) planner: Arc<dyn Planner>,
    pub(super) topics: Arc<dyn Topics>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) outlines: Outlines,
    turn: Mutex<()>,
}

impl Admission {
    /// Over a store, an engine and the log.
    pub fn new(
        store: Store,
        planner: Arc<dyn Planner>,
        topics: Arc<dyn Topics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (outlines, turn) = (Outlines::default(), Mutex::new(()));
        Self { store, planner, topics, clock, outlines, turn }
    }

    /// Held from a check to the write of what was checked: nothing else is declared or removed in
    /// between.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Remembers what was found out about a job that has been declared.
    pub fn declared(&self, one: &Checked, resource: &Resource) {
        if let Some(outline) = &one.outline {
            self.outlines.know(resource, outline);
        }
    }

    /// Checks drafts of the namespace `ns`; the result is in the order in which they are to be
    /// made.
    ///
    /// # Errors
    /// Why they may not be declared.
    pub async fn check(
        &self,
        ns: &str,
        drafts: &Drafts,
        wish: &Wish,
    ) -> Result<Vec<Checked>, Refusal> {
        check_once(drafts)?;
        let declared = Declared::read(&self.store).await?;
        let (manifests, changed) = self.check_form(ns, drafts, &declared)?;
        let foreign = self.foreign(ns, drafts, &declared);
        // The SQL of a job changes its meaning only with its streams.
        let same_streams = changed.is_empty() && !wish.always_judge;
        let mut checked = Vec::with_capacity(drafts.items.len());
        for draft in &drafts.items {
            foreign.check(ns, draft)?;
            let before = declared.get(ns, draft.kind, &draft.name);
            let mut one = compare(draft, before);
            let anew = self.anew(ns, draft, before, wish).await?;
            let known = before.filter(|b| same_streams && b.spec == draft.spec && !anew.is_due());
            let known = known.and_then(|b| self.outlines.of(b, &declared, &*self.planner));
            if let (Kind::Job, Some(outline)) = (draft.kind, &known) {
                one.outline = Some((**outline).clone());
            } else if draft.kind == Kind::Job {
                self.check_job(ns, &mut one, &manifests, &foreign, (wish, anew)).await?;
            }
            checked.push(one);
        }
        let engine = (&self.outlines, &*self.planner);
        readers::check_readers(ns, drafts, &changed, &declared, &manifests, engine)?;
        checked.sort_by_key(|one| (one.draft.kind, one.draft.document));
        Ok(checked)
    }

    /// Form, references and places; also which drafts change a stream that is declared.
    fn check_form(
        &self,
        ns: &str,
        drafts: &Drafts,
        declared: &Declared,
    ) -> Result<(Manifests, Vec<usize>), Refusal> {
        let mut changed = Vec::new();
        for (index, draft) in drafts.items.iter().enumerate() {
            let Some(before) = declared.get(ns, draft.kind, &draft.name) else { continue };
            if before.metadata.deleting_ms.is_some() {
                let detail = format!("`{}` is being removed; wait until it is gone", draft.name);
                let conflict = Conflict::new("deleting", "It is being removed", detail);
                return Err(conflict.at(draft.document, "/metadata/name").into());
            }
            if draft.kind == Kind::Stream && before.spec != draft.spec {
                readers::check_place(ns, before, draft)?;
                changed.push(index);
            }
        }
        let manifests = with_drafts(ns, drafts, declared, &*self.planner)?;
        Ok((manifests, changed))
    }

    /// What is to be done with a job whose manifest is as it was.
    async fn anew(
        &self,
        ns: &str,
        draft: &Draft,
        before: Option<&Resource>,
        wish: &Wish,
    ) -> Result<Anew, Refusal> {
        let same = before.filter(|b| draft.kind == Kind::Job && b.spec == draft.spec);
        let Some(before) = same else { return Ok(Anew::default()) };
        let Some(row) = self.store.job(ns, &draft.name).await? else { return Ok(Anew::default()) };
        let goal = &row.goal;
        let refused = row.run.is_some_and(|run| {
            let for_good = matches!(run.end, Some(RunEnd::Failed { retryable: false, .. }));
            for_good && run.goal == goal.goal
        });
        let more = (wish.allow_dropped_state || wish.fresh_state) && !wish.only_tell;
        Ok(Anew {
            version: goal.version != before.metadata.generation,
            retry: refused && more && goal.desired == Desired::Running,
        })
    }

    fn foreign(&self, ns: &str, drafts: &Drafts, declared: &Declared) -> Foreign {
        let owning = |d: &Draft| matches!(d.kind, Kind::Stream | Kind::Route | Kind::Job);
        if !drafts.items.iter().any(owning) {
            return Foreign::default();
        }
        Foreign::to(ns, declared, &self.outlines, &*self.planner)
    }

    /// Plans the job unless nothing that it is made of has changed.
    async fn check_job(
        &self,
        ns: &str,
        one: &mut Checked,
        manifests: &Manifests,
        foreign: &Foreign,
        (wish, anew): (&Wish, Anew),
    ) -> Result<(), Refusal> {
        let Planned { job, outline } = plan(ns, &one.draft, manifests, &*self.planner)?;
        foreign.check_job(one.draft.document, &outline)?;
        let planned = Planned { job, outline };
        if anew.is_due() || judged(one.before.as_ref(), &one.draft, wish) {
            let savepoint = wish.from_savepoint.as_deref().filter(|_| one.before.is_none());
            let runs = self.running_version(ns, &one.draft.name).await?;
            let from = (savepoint, &one.draft, runs.as_ref());
            let (verdict, policy) = judge(&planned, manifests, from, wish, &*self.planner).await?;
            one.verdict = Some(verdict);
            one.policy = Some(policy);
        }
        if anew.is_due() && one.outcome == PutOutcome::Unchanged {
            one.outcome = PutOutcome::Configured;
        }
        one.again = anew.retry;
        one.outline = Some(planned.outline);
        Ok(())
    }
}

/// Each name once in a request.
fn check_once(drafts: &Drafts) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    let again = drafts.items.iter().find(|d| !seen.insert((d.kind, d.name.as_str())));
    again.map_or(Ok(()), |draft| {
        let message = format!("{} `{}` is declared twice", draft.kind.as_str(), draft.name);
        let fault = Fault::at(draft.document, "/metadata/name", message);
        Err(Refusal::Manifest(vec![fault.hint("rename or remove one")]))
    })
}

fn compare(draft: &Draft, before: Option<&Resource>) -> Checked {
    let outcome = match before {
        None => PutOutcome::Created,
        Some(r) if r.spec == draft.spec && r.metadata.labels == draft.labels => {
            PutOutcome::Unchanged
        }
        Some(_) => PutOutcome::Configured,
    };
    Checked {
        diff: unified(before, draft.kind, &draft.name, &draft.labels, &draft.spec),
        draft: draft.clone(),
        before: before.cloned(),
        outcome,
        outline: None,
        verdict: None,
        policy: None,
        again: false,
    }
}
