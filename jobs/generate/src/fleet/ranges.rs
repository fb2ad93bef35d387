//! Reads which AS announces which range of addresses (see `jobs/data/ip-asn/README.md`).

use std::collections::HashMap;
use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;

use csv::StringRecord;
use flate2::read::GzDecoder;

use super::prefix::{Prefix, prefixes};

/// The IPv4 ranges that come with Millrace, compressed.
pub const IPV4: &[u8] = include_bytes!("../../../data/ip-asn/asn-ipv4.csv.gz");
/// The IPv6 ranges that come with Millrace, compressed.
pub const IPV6: &[u8] = include_bytes!("../../../data/ip-asn/asn-ipv6.csv.gz");

/// Addresses that an autonomous system announces. Both ends are of one family and in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsRange {
    /// Its first address.
    pub first: IpAddr,
    /// Its last address.
    pub last: IpAddr,
    /// Number of the system.
    pub asn: u32,
    /// Name of the system.
    pub name: Arc<str>,
}

impl AsRange {
    /// The fewest prefixes that are this range.
    #[must_use]
    pub fn prefixes(&self) -> Vec<Prefix> {
        prefixes(self.first, self.last)
    }
}

/// Why ranges cannot be read. Rows are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum RangesError {
    /// It is not compressed CSV.
    #[error("cannot read the address ranges: {0}")]
    Csv(#[from] csv::Error),
    /// A row has another number of columns.
    #[error("row {row}: not `first,last,asn,name`")]
    Columns {
        /// Which row.
        row: usize,
    },
    /// A value cannot be understood.
    #[error("row {row}: `{value}` is not {expected}")]
    Value {
        /// Which row.
        row: usize,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        value: String,
    },
    /// The two ends are no range.
    #[error("row {row}: {first} to {last} is no range of addresses")]
    NoRange {
        /// Which row.
        row: usize,
        /// What should be its first address.
        first: IpAddr,
        /// What should be its last.
        last: IpAddr,
    },
}

/// Reads the rows `first address, last address, AS number, AS name` of a gzip file without heading,
/// IPv4 or IPv6.
pub fn read_ranges(gzip: impl Read) -> Result<Vec<AsRange>, RangesError> {
    let mut csv = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(GzDecoder::new(gzip));
    let mut names = HashMap::new();
    let mut ranges = Vec::new();
    let mut cells = StringRecord::new();
    while csv.read_record(&mut cells)? {
        ranges.push(range(ranges.len() + 1, &cells, &mut names)?);
    }
    Ok(ranges)
}

/// All ranges that come with Millrace, IPv4 before IPv6.
pub fn bundled_ranges() -> Result<Vec<AsRange>, RangesError> {
    let mut ranges = read_ranges(IPV4)?;
    ranges.extend(read_ranges(IPV6)?);
    Ok(ranges)
}

fn range(
    row: usize,
    cells: &StringRecord,
    names: &mut HashMap<u32, Arc<str>>,
) -> Result<AsRange, RangesError> {
    let mut cells = cells.iter();
    let (Some(first), Some(last), Some(asn), Some(name), None) =
        (cells.next(), cells.next(), cells.next(), cells.next(), cells.next())
    else {
        return Err(RangesError::Columns { row });
    };
    let wrong =
        |value: &str, expected| RangesError::Value { row, expected, value: value.to_owned() };
    let address = |text: &str| text.parse::<IpAddr>().map_err(|_| wrong(text, "an address"));
    let (first, last) = (address(first)?, address(last)?);
    if first.is_ipv4() != last.is_ipv4() || last < first {
        return Err(RangesError::NoRange { row, first, last });
    }
    let asn = asn.parse().map_err(|_| wrong(asn, "the number of an AS"))?;
    // Most systems have several ranges under one name.
    let known = names.entry(asn).or_insert_with(|| Arc::from(name));
    let name = if known.as_ref() == name { Arc::clone(known) } else { Arc::from(name) };
    Ok(AsRange { first, last, asn, name })
}
