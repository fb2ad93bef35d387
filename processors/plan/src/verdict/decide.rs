//! The verdict on a changed query, before anything stops.

use crate::{JobPlan, OperatorFingerprint, OperatorId, PlanFingerprint};

/// What becomes of saved state under a new plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// All of it is used, and there is no operator without.
    Same,
    /// Some of it is used.
    Partly {
        /// Operators that go on with their state.
        kept: Vec<OperatorId>,
        /// State that no operator of the new plan has a use for.
        dropped: Vec<OperatorId>,
        /// Operators that begin without state.
        new: Vec<OperatorId>,
    },
    /// An operator is the same by its id, but cannot read its state.
    Incompatible {
        /// The first such operator.
        operator: OperatorId,
        /// What changed, and what can be done.
        why: String,
    },
}

/// What becomes of the state saved under `old` in the plan `new`.
///
/// An operator whose keys, windows or inputs changed is another one: its state is dropped, and it
/// begins anew. An operator whose aggregates or rows changed is the same one and cannot go on.
/// Filters and computations may change, but not where they are all that tells two operators apart.
pub fn verdict(old: &PlanFingerprint, new: &JobPlan) -> Verdict {
    decide(old, &PlanFingerprint::of(new))
}

fn decide(old: &PlanFingerprint, new: &PlanFingerprint) -> Verdict {
    let (mut kept, mut begun) = (Vec::new(), Vec::new());
    for operator in &new.operators {
        match old.operators.iter().find(|known| known.id == operator.id) {
            None => begun.push(operator.id.clone()),
            Some(known) => match difference(known, operator)
                .or_else(|| mistaken(known, operator, &[old, new]))
            {
                None => kept.push(operator.id.clone()),
                Some(why) => return Verdict::Incompatible { operator: operator.id.clone(), why },
            },
        }
    }
    let gone = |known: &&OperatorFingerprint| !new.operators.iter().any(|o| o.id == known.id);
    let dropped: Vec<OperatorId> =
        old.operators.iter().filter(gone).map(|known| known.id.clone()).collect();
    if dropped.is_empty() && begun.is_empty() {
        return Verdict::Same;
    }
    Verdict::Partly { kept, dropped, new: begun }
}

/// Why `new` cannot read the state of `old`, which has the same id.
fn difference(old: &OperatorFingerprint, new: &OperatorFingerprint) -> Option<String> {
    if old.kind != new.kind {
        return Some(format!("was a {}, is a {}", old.kind, new.kind));
    }
    let (before, after) = (typed(&old.keys), typed(&new.keys));
    if before != after {
        return Some(format!(
            "its keys were ({before}), and are ({after}): cast them to the former types, or start \
             the job without its state"
        ));
    }
    if old.windows != new.windows {
        let text = |windows: &Option<String>| windows.clone().unwrap_or_else(|| "none".to_owned());
        return Some(format!(
            "its windows were {}, and are {}",
            text(&old.windows),
            text(&new.windows)
        ));
    }
    if old.state == new.state {
        return None;
    }
    let only = |a: &[String], b: &[String]| {
        let missing: Vec<&str> = a.iter().filter(|p| !b.contains(p)).map(String::as_str).collect();
        missing.join("; ")
    };
    let (lost, added) = (only(&old.state, &new.state), only(&new.state, &old.state));
    let mut parts = Vec::new();
    if !lost.is_empty() {
        parts.push(format!("no longer has {lost}"));
    }
    if !added.is_empty() {
        parts.push(format!("has not yet {added}"));
    }
    if parts.is_empty() {
        parts.push("has its parts in another order".to_owned());
    }
    Some(format!(
        "its state {}: write the query with the former aggregates and columns, or start the job \
         without its state",
        parts.join(" and ")
    ))
}

/// Why `old` and `new`, which have the same id, may be two different ones of several alike.
fn mistaken(
    old: &OperatorFingerprint,
    new: &OperatorFingerprint,
    plans: &[&PlanFingerprint],
) -> Option<String> {
    let alike = |plan: &&&PlanFingerprint| {
        plan.operators.iter().filter(|other| other.family() == new.family()).count() > 1
    };
    let several = plans.iter().any(|plan| alike(&plan));
    (several && old.reads != new.reads).then(|| {
        format!(
            "there are several operators like it, and it read ({}), but now reads ({}): keep their \
             order and their filters, or start the job without its state",
            old.reads.join("; "),
            new.reads.join("; ")
        )
    })
}

fn typed(keys: &[(String, String)]) -> String {
    keys.iter().map(|(name, kind)| format!("{name}: {kind}")).collect::<Vec<_>>().join(", ")
}
