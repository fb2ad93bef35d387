//! What becomes of a job's state when its query changes.

mod decide;
mod fingerprint;

pub use decide::{Verdict, verdict};
pub use fingerprint::{OperatorFingerprint, PlanFingerprint};
