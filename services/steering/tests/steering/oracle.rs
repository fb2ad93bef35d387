//! Answers equal those of an oracle that looks at everything, over the real prefixes.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use millrace_steering::fleet::{Appliance, AsnTable, Draft, Fleet, Report, file_hash};
use millrace_steering::steer::{Tier, score};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use crate::support::{asn_files, report};

const APPLIANCES: usize = 120;
const FILES: usize = 300;
const CLIENTS: usize = 100_000;

/// Everything, in the plainest form.
struct Oracle {
    ids: Vec<String>,
    reports: Vec<Option<Report>>,
    degrees: Vec<(f64, f64)>,
    /// By address and length.
    announced: HashMap<(IpAddr, u8), Vec<usize>>,
    holds: Vec<Vec<bool>>,
    ranges: BTreeMap<IpAddr, (IpAddr, u32)>,
}

fn blocks(first: IpAddr, last: IpAddr) -> Vec<IpNet> {
    match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Ipv4Subnets::new(a, b, 0).map(IpNet::V4).collect(),
        (IpAddr::V6(a), IpAddr::V6(b)) => Ipv6Subnets::new(a, b, 0).map(IpNet::V6).collect(),
        _ => unreachable!("a range has one family"),
    }
}

/// A fleet of appliances in real ASes, with every real prefix announced by one to three of them,
/// and some shorter and longer ones besides; and the oracle that knows the same.
fn world(rng: &mut StdRng) -> (Fleet, Oracle) {
    let table = Arc::new(AsnTable::load(&asn_files()).unwrap());
    let ranges: Vec<_> = table.ranges().collect();
    let mut oracle = Oracle {
        ids: (0..APPLIANCES).map(|no| format!("oca-{no}")).collect(),
        reports: Vec::new(),
        degrees: Vec::new(),
        announced: HashMap::new(),
        holds: vec![vec![false; APPLIANCES]; FILES],
        ranges: ranges.iter().map(|(a, b, asn)| (*a, (*b, *asn))).collect(),
    };
    let mut draft = Draft::new(table, 100.0);
    let mut order: Vec<usize> = (0..APPLIANCES).collect();
    order.shuffle(rng);
    for no in 0..APPLIANCES {
        // Whole tenths of a degree: a third of the appliances share a place with another.
        let site: i32 = if no % 3 == 0 { 0 } else { i32::try_from(no).unwrap() };
        let degrees =
            (f64::from(site * 37 % 1400 - 700) / 10.0, f64::from(site * 91 % 3600 - 1800) / 10.0);
        // Large systems, so that some clients are in one.
        let asn = ranges.choose(rng).unwrap().2;
        let report = Report {
            healthy: rng.random_bool(0.9),
            headroom_mbps: *[5.0, 99.9, 100.0, 3_000.0, 9_000.0].choose(rng).unwrap(),
            capacity_mbps: Some(f64::from(rng.random_range(1_000..40_000))),
            base_url: rng.random_bool(0.95).then(|| "https://oca.example".into()),
            position: report(0, degrees).position.filter(|_| no % 10 != 9),
            ..report(asn, degrees)
        };
        oracle.reports.push((no % 40 != 7).then_some(report));
        oracle.degrees.push(degrees);
    }
    for no in order {
        if let Some(report) = oracle.reports[no].clone() {
            draft.report(&oracle.ids[no], Some(report)).unwrap();
        }
    }
    for (first, last, _) in &ranges {
        // A sixth is announced by nobody, so that the other tiers are met as well.
        if rng.random_ratio(1, 6) {
            continue;
        }
        let mut nets = blocks(*first, *last);
        let net = nets[0];
        nets.truncate(1);
        if rng.random_ratio(1, 20) {
            nets.extend(net.supernet());
        }
        if rng.random_ratio(1, 20) {
            nets.push(IpNet::new_assert(net.addr(), net.max_prefix_len()));
        }
        for net in nets {
            for _ in 0..rng.random_range(1..=3) {
                let no = rng.random_range(0..APPLIANCES);
                draft.announce(&oracle.ids[no], net).unwrap();
                oracle.announced.entry((net.network(), net.prefix_len())).or_default().push(no);
            }
        }
    }
    for file in 1..FILES {
        let copies = *[1, 3, 12, 60].choose(rng).unwrap();
        for _ in 0..copies {
            let no = rng.random_range(0..APPLIANCES);
            draft.add_file(&oracle.ids[no], &format!("file-{file}")).unwrap();
            oracle.holds[file][no] = true;
        }
    }
    (draft.snapshot().unwrap(), oracle)
}

/// A client in a real range, or anywhere.
fn client(rng: &mut StdRng, ranges: &[(IpAddr, IpAddr, u32)]) -> IpAddr {
    match ranges.choose(rng).unwrap() {
        _ if rng.random_ratio(1, 10) => IpAddr::V4(rng.random::<u32>().into()),
        (IpAddr::V4(a), IpAddr::V4(b), _) => {
            IpAddr::V4(rng.random_range(u32::from(*a)..=u32::from(*b)).into())
        }
        (IpAddr::V6(a), IpAddr::V6(b), _) => {
            IpAddr::V6(rng.random_range(u128::from(*a)..=u128::from(*b)).into())
        }
        _ => unreachable!("a range has one family"),
    }
}

impl Oracle {
    /// Of each length, longest first, who announces the prefix of that length that `ip` is in.
    fn covering(&self, ip: IpAddr) -> Vec<(u8, &Vec<usize>)> {
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let at = |length| {
            let key = (IpNet::new_assert(ip, length).network(), length);
            Some((length, self.announced.get(&key)?))
        };
        (0..=longest).rev().filter_map(at).collect()
    }

    /// The same, by asking every announced prefix.
    fn scanned(&self, ip: IpAddr) -> Vec<(u8, &Vec<usize>)> {
        let nets = self.announced.iter().filter(|((net, length), _)| match (net, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(*length);
                u32::from(*net).checked_shr(shift) == u32::from(ip).checked_shr(shift)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(*length);
                u128::from(*net).checked_shr(shift) == u128::from(ip).checked_shr(shift)
            }
            _ => false,
        });
        let mut found: Vec<_> = nets.map(|((_, length), by)| (*length, by)).collect();
        found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        found
    }

    fn asn(&self, ip: IpAddr) -> Option<u32> {
        let (_, (last, asn)) = self.ranges.range(..=ip).next_back()?;
        (*last >= ip && last.is_ipv4() == ip.is_ipv4()).then_some(*asn)
    }

    fn position(&self, no: usize) -> Option<(f64, f64)> {
        self.reports[no].as_ref()?.position.map(|_| self.degrees[no])
    }

    fn answer(&self, ip: IpAddr, file: usize) -> Vec<(String, Tier)> {
        let (covering, asn) = (self.covering(ip), self.asn(ip));
        let of_as = |no: &usize| self.reports[*no].as_ref().is_some_and(|r| r.asn == asn);
        let first = covering.first().map(|(_, by)| (*by).clone()).unwrap_or_default();
        let mut at: Vec<_> = first.iter().filter_map(|no| self.position(*no)).collect();
        if at.is_empty() && asn.is_some() {
            at = (0..APPLIANCES).filter(of_as).filter_map(|no| self.position(no)).collect();
        }
        let name = format!("file-{file}");
        let mut all = Vec::new();
        for no in (0..APPLIANCES).filter(|no| self.holds[file][*no]) {
            let Some(report) = &self.reports[no] else { continue };
            if !report.healthy || report.headroom_mbps < 100.0 || report.base_url.is_none() {
                continue;
            }
            let announced = covering.iter().find(|(_, by)| by.contains(&no));
            let tier = if let Some((length, _)) = announced {
                Tier::prefix(*length)
            } else if asn.is_some() && of_as(&no) {
                Tier::System
            } else {
                let km =
                    |to: (f64, f64)| at.iter().map(|from| chord_km(*from, to)).reduce(f64::min);
                self.position(no).and_then(km).map_or(Tier::Anywhere, |km| Tier::Near(nth_band(km)))
            };
            let capacity = report.capacity_mbps.unwrap();
            let doubled = std::iter::successors(Some(1.0), |weight| Some(weight * 2.0));
            let weight: f64 = doubled.take_while(|weight| *weight <= capacity).last().unwrap();
            all.push((
                tier,
                score(file_hash(&name), Appliance::new(&self.ids[no]).hash, 1.0 / weight),
                no,
            ));
        }
        all.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        all.truncate(10);
        all.into_iter().map(|(tier, _, no)| (self.ids[no].clone(), tier)).collect()
    }
}

/// Along the surface, from the straight line through the Earth: not the formula under test.
fn chord_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    let unit = |(lat, lon): (f64, f64)| {
        let (lat, lon) = (lat.to_radians(), lon.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let (a, b) = (unit(from), unit(to));
    let chord = (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
    2.0 * 6371.0088 * (chord / 2.0).min(1.0).asin()
}

fn nth_band(km: f64) -> u8 {
    match km {
        km if km < 100.0 => 0,
        km if km < 200.0 => 1,
        km if km < 400.0 => 2,
        km if km < 800.0 => 3,
        km if km < 1600.0 => 4,
        km if km < 3200.0 => 5,
        km if km < 6400.0 => 6,
        _ => 7,
    }
}

#[test]
fn a_hundred_thousand_clients_over_the_real_prefixes_get_the_oracles_answers() {
    let mut rng = StdRng::seed_from_u64(5);
    let (fleet, oracle) = world(&mut rng);
    assert!(fleet.asn.len() > 515_000 && fleet.routes.prefixes() > 400_000);
    let ranges: Vec<_> = fleet.asn.ranges().collect();
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for no in 0..CLIENTS {
        let ip = client(&mut rng, &ranges);
        let file = rng.random_range(0..FILES);
        let seen = fleet.client(ip);
        let ranked = seen.rank(&format!("file-{file}")).unwrap_or_default();
        let wanted = oracle.answer(ip, file);
        let got: Vec<_> =
            ranked.iter().map(|r| (fleet.roster.appliance(r.no).id.to_string(), r.tier)).collect();
        assert_eq!(got, wanted, "client {no}: {ip}, file-{file}");
        *met.entry(wanted.first().map_or("nobody", |(_, tier)| tier.name())).or_default() += 1;
        // Every prefix asked, for some of them: the oracle's own index is not the trie's.
        if no % 1000 == 0 {
            assert_eq!(oracle.covering(ip), oracle.scanned(ip), "{ip}");
        }
    }
    // A test that met one tier alone would prove little.
    for tier in ["prefix", "as", "near", "anywhere", "nobody"] {
        assert!(met.get(tier).is_some_and(|count| *count >= 20), "{met:?}");
    }
}
