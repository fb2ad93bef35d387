//! Address ranges as prefixes, and the file of ranges.

use std::io::Write;
use std::net::IpAddr;

use flate2::Compression;
use flate2::write::GzEncoder;
use millrace_generate::fleet::{AsRange, IPV4, IPV6, Prefix, RangesError, prefixes, read_ranges};
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn texts(first: &str, last: &str) -> Vec<String> {
    prefixes(ip(first), ip(last)).iter().map(Prefix::to_string).collect()
}

#[test]
fn a_range_becomes_the_fewest_prefixes() {
    let cases: [(&str, &str, &[&str]); 9] = [
        ("1.0.0.0", "1.0.0.255", &["1.0.0.0/24"]),
        ("0.0.0.0", "255.255.255.255", &["0.0.0.0/0"]),
        ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &["::/0"]),
        ("255.255.255.255", "255.255.255.255", &["255.255.255.255/32"]),
        ("1.0.128.0", "1.0.196.255", &["1.0.128.0/18", "1.0.192.0/22", "1.0.196.0/24"]),
        ("10.0.0.1", "10.0.0.4", &["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/32"]),
        ("2001::", "2001::ffff:ffff:ffff:ffff:ffff:ffff", &["2001::/32"]),
        (
            "2001:200::",
            "2001:200:1b9:ffff:ffff:ffff:ffff:ffff",
            &[
                "2001:200::/40",
                "2001:200:100::/41",
                "2001:200:180::/43",
                "2001:200:1a0::/44",
                "2001:200:1b0::/45",
                "2001:200:1b8::/47",
            ],
        ),
        ("::1", "::1", &["::1/128"]),
    ];
    for (first, last, expected) in cases {
        assert_eq!(texts(first, last), expected, "{first} to {last}");
    }
}

#[test]
fn what_is_no_range_has_no_prefixes() {
    assert!(prefixes(ip("1.0.0.1"), ip("1.0.0.0")).is_empty());
    assert!(prefixes(ip("1.0.0.1"), ip("::2")).is_empty());
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// The prefixes follow each other without gap from first to last, and no two neighbours are halves
/// of one block.
fn covers_exactly(first: IpAddr, last: IpAddr) {
    let found = prefixes(first, last);
    assert_eq!(found[0].address, first);
    assert_eq!(found[found.len() - 1].last(), last);
    for pair in found.windows(2) {
        assert_eq!(number(pair[0].last()) + 1, number(pair[1].address));
        let halves = pair[0].length == pair[1].length
            && prefixes(pair[0].address, pair[1].last()).len() == 1;
        assert!(!halves, "{} and {} are one", pair[0], pair[1]);
    }
}

proptest! {
    #[test]
    fn prefixes_cover_exactly_the_range(a: u32, b: u32, c: u128, d: u128) {
        covers_exactly(IpAddr::V4(a.min(b).into()), IpAddr::V4(a.max(b).into()));
        covers_exactly(IpAddr::V6(c.min(d).into()), IpAddr::V6(c.max(d).into()));
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn bundled_ranges_are_whole_and_in_order() {
    for (file, rows, as_prefixes, overlaps) in
        [(IPV4, 411_961, 564_580, 1), (IPV6, 103_197, 167_903, 0)]
    {
        let ranges = read_ranges(file).unwrap();
        assert_eq!(ranges.len(), rows);
        assert_eq!(ranges.iter().map(|range| range.prefixes().len()).sum::<usize>(), as_prefixes);
        assert!(ranges.is_sorted_by_key(|range| range.first));
        let overlap = |pair: &&[AsRange]| pair[1].first <= pair[0].last;
        assert_eq!(ranges.windows(2).filter(overlap).count(), overlaps);
    }
}

#[test]
fn a_row_is_read_with_its_name() {
    let ranges = read_ranges(&gzip("1.0.0.0,1.0.0.255,13335,\"Cloudflare, Inc.\"\n")[..]).unwrap();
    assert_eq!((ranges[0].asn, ranges[0].name.as_ref()), (13335, "Cloudflare, Inc."));
    assert_eq!(ranges[0].prefixes()[0].to_string(), "1.0.0.0/24");
}

#[test]
fn mistakes_are_told_with_their_row() {
    let mistake = |row: &str| {
        let text = format!("1.0.0.0,1.0.0.255,13335,Cloudflare\n{row}\n");
        read_ranges(&gzip(&text)[..]).unwrap_err().to_string()
    };
    assert_eq!(mistake("1.0.4.0,1.0.7.255"), "row 2: not `first,last,asn,name`");
    assert_eq!(mistake("1.0.4.0,1.0.7,38803,x"), "row 2: `1.0.7` is not an address");
    assert_eq!(
        mistake("1.0.4.0,1.0.7.255,AS38803,x"),
        "row 2: `AS38803` is not the number of an AS"
    );
    assert_eq!(
        mistake("1.0.4.0,1.0.3.255,38803,x"),
        "row 2: 1.0.4.0 to 1.0.3.255 is no range of addresses"
    );
    assert!(matches!(read_ranges(&b"1.0.0.0,"[..]), Err(RangesError::Csv(_))));
}
