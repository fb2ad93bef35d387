//! A fleet of 1,000 appliances over the real prefixes, with 100,000 files.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use millrace_steering::feeds::Desk;
use millrace_steering::fleet::{AsnTable, Fleet, Position, Report};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::machine;

const APPLIANCES: usize = 1_000;
const SITES: usize = 250;
const FILES: usize = 100_000;
/// Appliances that hold a file, on average.
const COPIES: usize = 50;

/// A file's name, any one.
pub(crate) fn any_file(rng: &mut StdRng) -> String {
    name(rng.random_range(0..FILES))
}

fn name(file: usize) -> String {
    format!("title-{}-{file:06}", file % 7919)
}

pub(crate) struct World {
    pub(crate) desk: Arc<Desk>,
}

impl World {
    pub(crate) fn new() -> Self {
        let data = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../jobs/data/ip-asn"));
        let files = ["asn-ipv4.csv.gz", "asn-ipv6.csv.gz"].map(|file| data.join(file));
        let started = Instant::now();
        let asn = Arc::new(AsnTable::load(&files).unwrap());
        println!(
            "{} ranges of addresses: {:.1} MiB, read in {:.2?}",
            asn.len(),
            asn.bytes() as f64 / f64::from(1 << 20),
            started.elapsed()
        );
        let desk = Arc::new(Desk::new(Arc::clone(&asn), 100.0));
        let mut rng = StdRng::seed_from_u64(5);
        let mut draft = desk.draft();
        let ranges: Vec<_> = asn.ranges().collect();
        for no in 0..APPLIANCES {
            let asn = ranges[rng.random_range(0..ranges.len())].2;
            draft.report(&id(no), Some(report(no, asn))).unwrap();
        }
        let before = machine::rss_mib();
        let started = Instant::now();
        for (first, last, _) in &ranges {
            // A site of four announces it.
            let site = rng.random_range(0..SITES);
            let net = largest(*first, *last);
            for no in 0..2 {
                draft.announce(&id(site * (APPLIANCES / SITES) + no), net).unwrap();
            }
        }
        let took = started.elapsed();
        drop(draft);
        desk.publish();
        let (fleet, rss) = (desk.fleet(), machine::rss_mib() - before);
        let prefixes = fleet.routes.prefixes() as f64;
        println!(
            "{prefixes} prefixes, announced twice each: {:.0} bytes a prefix counted, {:.0} of RSS; \
             taken in {took:.2?}",
            fleet.routes.bytes() as f64 / prefixes,
            rss * f64::from(1 << 20) / prefixes,
        );
        Self::fill(&desk, &mut rng);
        Self { desk }
    }

    fn fill(desk: &Desk, rng: &mut StdRng) {
        let (before, started) = (machine::rss_mib(), Instant::now());
        let mut draft = desk.draft();
        for file in 0..FILES {
            let name = name(file);
            for _ in 0..COPIES {
                draft.add_file(&id(rng.random_range(0..APPLIANCES)), &name).unwrap();
            }
        }
        drop(draft);
        let took = started.elapsed();
        desk.publish();
        println!(
            "{FILES} files, {COPIES} copies each: {:.1} MiB counted, {:.1} of RSS; taken in {took:.2?}",
            desk.fleet().files.bytes() as f64 / f64::from(1 << 20),
            machine::rss_mib() - before,
        );
    }

    pub(crate) fn fleet(&self) -> Arc<Fleet> {
        self.desk.fleet()
    }

    pub(crate) fn describe(&self) {
        println!("{:?}; RSS {:.0} MiB", self.fleet().size(), machine::rss_mib());
    }

    /// What a change costs: everything else must not be copied.
    pub(crate) fn publication(&mut self) {
        let mut took: Vec<_> = (0..200)
            .map(|turn| {
                let started = Instant::now();
                let mut draft = self.desk.draft();
                draft.report(&id(turn), Some(report(turn, 64_500))).unwrap();
                let prefix = IpNet::new_assert([10, 0, turn.to_le_bytes()[0], 0].into(), 24);
                draft.announce(&id(turn), prefix).unwrap();
                (0..100).for_each(|file| draft.add_file(&id(turn), &name(file * 31)).unwrap());
                drop(draft);
                assert!(self.desk.publish());
                started.elapsed()
            })
            .collect();
        println!(
            "one appliance changes (report, a prefix, 100 files) and is published: {}",
            machine::percentiles(&mut took)
        );
    }
}

fn id(no: usize) -> String {
    format!("oca-{no:04}")
}

fn report(no: usize, asn: u32) -> Report {
    let site = no / (APPLIANCES / SITES);
    let degrees = ((site * 37 % 140) as f64 - 60.0, (site * 91 % 360) as f64 - 180.0);
    Report {
        healthy: true,
        score: Some(1.0),
        headroom_mbps: 20_000.0,
        capacity_mbps: Some(40_000.0),
        site: Some(format!("site-{site}").into()),
        asn: Some(asn),
        country: None,
        position: Position::new(degrees.0, degrees.1),
        base_url: Some(format!("https://{}.oca.example", id(no)).into()),
        last_report_ms: Some(i64::MAX / 2),
    }
}

/// The largest block of a range.
fn largest(first: IpAddr, last: IpAddr) -> IpNet {
    let blocks: Vec<IpNet> = match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Ipv4Subnets::new(a, b, 0).map(IpNet::V4).collect(),
        (IpAddr::V6(a), IpAddr::V6(b)) => Ipv6Subnets::new(a, b, 0).map(IpNet::V6).collect(),
        _ => unreachable!("a range has one family"),
    };
    blocks.into_iter().min_by_key(IpNet::prefix_len).expect("a range has a block")
}
