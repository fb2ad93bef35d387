//! The reconciler: what is wanted of each job and what there is of it, and the next step between.
//!
//! Every step may be cut off anywhere and is decided anew from what is there then.

mod decide;
mod effect;
mod policy;
mod status;
#[cfg(test)]
mod testing;

pub use decide::{Actual, Step, Want, decide, next_run};
pub use effect::{Effect, effects};
pub use policy::Policy;
pub use status::status;
