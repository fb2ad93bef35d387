//! The simulated appliances of the demo, and real addresses of clients for them to serve.

use std::collections::HashSet;
use std::iter::Peekable;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use millrace_bus::KafkaSettings;
use millrace_events::{Clock, ReplayEvent, SystemClock};
use millrace_generate::fleet::{AsRange, Fleet, FleetSettings, Prefix, Site, bundled_ranges};

use crate::send::ByKafka;

/// What the fleet is drawn from.
const SEED: u64 = 2016;
const APPLIANCES: usize = 200;
/// How long the fleet has been there when it is first heard of. Three reports in a row make an
/// appliance up; this is time for four.
const BEGAN_MS: i64 = 20_000;
/// So much time is between two failures, or changes, that there are none.
const NEVER_MS: f64 = 1e12;
/// Between two times that reports are sent.
const TICK: Duration = Duration::from_millis(250);

/// An address that asks, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    pub(crate) asn: u32,
    pub(crate) system: String,
}

/// Appliances that go on to report.
pub(super) struct Appliances {
    kafka: ByKafka,
    coming: Peekable<Fleet>,
    /// What there is to be known once all have been heard.
    pub(super) size: Size,
    pub(super) clients: Vec<Client>,
}

/// How much there is of a fleet, as steering counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) serving: usize,
    pub(super) prefixes: usize,
    pub(super) files: usize,
}

impl Appliances {
    /// Sends what they have said so far.
    pub(super) async fn begin(kafka: &KafkaSettings) -> anyhow::Result<Self> {
        let (clients, fleet) = tokio::task::spawn_blocking(fleet).await??;
        let kafka = ByKafka::new(kafka)?;
        let size = Size { serving: APPLIANCES, prefixes: 0, files: 0 };
        let mut begun = Self { kafka, coming: fleet.peekable(), size, clients };
        let due = begun.due();
        let different = |name: &str| {
            let told =
                due.iter().filter_map(|event| serde_json::from_slice::<Value>(&event.json).ok());
            told.filter_map(|event| event[name].as_str().map(str::to_owned)).collect::<HashSet<_>>()
        };
        begun.size.prefixes = different("prefix").len();
        begun.size.files = different("file_id").len();
        begun.kafka.send(due).await?;
        Ok(begun)
    }

    /// Reports as time passes, until `stop`.
    pub(super) async fn go_on(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        while stop.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
            let due = self.due();
            self.kafka.send(due).await?;
        }
        Ok(())
    }

    /// What has come by now.
    fn due(&mut self) -> Vec<ReplayEvent> {
        let now_ms = SystemClock::default().now_ms();
        std::iter::from_fn(|| self.coming.next_if(|event| event.event_time_ms <= now_ms)).collect()
    }
}

fn fleet() -> anyhow::Result<(Vec<Client>, Fleet)> {
    let ranges = bundled_ranges()?;
    let settings = FleetSettings {
        seed: SEED,
        start_ms: SystemClock::default().now_ms() - BEGAN_MS,
        appliances: APPLIANCES,
        sites: APPLIANCES / 5,
        prefixes: 8,
        files: 400,
        files_held: 60,
        mean_up_ms: NEVER_MS,
        mean_change_ms: NEVER_MS,
        ..FleetSettings::default()
    };
    let fleet = Fleet::new(settings, &ranges);
    let sites: Vec<Site> = fleet.sites().cloned().collect();
    Ok((clients(&sites, &ranges), fleet))
}

/// Five: two of prefixes that appliances announce, one of these of IPv6, two of systems that have
/// appliances and do not announce these addresses, and one of a system that has none.
fn clients(sites: &[Site], ranges: &[AsRange]) -> Vec<Client> {
    let with = |found: Option<(IpAddr, u32, &str)>| {
        found.map(|(address, asn, system)| Client { address, asn, system: system.to_owned() })
    };
    let announced = |v4: bool| {
        let of_site = |site| prefixes(site).map(move |prefix| (prefix, site));
        let mut all = sites.iter().flat_map(of_site);
        let found = all.find(|(prefix, _)| prefix.address.is_ipv4() == v4);
        found.map(|(p, site)| (inside(p.address), site.asn, site.as_name.as_str()))
    };
    let systems: HashSet<u32> = sites.iter().map(|site| site.asn).collect();
    let all: Vec<&Prefix> = sites.iter().flat_map(prefixes).collect();
    let silent = |range: &&AsRange| {
        let inside =
            |prefix: &&Prefix| range.first <= prefix.last() && prefix.address <= range.last;
        systems.contains(&range.asn) && range.first.is_ipv4() && !all.iter().any(inside)
    };
    let of_range = |range: &AsRange| (range.first, range.asn, range.name.clone());
    let mut unannounced = ranges.iter().filter(silent).map(of_range);
    let first = unannounced.next();
    let other = unannounced.find(|found| first.as_ref().is_none_or(|first| first.1 != found.1));
    let foreign = |range: &&AsRange| range.first.is_ipv4() && !systems.contains(&range.asn);
    let far = ranges.iter().find(foreign).map(of_range);
    let from_ranges = [first, other, far].into_iter().flatten();
    let from_ranges = from_ranges.map(|(address, asn, name)| Client {
        address: inside(address),
        asn,
        system: name.to_string(),
    });
    [with(announced(true)), with(announced(false))]
        .into_iter()
        .flatten()
        .chain(from_ranges)
        .collect()
}

fn prefixes(site: &Site) -> impl Iterator<Item = &Prefix> {
    site.prefixes.iter()
}

/// An address a little after the first of a block, as a host has.
fn inside(first: IpAddr) -> IpAddr {
    match first {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) | 7).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) | 7).into(),
    }
}
