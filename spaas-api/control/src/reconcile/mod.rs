//! The reconciler: what is wanted of each job and what there is of it, and the next step between.
//!
//! ```text
//!  store ── subject ─┐                              ┌─ effect, effect, … ─► store, launcher
//!                    ├─ decide (pure) ─► step ─ act ┤
//!  launcher ─ seen ──┘                              └─ tell ─► events, statuses, board
//! ```
//!
//! Every step may be cut off anywhere and is decided anew from what is there then.

mod act;
mod board;
mod decide;
mod effect;
mod fault;
mod policy;
mod run;
mod savepoints;
mod settings;
mod source;
mod status;
mod subject;
mod tell;
#[cfg(test)]
mod testing;

pub use board::LiveBoard;
pub use decide::{Actual, Step, Want, decide, next_run};
pub use effect::{Effect, effects};
pub use fault::{FAULT_POINTS, FaultPoint, NoFault};
pub use policy::Policy;
pub use run::{Reconciler, ReconcilerParts};
pub use settings::ReconcilerSettings;
pub use source::{AssignmentSource, BROKER, BuiltIn, BuiltInWork, Prepared, ROUTER, SYSTEM};
pub use status::status;
