//! Moments at which tests end the control plane.

use std::fmt::Debug;

/// Every moment: each comes right after an effect.
pub const FAULT_POINTS: [&str; 8] = [
    "after-record-run",
    "after-launch",
    "after-update-run",
    "after-ask-stop",
    "after-kill",
    "after-forget-runs",
    "after-forget-state",
    "after-remove-job",
];

/// Is told when a moment is reached. Production passes [`NoFault`].
pub trait FaultPoint: Send + Sync + Debug + 'static {
    /// One of [`FAULT_POINTS`] was reached.
    fn reached(&self, point: &'static str);
}

/// Does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFault;

impl FaultPoint for NoFault {
    fn reached(&self, _: &'static str) {}
}
