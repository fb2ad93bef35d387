//! One appliance: what it reports, announces and holds, and what fails.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::sync::Arc;

use millrace_events::ReplayEvent;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::event::{ClientError, Report, Route, StoredFile, event};
use super::failure::{FailureKind, Failures, after, stream};
use super::settings::FleetSettings;
use super::site::Site;

const CAPACITIES: [f64; 4] = [10_000.0, 20_000.0, 40_000.0, 100_000.0];
const VERSIONS: [&str; 3] = ["11.4.0", "11.4.2", "12.0.1"];
const DEVICES: [&str; 4] = ["tv", "phone", "tablet", "web"];
const CLIENT_VERSIONS: [&str; 3] = ["8.1", "8.2", "9.0"];
const ERRORS: [&str; 4] = ["timeout", "http_5xx", "connection_refused", "decode"];
/// Encodings of a title, of which each is a file.
const ENCODINGS: [&str; 4] = ["sd", "hd", "uhd", "audio"];
const MEMBERS: u32 = 100_000;
/// How quickly files get less popular with their rank.
const POPULARITY: f64 = 0.8;

/// The id of a file by its rank: four encodings a title, popular titles first.
#[must_use]
pub fn file_id(rank: usize) -> String {
    format!("{}-{}", rank / ENCODINGS.len(), ENCODINGS[rank % ENCODINGS.len()])
}

pub(super) struct Appliance {
    id: String,
    base_url: String,
    site: Arc<Site>,
    version: &'static str,
    capacity_mbps: f64,
    /// Its usual load as a share of what it can carry.
    usual: f64,
    /// By rank.
    held: BTreeSet<usize>,
    /// Place of the prefix that it does not announce for now.
    withdrawn: Option<usize>,
    failures: Peekable<Failures>,
    rng: StdRng,
    /// Before the numbers of its events: they are unique to the settings.
    run: Arc<str>,
    events: u64,
    files: usize,
    report_every_ms: i64,
    /// Whether it has begun to report.
    reports: bool,
    mean_error_ms: f64,
}

impl Appliance {
    pub(super) fn new(
        number: usize,
        site: Arc<Site>,
        place: usize,
        run: Arc<str>,
        settings: &FleetSettings,
    ) -> Self {
        let mut rng = stream(settings.seed, number, 2);
        let id = format!("{}-{place:02}", site.name);
        let held = popular(settings.files, settings.files_held, &mut rng);
        Self {
            base_url: format!("https://{id}.oca.example"),
            id,
            site,
            version: VERSIONS.choose(&mut rng).expect("there are versions"),
            capacity_mbps: *CAPACITIES.choose(&mut rng).expect("there are capacities"),
            usual: rng.random_range(0.2..0.6),
            held,
            withdrawn: None,
            failures: Failures::of(settings, number).peekable(),
            rng,
            run,
            events: 0,
            files: settings.files,
            report_every_ms: settings.report_every_ms,
            reports: false,
            mean_error_ms: settings.mean_error_ms,
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    fn failing(&mut self, at_ms: i64) -> Option<FailureKind> {
        while self.failures.next_if(|failure| failure.to_ms <= at_ms).is_some() {}
        let next = self.failures.peek().expect("failures have no end");
        (next.from_ms <= at_ms).then_some(next.kind)
    }

    fn next_id(&mut self) -> String {
        self.events += 1;
        format!("{}-{}-{}", self.run, self.id, self.events)
    }

    /// What it reports, and when it reports next.
    pub(super) fn report(&mut self, at_ms: i64) -> (Option<ReplayEvent>, i64) {
        let every = self.report_every_ms;
        // All begin at once; after the first interval each has a phase of its own.
        let first = !std::mem::replace(&mut self.reports, true);
        let least = if first { every / 10 } else { every - every / 10 };
        let next = at_ms + self.rng.random_range(least..=every);
        let failing = self.failing(at_ms);
        let noise = self.rng.random_range(-0.05..0.05);
        let id = self.next_id();
        let near_limit = failing == Some(FailureKind::Flapping) && self.events.is_multiple_of(2);
        let share = match failing {
            Some(FailureKind::Silent) => return (None, next),
            Some(FailureKind::Overloaded) => 1.05 + noise,
            Some(FailureKind::Flapping) if near_limit => 0.97,
            _ => self.usual + noise,
        };
        let disks_fail = failing == Some(FailureKind::DiskErrors);
        let report = Report {
            oca_id: &self.id,
            site: &self.site.name,
            asn: self.site.asn,
            country: self.site.country,
            latitude: self.site.latitude,
            longitude: self.site.longitude,
            version: self.version,
            base_url: &self.base_url,
            capacity_mbps: self.capacity_mbps,
            load_mbps: (self.capacity_mbps * share * 10.0).round() / 10.0,
            cpu: ((0.15 + 0.8 * share).min(1.0) * 1000.0).round() / 1000.0,
            disk_errors: if disks_fail { self.rng.random_range(5..40) } else { 0 },
        };
        (Some(event("oca_reports", id, at_ms, self.id.clone(), report)), next)
    }

    /// All that it announces and holds when it begins.
    pub(super) fn begin(&mut self, mut at_ms: impl FnMut(&mut StdRng) -> i64) -> Vec<ReplayEvent> {
        let mut events = Vec::new();
        for place in 0..self.site.prefixes.len() {
            let at_ms = at_ms(&mut self.rng);
            events.push(self.route(place, "announce", at_ms));
        }
        for rank in self.held.clone() {
            let at_ms = at_ms(&mut self.rng);
            events.push(self.file(rank, "add", at_ms));
        }
        events
    }

    /// One file makes room for another.
    pub(super) fn change_files(&mut self, at_ms: i64) -> Vec<ReplayEvent> {
        let held: Vec<usize> = self.held.iter().copied().collect();
        let Some(leaves) = held.choose(&mut self.rng).copied() else { return Vec::new() };
        let square = self.rng.random::<f64>().powi(2);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place below the number of files"
        )]
        let popular = (square * self.files as f64) as usize;
        let Some(comes) = (popular..self.files).find(|rank| !self.held.contains(rank)) else {
            return Vec::new();
        };
        self.held.remove(&leaves);
        self.held.insert(comes);
        vec![self.file(leaves, "remove", at_ms), self.file(comes, "add", at_ms)]
    }

    /// It withdraws a prefix, or announces again what it had withdrawn.
    pub(super) fn change_routes(&mut self, at_ms: i64) -> Option<ReplayEvent> {
        if let Some(place) = self.withdrawn.take() {
            return Some(self.route(place, "announce", at_ms));
        }
        // Its last prefix it keeps.
        let count = self.site.prefixes.len();
        if count < 2 {
            return None;
        }
        let place = self.rng.random_range(0..count);
        self.withdrawn = Some(place);
        Some(self.route(place, "withdraw", at_ms))
    }

    /// An error of a player that it serves, and when the next comes.
    pub(super) fn client_error(&mut self, at_ms: i64) -> (ReplayEvent, i64) {
        let more = if self.failing(at_ms).is_some() { 10.0 } else { 1.0 };
        let next = at_ms + after(&mut self.rng, self.mean_error_ms / more);
        let id = self.next_id();
        let member_id = self.rng.random_range(1..=MEMBERS);
        let choose = |of: &[&'static str], rng: &mut StdRng| *of.choose(rng).expect("not empty");
        let error = ClientError {
            member_id,
            device: choose(&DEVICES, &mut self.rng),
            client_version: choose(&CLIENT_VERSIONS, &mut self.rng),
            oca_id: &self.id,
            error: choose(&ERRORS, &mut self.rng),
        };
        (event("client_errors", id, at_ms, member_id.to_string(), error), next)
    }

    fn route(&mut self, place: usize, action: &str, at_ms: i64) -> ReplayEvent {
        let (id, prefix) = (self.next_id(), self.site.prefixes[place].to_string());
        let route = Route { oca_id: &self.id, prefix, action };
        event("oca_routes", id, at_ms, self.id.clone(), route)
    }

    fn file(&mut self, rank: usize, action: &str, at_ms: i64) -> ReplayEvent {
        let id = self.next_id();
        let file = StoredFile { oca_id: &self.id, file_id: file_id(rank), action };
        event("oca_files", id, at_ms, self.id.clone(), file)
    }
}

/// `count` of `files` ranks at random, popular ones more likely.
///
/// Weighted sampling without replacement: the greatest of `ln(u) / weight` (Efraimidis and
/// Spirakis,
/// *Weighted random sampling with a reservoir*, 2006).
fn popular(files: usize, count: usize, rng: &mut StdRng) -> BTreeSet<usize> {
    let mut keys: Vec<(f64, usize)> = (0..files)
        .map(|rank| {
            #[expect(clippy::cast_precision_loss, reason = "a weight")]
            let weight = ((rank + 1) as f64).powf(-POPULARITY);
            ((1.0 - rng.random::<f64>()).ln() / weight, rank)
        })
        .collect();
    keys.sort_by(|a, b| b.0.total_cmp(&a.0));
    keys.into_iter().take(count).map(|(_, rank)| rank).collect()
}
