//! How large the fleet is and how it behaves.

/// Settings of a simulated fleet. Times are of events: the simulation has no clock.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetSettings {
    /// Everything follows from it.
    pub seed: u64,
    /// When it begins, milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// How long it lasts; `None` for without end.
    pub duration_ms: Option<i64>,
    /// Appliances.
    pub appliances: usize,
    /// Places where they stand; each has one AS.
    pub sites: usize,
    /// The most prefixes of its AS that an appliance announces; the largest ones.
    pub prefixes: usize,
    /// Files that there are.
    pub files: usize,
    /// Files that an appliance holds.
    pub files_held: usize,
    /// An appliance reports at least this often.
    pub report_every_ms: i64,
    /// An event comes up to this much after its time.
    pub delay_ms: i64,
    /// Share of events that come twice.
    pub duplicates: f64,
    /// Mean time from the end of an appliance's failure to its next.
    pub mean_up_ms: f64,
    /// Mean time of a failure; none lasts longer than four times that.
    pub mean_down_ms: f64,
    /// Mean time between changes of what an appliance holds, and of what it announces.
    pub mean_change_ms: f64,
    /// Mean time between errors of players that an appliance serves while it is well.
    pub mean_error_ms: f64,
}

impl Default for FleetSettings {
    /// 300 appliances at 60 sites, from the first second of 2026: about 60 reports a second.
    fn default() -> Self {
        Self {
            seed: 1,
            start_ms: 1_767_225_600_000,
            duration_ms: None,
            appliances: 300,
            sites: 60,
            prefixes: 32,
            files: 2_000,
            files_held: 200,
            report_every_ms: 5_000,
            delay_ms: 250,
            duplicates: 0.005,
            mean_up_ms: 1_800_000.0,
            mean_down_ms: 60_000.0,
            mean_change_ms: 60_000.0,
            mean_error_ms: 30_000.0,
        }
    }
}

impl FleetSettings {
    /// The fleet that makes so many reports in a second of event time, five appliances a site.
    #[must_use]
    pub fn at_rate(self, reports_per_s: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a number of appliances; a cast saturates"
        )]
        let appliances = (reports_per_s * self.report_every_ms as f64 / 1000.0).ceil() as usize;
        self.sized(appliances.max(1))
    }

    /// The fleet of so many appliances, five a site.
    #[must_use]
    pub fn sized(self, appliances: usize) -> Self {
        Self { appliances, sites: appliances.div_ceil(5), ..self }
    }
}
