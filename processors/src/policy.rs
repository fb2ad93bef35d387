//! What a start may do with the state there is.

use millrace_plan::Verdict;
use millrace_state::Manifest;

use crate::{END_OF_TIME, JobError, NO_WATERMARK};

/// What a start may do with the state there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatePolicy {
    /// All of it must be usable.
    Keep,
    /// What the plan has no operator for is dropped.
    #[default]
    AllowDropped,
    /// Operators begin anew, and sources go on where they were: no event is read twice or left out.
    /// Closed windows stay closed, unless event time had come to its end.
    Fresh {
        /// Number of the newest checkpoint whose state is to be forgotten. Later ones are of a run
        /// that has begun anew already: their state is kept.
        through: u64,
    },
}

impl StatePolicy {
    /// Whether the state of `manifest` is forgotten.
    fn forgets(self, manifest: &Manifest) -> bool {
        matches!(self, Self::Fresh { through } if manifest.checkpoint <= through)
    }

    /// Fails if the state of `manifest`, with this verdict, must not be started from.
    pub(crate) fn check(self, manifest: &Manifest, verdict: Verdict) -> Result<(), JobError> {
        match verdict {
            _ if self.forgets(manifest) => Ok(()),
            Verdict::Incompatible { operator, why } => {
                Err(JobError::Incompatible { operator: operator.0, why })
            }
            Verdict::Partly { dropped, .. } if self == Self::Keep && !dropped.is_empty() => {
                let operators = dropped.into_iter().map(|operator| operator.0).collect();
                Err(JobError::WouldDrop { operators })
            }
            Verdict::Same | Verdict::Partly { .. } => Ok(()),
        }
    }

    /// What is left of `manifest` to start from. What sinks have prepared stays: it is committed.
    pub(crate) fn apply(self, mut manifest: Manifest) -> Manifest {
        if self.forgets(&manifest) {
            manifest.operators.clear();
            for split in manifest.sources.values_mut().flat_map(|splits| splits.values_mut()) {
                if split.watermark == END_OF_TIME {
                    split.watermark = NO_WATERMARK;
                }
            }
        }
        manifest
    }
}

#[cfg(test)]
mod tests {
    use millrace_plan::OperatorId;

    use super::*;

    fn verdicts() -> [Verdict; 4] {
        let some = || vec![OperatorId("x".to_owned())];
        let partly = |dropped| Verdict::Partly { kept: some(), dropped, new: some() };
        let operator = OperatorId("x".to_owned());
        [
            Verdict::Same,
            partly(Vec::new()),
            partly(some()),
            Verdict::Incompatible { operator, why: "of its keys".to_owned() },
        ]
    }

    #[test]
    fn each_policy_takes_what_it_says() {
        let manifest = Manifest { checkpoint: 7, ..Manifest::default() };
        let taken = |policy: StatePolicy| {
            verdicts().map(|verdict| policy.check(&manifest, verdict).is_ok())
        };
        assert_eq!(taken(StatePolicy::Keep), [true, true, false, false]);
        assert_eq!(taken(StatePolicy::AllowDropped), [true, true, true, false]);
        assert_eq!(taken(StatePolicy::Fresh { through: 7 }), [true; 4]);
        assert_eq!(taken(StatePolicy::Fresh { through: 6 }), [true, true, true, false]);
        let [_, _, drops, _] = verdicts();
        let refused = StatePolicy::Keep.check(&manifest, drops).unwrap_err();
        assert!(!refused.is_retryable());
        assert_eq!(refused.to_string(), "the job has no operator that takes over the state of `x`");
    }
}
