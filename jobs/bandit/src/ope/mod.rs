//! Off-policy evaluation: the value that a policy would have had, from a log of another.
//!
//! | estimator | value | source |
//! |---|---|---|
//! | on-policy | mean of `r`: the logging policy's own value | |
//! | IPS | mean of `w r`, `w = π(a) / p` | Horvitz and Thompson 1952; Strehl et al. 2010 |
//! | SNIPS | `Σ w r / Σ w` | Swaminathan and Joachims 2015 |
//! | DM | mean of `Σ π(a) q(a)` | |
//! | DR | mean of `Σ π(a) q(a) + w (r − q(a))` | Dudík, Langford and Li 2011 |
//! | replay | mean of `r` where the policy would have shown the same | Li et al. 2011 |
//!
//! Replay needs a uniform log; a policy that draws is replayed with draws from a seed.

mod estimate;
mod interval;
mod reward;
mod trial;

pub use estimate::{Estimate, Estimator, Settings, evaluate};
pub use interval::{Interval, SplitMix64};
pub use reward::RewardModel;
pub use trial::{Trial, TrialError};
