//! The fleet as an iterator of events, in the order in which they come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use millrace_events::ReplayEvent;
use rand::Rng;
use rand::rngs::StdRng;

use super::appliance::Appliance;
use super::failure::{after, stream};
use super::ranges::AsRange;
use super::settings::FleetSettings;
use super::site::{Site, sites};

/// Within this time of the start every appliance has reported, announced its prefixes and told its
/// files.
const WARM_UP_MS: i64 = 2_000;

/// What happens next at an appliance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Begin,
    Report,
    ChangeFiles,
    ChangeRoutes,
    ClientError,
}

/// An event on its way. Ordered by when it comes.
struct Coming {
    at_ms: i64,
    number: u64,
    event: ReplayEvent,
}

impl PartialEq for Coming {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Coming {}

impl PartialOrd for Coming {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Coming {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

/// The events of a simulated fleet on the streams `oca_reports`, `oca_routes`, `oca_files` and
/// `client_errors`, in the order in which they come: each at most `delay_ms` after its time, some
/// twice.
pub struct Fleet {
    settings: FleetSettings,
    sites: Vec<Arc<Site>>,
    appliances: Vec<Appliance>,
    actions: BinaryHeap<Reverse<(i64, usize, Action)>>,
    coming: BinaryHeap<Reverse<Coming>>,
    rng: StdRng,
    sent: u64,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Fleet {
    /// A fleet in the systems of `ranges`.
    #[must_use]
    pub fn new(settings: FleetSettings, ranges: &[AsRange]) -> Self {
        let mut rng = stream(settings.seed, 0, 0);
        let found = sites(ranges, settings.sites, settings.prefixes, &mut rng);
        let sites: Vec<_> = found.into_iter().map(Arc::new).collect();
        // Ids of a fleet that is started again later are others.
        let run: Arc<str> = format!("{:x}-{:x}", settings.seed, settings.start_ms).into();
        let mut fleet = Self {
            appliances: Vec::new(),
            actions: BinaryHeap::new(),
            coming: BinaryHeap::new(),
            sent: 0,
            settings,
            sites,
            rng,
        };
        let count = if fleet.sites.is_empty() { 0 } else { fleet.settings.appliances };
        for number in 0..count {
            let site = Arc::clone(&fleet.sites[number % fleet.sites.len()]);
            let place = number / fleet.sites.len();
            let run = Arc::clone(&run);
            fleet.appliances.push(Appliance::new(number, site, place, run, &fleet.settings));
            fleet.plan_first(number);
        }
        fleet
    }

    /// The sites.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().map(AsRef::as_ref)
    }

    /// Ids of the appliances, and where each stands.
    pub fn appliances(&self) -> impl Iterator<Item = (&str, &Site)> {
        self.appliances.iter().map(|appliance| (appliance.id(), appliance.site()))
    }

    fn plan_first(&mut self, number: usize) {
        let start = self.settings.start_ms;
        self.plan(start, number, Action::Begin);
        let first = start + self.rng.random_range(0..WARM_UP_MS);
        self.plan(first, number, Action::Report);
        let steady = start + WARM_UP_MS;
        for (action, mean) in [
            (Action::ChangeFiles, self.settings.mean_change_ms),
            (Action::ChangeRoutes, self.settings.mean_change_ms),
            (Action::ClientError, self.settings.mean_error_ms),
        ] {
            let at = steady + after(&mut self.rng, mean);
            self.plan(at, number, action);
        }
    }

    fn plan(&mut self, at_ms: i64, number: usize, action: Action) {
        let over = self.settings.duration_ms.map(|lasts| self.settings.start_ms + lasts);
        if over.is_none_or(|over| at_ms < over) {
            self.actions.push(Reverse((at_ms, number, action)));
        }
    }

    fn send_all(&mut self, events: impl IntoIterator<Item = ReplayEvent>) {
        for event in events {
            self.send(event);
        }
    }

    fn send(&mut self, event: ReplayEvent) {
        let twice = self.rng.random_bool(self.settings.duplicates.clamp(0.0, 1.0));
        for event in twice.then(|| event.clone()).into_iter().chain([event]) {
            let at_ms = event.event_time_ms + self.rng.random_range(0..=self.settings.delay_ms);
            self.sent += 1;
            self.coming.push(Reverse(Coming { at_ms, number: self.sent, event }));
        }
    }

    fn act(&mut self, at_ms: i64, number: usize, action: Action) {
        let appliance = &mut self.appliances[number];
        match action {
            Action::Begin => {
                let when = |rng: &mut StdRng| at_ms + rng.random_range(0..WARM_UP_MS);
                let events = appliance.begin(when);
                self.send_all(events);
            }
            Action::Report => {
                let (event, next) = appliance.report(at_ms);
                self.send_all(event);
                self.plan(next, number, action);
            }
            Action::ChangeFiles => {
                let events = appliance.change_files(at_ms);
                self.send_all(events);
                let next = at_ms + after(&mut self.rng, self.settings.mean_change_ms);
                self.plan(next, number, action);
            }
            Action::ChangeRoutes => {
                let event = appliance.change_routes(at_ms);
                self.send_all(event);
                let next = at_ms + after(&mut self.rng, self.settings.mean_change_ms);
                self.plan(next, number, action);
            }
            Action::ClientError => {
                let (event, next) = appliance.client_error(at_ms);
                self.send(event);
                self.plan(next, number, action);
            }
        }
    }
}

impl Iterator for Fleet {
    type Item = ReplayEvent;

    /// Whatever comes before the next action is certain: an action's events come after it.
    fn next(&mut self) -> Option<ReplayEvent> {
        loop {
            let certain = match (self.coming.peek(), self.actions.peek()) {
                (Some(Reverse(coming)), Some(Reverse((at_ms, ..)))) => coming.at_ms < *at_ms,
                (_, None) => true,
                (None, Some(_)) => false,
            };
            if certain {
                return self.coming.pop().map(|Reverse(coming)| coming.event);
            }
            let Reverse((at_ms, number, action)) = self.actions.pop()?;
            self.act(at_ms, number, action);
        }
    }
}
