//! An appliance: what it reported last, whether it may serve, how much of the traffic is its share.

use std::sync::Arc;

use twox_hash::XxHash3_64;

use super::places::Position;

/// What the feed says of an appliance.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Whether it is up.
    pub healthy: bool,
    /// How well it does, 0 to 1.
    pub score: Option<f64>,
    /// What it could serve more, in Mbit/s.
    pub headroom_mbps: f64,
    /// What it could serve at all, in Mbit/s; does not follow the load.
    pub capacity_mbps: Option<f64>,
    /// The site it is at.
    pub site: Option<Box<str>>,
    /// The AS it is in.
    pub asn: Option<u32>,
    /// The country it is in.
    pub country: Option<Box<str>>,
    /// Where it is.
    pub position: Option<Position>,
    /// What the addresses of its files begin with, without a slash at the end.
    pub base_url: Option<Box<str>>,
    /// When it last reported.
    pub last_report_ms: Option<i64>,
}

/// Why an appliance serves nobody now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The feed has no row of it.
    Unknown,
    /// The feed says it is down.
    Unhealthy,
    /// It has less headroom than asked for.
    NoHeadroom,
    /// Nobody knows its address.
    NoAddress,
}

/// A share of the traffic of a tier, in steps of two: 2^step.
///
/// Stable hashing moves files whenever a weight changes, so weights must not follow the load. They
/// come from the capacity where the feed has it, else from the headroom with hysteresis: the step
/// stays until the headroom has left it by a whole step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Weight(u8);

impl Weight {
    /// The weight of a figure in Mbit/s.
    pub fn of(mbps: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 30"
        )]
        Self(mbps.max(1.0).log2().floor().min(30.0) as u8)
    }

    /// The weight for a figure that moves, after this one.
    #[must_use]
    pub fn then(self, mbps: f64) -> Self {
        let next = Self::of(mbps);
        if next.0.abs_diff(self.0) <= 1 { self } else { next }
    }

    /// As a factor.
    pub fn factor(self) -> f64 {
        f64::from(1_u32 << self.0)
    }
}

/// An appliance that some feed has mentioned.
#[derive(Debug, Clone)]
pub struct Appliance {
    /// Its id.
    pub id: Arc<str>,
    /// The hash of its id, the same in every process.
    pub hash: u64,
    /// Its weight.
    pub weight: Weight,
    /// Whether it had less headroom than asked for, and not twice as much since: one that is taken
    /// out at the border sheds load, and would be back at once.
    pub full: bool,
    /// What the feed says; `None` before its row has come and after it has gone.
    pub report: Option<Report>,
}

impl Appliance {
    /// One that nothing is known of but its id.
    pub fn new(id: &str) -> Self {
        let hash = XxHash3_64::oneshot(id.as_bytes());
        Self { id: id.into(), hash, weight: Weight::default(), full: false, report: None }
    }

    /// Takes a report, with at least `min_headroom_mbps` asked of it.
    pub fn update(&mut self, report: Report, min_headroom_mbps: f64) {
        self.weight = match (report.capacity_mbps, &self.report) {
            (Some(capacity), _) => Weight::of(capacity),
            (None, Some(_)) => self.weight.then(report.headroom_mbps),
            (None, None) => Weight::of(report.headroom_mbps),
        };
        let least = if self.full { 2.0 * min_headroom_mbps } else { min_headroom_mbps };
        // Not a number is not enough.
        let enough = report.headroom_mbps >= least && report.headroom_mbps > 0.0;
        self.full = !enough;
        self.report = Some(report);
    }

    /// Why it serves nobody; `None` if it does serve.
    pub fn fault(&self) -> Option<Fault> {
        match &self.report {
            None => Some(Fault::Unknown),
            Some(Report { healthy: false, .. }) => Some(Fault::Unhealthy),
            Some(_) if self.full => Some(Fault::NoHeadroom),
            Some(Report { base_url: None, .. }) => Some(Fault::NoAddress),
            Some(_) => None,
        }
    }
}
