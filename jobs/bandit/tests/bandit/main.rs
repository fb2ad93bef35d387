//! The bandit's promises: exact learning, true propensities, less regret, sound estimates.

mod guard;
mod learning;
mod ope;
mod policies;
mod regret;

use millrace_bandit::{Arm, Counts};

/// An image that was shown and played so often.
fn arm(impressions: u64, plays: u64) -> Arm {
    Arm::new(Counts { impressions, plays }, None, 1.0)
}
