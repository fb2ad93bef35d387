//! Ranges of addresses: what is read, what is refused, whose an address is.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use millrace_steering::fleet::AsnTable;

use crate::support::asn_files;

fn load(text: &str) -> Result<AsnTable, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    AsnTable::load(&[file.path().to_owned()]).map_err(|error| error.to_string())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_address_belongs_to_the_range_it_is_in_and_to_no_other() {
    let table = load(
        "10.0.1.0,10.0.1.255,2,\"Two, Inc.\"\n10.0.0.0,10.0.0.255,1,One\n2001:db8::,2001:db8::ff,6,Six\n",
    )
    .unwrap();
    for (address, asn) in [
        ("10.0.0.0", Some(1)),
        ("10.0.0.255", Some(1)),
        ("10.0.1.0", Some(2)),
        ("10.0.2.0", None),
        ("9.255.255.255", None),
        ("2001:db8::ff", Some(6)),
        ("2001:db8::100", None),
        ("::", None),
    ] {
        assert_eq!(table.lookup(ip(address)), asn, "{address}");
    }
    assert_eq!((table.len(), table.ranges().count()), (3, 3));
    let parse = |text: &str| AsnTable::parse(&[("a text", text.as_bytes())]);
    let table = parse("10.0.0.0,10.0.0.255,1,One\n").unwrap();
    assert_eq!(table.lookup(ip("10.0.0.7")), Some(1));
    let error = parse("10.0.0.0,10.0.0.255,One\n").unwrap_err().to_string();
    assert!(error.contains("a text:1: "), "{error}");
}

#[test]
fn of_two_ranges_that_overlap_the_later_one_counts() {
    let table = load("10.0.0.0,10.0.1.5,1\n10.0.1.0,10.0.1.255,2\n").unwrap();
    assert_eq!(table.lookup(ip("10.0.0.255")), Some(1));
    assert_eq!(table.lookup(ip("10.0.1.0")), Some(2));
    assert_eq!(table.lookup(ip("10.0.1.5")), Some(2));
}

#[test]
fn a_file_that_is_wrong_is_refused_with_its_place() {
    for (text, place) in [
        ("10.0.0.0,10.0.0.255,1\n10.0.1.0,::1,1\n", ":2: "),
        ("10.0.0.9,10.0.0.1,1\n", ":1: "),
        ("10.0.0.0,10.0.0.255\n", ":1: "),
        ("start,end,asn\n", ":1: "),
        ("10.0.0.0,10.0.0.255,1\n10.0.0.4,10.0.0.5,2\n", "10.0.0.4 is inside another"),
    ] {
        let error = load(text).unwrap_err();
        assert!(error.contains(place), "{error}");
    }
    assert!(AsnTable::load(&[PathBuf::from("there-is-none")]).is_err());
    assert!(load("").unwrap().is_empty());
}

#[test]
fn the_real_ranges_are_read() {
    let table = AsnTable::load(&asn_files()).unwrap();
    assert_eq!(table.len(), 411_961 + 103_197);
    assert_eq!(table.lookup(ip("1.0.0.1")), Some(13335));
    assert_eq!(table.lookup(ip("2001:200::1")), Some(2500));
    assert_eq!(table.lookup(ip("192.168.1.1")), None);
    assert!(table.bytes() < 12 << 20, "{}", table.bytes());
}
