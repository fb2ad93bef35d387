//! Contextual bandits and off-policy evaluation: arithmetic alone.
//!
//! ```text
//!  impressions, plays ─► Counts, LinearStats ─► Arm ─► Policy ─► Distribution ─► Choice
//!                        (learn)                       (+ Context)  │ the image and its propensity
//!  logged impressions ─► ope::Trial ─► IPS, SNIPS, DR, replay       └► logged, learnt from again
//!                   └──► GuardStats ─► Ruling: follow the policy, or the best fixed image
//! ```
//!
//! Invariants: a choice is drawn from the very distribution whose probability is logged, so a
//! propensity is exact however the distribution was computed; every candidate has at least ε/k.
//!
//! Must not know: anything else of ours. No I/O, no clock; randomness is an argument.

mod arm;
mod context;
mod guard;
mod learn;
mod linear;
mod numeric;
pub mod ope;
mod policy;

pub use arm::{Arm, Candidate};
pub use context::{Context, FEATURES, Viewer};
pub use guard::{Guard, GuardStats, Ruling};
pub use learn::{Counts, LearnError, LinearStats, TRIANGLE, add_outer, add_scaled, numbers_json};
pub use linear::LinearModel;
pub use policy::{BetaPrior, Choice, Distribution, Policy, PolicyKind, thompson_ranks};
