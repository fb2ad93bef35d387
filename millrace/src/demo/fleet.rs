//! The simulated appliances of the demo, and real addresses of clients for them to serve.

use std::collections::{BTreeMap, HashSet};
use std::iter::Peekable;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use millrace_bus::KafkaSettings;
use millrace_events::{Clock, ReplayEvent, SystemClock};
use millrace_generate::fleet::{AsRange, Fleet, FleetSettings, Site, bundled_ranges};

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

/// Five: an address of IPv4 and one of IPv6 that appliances announce, two of systems that have
/// appliances but do not announce these, and one of a system that has none.
fn clients(sites: &[Site], ranges: &[AsRange]) -> Vec<Client> {
    let all = sites.iter().flat_map(|site| site.prefixes.iter().map(move |prefix| (prefix, site)));
    let (v4, v6): (Vec<_>, Vec<_>) = all.partition(|(prefix, _)| prefix.address.is_ipv4());
    let announced = v4.first().into_iter().chain(v6.first());
    let announced =
        announced.map(|(prefix, site)| Client::at(prefix.address, site.asn, &site.as_name));
    let systems: HashSet<u32> = sites.iter().map(|site| site.asn).collect();
    let is_announced = |range: &AsRange| {
        v4.iter().any(|(prefix, _)| range.first <= prefix.last() && prefix.address <= range.last)
    };
    let (ours, others): (Vec<_>, Vec<_>) = ranges
        .iter()
        .filter(|range| range.first.is_ipv4())
        .partition(|range| systems.contains(&range.asn));
    let mut silent = BTreeMap::new();
    for range in ours.into_iter().filter(|range| !is_announced(range)) {
        silent.entry(range.asn).or_insert(range);
    }
    let unannounced = silent.into_values().take(2).chain(others.into_iter().take(1));
    let unannounced = unannounced.map(|range| Client::at(range.first, range.asn, &range.name));
    announced.chain(unannounced).collect()
}

impl Client {
    /// A little after the first address of a block, as a host is.
    fn at(first: IpAddr, asn: u32, system: &str) -> Self {
        let address = match first {
            IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) | 7).into(),
            IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) | 7).into(),
        };
        Self { address, asn, system: system.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use millrace_generate::fleet::Prefix;

    use super::*;

    #[test]
    fn the_clients_are_where_they_are_said_to_be() {
        let (clients, fleet) = fleet().unwrap();
        let prefixes: Vec<_> = fleet.sites().flat_map(|site| &site.prefixes).collect();
        let announced = |client: &Client| {
            let covers = |p: &&Prefix| p.address <= client.address && client.address <= p.last();
            prefixes.iter().any(covers)
        };
        let has_appliances = |client: &Client| fleet.sites().any(|site| site.asn == client.asn);
        let seen: Vec<_> =
            clients.iter().map(|client| (announced(client), has_appliances(client))).collect();
        let (silent, foreign) = ((false, true), (false, false));
        assert_eq!(seen, [(true, true), (true, true), silent, silent, foreign]);
        assert!(clients[0].address.is_ipv4() && clients[1].address.is_ipv6());
        assert_ne!(clients[2].asn, clients[3].asn);
        let of_ranges = bundled_ranges().unwrap();
        for client in clients {
            let mut ranges = of_ranges.iter().filter(|range| range.asn == client.asn);
            let holds = |r: &AsRange| r.first <= client.address && client.address <= r.last;
            assert!(ranges.any(holds), "{client:?}");
        }
    }
}
