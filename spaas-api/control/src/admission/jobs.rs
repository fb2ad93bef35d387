//! Jobs: their SQL against the streams, and what becomes of their state.

use millrace_spec::{JobSpec, Manifests};

use super::check::Wish;
use super::draft::Draft;
use super::load::{qualified_job, qualify_feeds};
use super::refusal::{Conflict, Fault, Refusal};
use crate::Planner;
use crate::model::{Resource, StatePolicy};
use crate::seams::{JobOutline, SeamError, StateVerdict};

/// A job that plans.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// Under its qualified name, feeds on qualified topics.
    pub(crate) job: JobSpec,
    pub(crate) outline: JobOutline,
}

/// Plans the job of a draft.
pub(crate) fn plan(
    ns: &str,
    draft: &Draft,
    manifests: &Manifests,
    planner: &dyn Planner,
) -> Result<Planned, Refusal> {
    let found = manifests.jobs.iter().find(|job| job.name.as_str() == draft.name);
    let job = found.and_then(|job| qualified_job(ns, job));
    let mut job = job.expect("the document was loaded and its name checked");
    match planner.validate(&job, manifests) {
        Ok(mut outline) => {
            qualify_feeds(ns, &mut job, &mut outline);
            Ok(Planned { job, outline })
        }
        Err(error) => Err(refuse(draft, error)),
    }
}

fn refuse(draft: &Draft, error: SeamError) -> Refusal {
    let document = draft.document;
    match error {
        SeamError::Sql(mistakes) => {
            let mut faults = Fault::of_sql(Some(document), "/spec/sql", &mistakes);
            for (fault, mistake) in faults.iter_mut().zip(&mistakes) {
                fault.place = draft.source.locate_sql(mistake.line, mistake.column);
            }
            Refusal::Sql(faults)
        }
        SeamError::Refused(why) => Refusal::Manifest(vec![Fault::at(document, "/spec", why)]),
        SeamError::Unavailable(_) => Refusal::Seam(error),
    }
}

/// What becomes of the state, and what the next start may do with it; refused when more would be
/// lost than the caller allows.
pub(crate) async fn judge(
    planned: &Planned,
    manifests: &Manifests,
    (savepoint, draft, runs): (Option<&str>, &Draft, Option<&JobSpec>),
    wish: &Wish,
    engine: &dyn Planner,
) -> Result<(StateVerdict, StatePolicy), Refusal> {
    let verdict = engine.verdict(&planned.job, manifests, savepoint).await;
    let mut verdict = verdict.map_err(|error| refuse(draft, error))?;
    if let Some(old) = runs {
        let stops = engine.compare(old, &planned.job, manifests);
        verdict = verdict.worse_of(stops.map_err(|error| refuse(draft, error))?);
    }
    let policy = allowed(&verdict, wish).map_err(|mut conflict| {
        conflict.verdict = Some(Box::new(verdict.clone()));
        conflict.at(draft.document, "/spec/sql")
    })?;
    Ok((verdict, policy))
}

/// What the next start may do with state, or why the version is refused.
pub(crate) fn allowed(verdict: &StateVerdict, wish: &Wish) -> Result<StatePolicy, Conflict> {
    const TITLE: &str = "The new version cannot use all of the job's state";
    if wish.fresh_state || wish.only_tell {
        return Ok(StatePolicy::Fresh);
    }
    match verdict {
        StateVerdict::New | StateVerdict::Same => Ok(StatePolicy::Keep),
        StateVerdict::Partly { .. } if wish.allow_dropped_state => Ok(StatePolicy::AllowDropped),
        StateVerdict::Partly { dropped, .. } if dropped.is_empty() => Ok(StatePolicy::Keep),
        StateVerdict::Partly { dropped, .. } => {
            let detail = format!(
                "state would be dropped: {}; allow it with `allow_dropped_state`, or begin anew \
                 with `fresh_state`",
                dropped.join(", ")
            );
            Err(Conflict::new("state-incompatible", TITLE, detail))
        }
        StateVerdict::Incompatible { operator, why } => {
            let detail = format!(
                "the state of {operator} cannot be read: {why}; `fresh_state` forgets all state \
                 but keeps the place in the streams"
            );
            Err(Conflict::new("state-incompatible", TITLE, detail))
        }
    }
}

/// What must be allowed for a version with this verdict to start.
pub fn needed(verdict: &StateVerdict) -> Option<&'static str> {
    let dropping = Wish { allow_dropped_state: true, ..Wish::default() };
    if allowed(verdict, &Wish::default()).is_ok() {
        None
    } else if allowed(verdict, &dropping).is_ok() {
        Some("allow_dropped_state")
    } else {
        Some("fresh_state")
    }
}

/// Whether the state is to be asked about: a changed version, or a new job from a savepoint.
pub(crate) fn judged(before: Option<&Resource>, draft: &Draft, wish: &Wish) -> bool {
    wish.always_judge
        || before.map_or(wish.from_savepoint.is_some(), |before| before.spec != draft.spec)
}
