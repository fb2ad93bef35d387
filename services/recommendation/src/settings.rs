//! What the service is told at its start.

use std::time::Duration;

use millrace_bandit::{BetaPrior, Policy, PolicyKind};

use crate::ladder::RungSettings;
use crate::pressure::PressureLimits;
use crate::rank::Weights;

/// Settings of the service; the defaults work.
#[derive(Debug, Clone, PartialEq)]
pub struct RecommendationSettings {
    /// What chooses artwork.
    pub policy: Policy,
    /// What makes a title better than another.
    pub weights: Weights,
    /// What the rungs of the ladder may take.
    pub rungs: RungSettings,
    /// What the service can bear.
    pub limits: PressureLimits,
    /// Titles of a row, unless the request says otherwise.
    pub per_row: usize,
    /// Answers that wait to be logged; more are counted as lost.
    pub log_answers: usize,
    /// Topic of the impressions.
    pub impressions: String,
    /// Topic of the titles that members delete from their history.
    pub deletions: String,
    /// Feeds not heard of for so long count as stale.
    pub stale_after: Duration,
    /// Where draws of artwork begin.
    pub seed: u64,
}

impl Default for RecommendationSettings {
    fn default() -> Self {
        let kind = PolicyKind::BernoulliThompson { prior: BetaPrior::default() };
        Self {
            policy: Policy { kind, epsilon: 0.05 },
            weights: Weights::default(),
            rungs: RungSettings::default(),
            limits: PressureLimits::default(),
            per_row: 10,
            log_answers: 4096,
            impressions: "impressions".to_owned(),
            deletions: "history_deletions".to_owned(),
            stale_after: Duration::from_secs(15),
            seed: 0,
        }
    }
}

/// Most titles a row may be asked for.
pub(crate) const MAX_PER_ROW: usize = 50;
