//! When an appliance fails, how, and until when.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::settings::FleetSettings;

/// How an appliance fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It says nothing.
    Silent,
    /// It is asked for more than it can carry.
    Overloaded,
    /// Its disks do not read.
    DiskErrors,
    /// It is well in one report and near its limit in the next.
    Flapping,
}

/// A failure; times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// How it fails.
    pub kind: FailureKind,
    /// When it begins.
    pub from_ms: i64,
    /// When it is over.
    pub to_ms: i64,
}

/// The failures of one appliance, in order and without end.
#[derive(Debug, Clone)]
pub struct Failures {
    rng: StdRng,
    after_ms: i64,
    mean_up_ms: f64,
    mean_down_ms: f64,
}

impl Failures {
    /// The failures of the appliance with this number.
    #[must_use]
    pub fn of(settings: &FleetSettings, appliance: usize) -> Self {
        Self {
            rng: stream(settings.seed, appliance, 1),
            after_ms: settings.start_ms,
            mean_up_ms: settings.mean_up_ms,
            mean_down_ms: settings.mean_down_ms,
        }
    }
}

impl Iterator for Failures {
    type Item = Failure;

    fn next(&mut self) -> Option<Failure> {
        let from_ms = self.after_ms + after(&mut self.rng, self.mean_up_ms);
        let lasts = after(&mut self.rng, self.mean_down_ms);
        let to_ms = from_ms + lasts.min(after_at_most(self.mean_down_ms));
        let kind = match self.rng.random_range(0..10) {
            0..4 => FailureKind::Silent,
            4..6 => FailureKind::Overloaded,
            6..8 => FailureKind::DiskErrors,
            _ => FailureKind::Flapping,
        };
        self.after_ms = to_ms;
        Some(Failure { kind, from_ms, to_ms })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a cast saturates")]
fn after_at_most(mean_ms: f64) -> i64 {
    (4.0 * mean_ms) as i64
}

/// Time to the next of what happens at random, at least a millisecond.
#[expect(clippy::cast_possible_truncation, reason = "a cast saturates; times are not that long")]
pub(super) fn after(rng: &mut StdRng, mean_ms: f64) -> i64 {
    let uniform: f64 = rng.random();
    ((-(1.0 - uniform).ln() * mean_ms) as i64).clamp(1, i64::from(u32::MAX))
}

/// Random numbers of one purpose of one appliance: they do not depend on how many others there are.
pub(super) fn stream(seed: u64, appliance: usize, purpose: u64) -> StdRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&(appliance as u64).to_le_bytes());
    bytes[16..24].copy_from_slice(&purpose.to_le_bytes());
    StdRng::from_seed(bytes)
}
