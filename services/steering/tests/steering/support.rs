//! Fleets for tests.

use std::path::PathBuf;
use std::sync::Arc;

use millrace_steering::fleet::{AsnTable, Draft, Position, Report};

/// Files of real ranges of addresses.
pub(crate) fn asn_files() -> Vec<PathBuf> {
    let data = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../jobs/data/ip-asn"));
    ["asn-ipv4.csv.gz", "asn-ipv6.csv.gz"].map(|file| data.join(file)).into()
}

/// A report of an appliance that may serve.
pub(crate) fn report(asn: u32, degrees: (f64, f64)) -> Report {
    Report {
        healthy: true,
        score: Some(1.0),
        headroom_mbps: 5_000.0,
        capacity_mbps: Some(10_000.0),
        site: Some("a site".into()),
        asn: Some(asn),
        country: Some("NL".into()),
        position: Position::new(degrees.0, degrees.1),
        base_url: Some("https://oca.example".into()),
        last_report_ms: Some(1_000),
    }
}

/// A fleet without ranges of addresses that asks for any headroom at all.
pub(crate) fn draft() -> Draft {
    Draft::new(Arc::new(AsnTable::default()), 0.0)
}
