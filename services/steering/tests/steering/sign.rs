//! Signed addresses: vectors, what opens a file and what does not.

use std::net::IpAddr;

use millrace_steering::sign::{KeyError, Refusal, SigningKey};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_700_000_000;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Computed with Python: `hmac.new(SECRET, b"v1\n/PATH\nE\nC\n", "sha256").hexdigest()`.
#[test]
fn signatures_are_those_of_another_implementation() {
    let key = SigningKey::new(SECRET).unwrap();
    let vectors = include_str!("vectors.txt");
    for line in vectors.lines() {
        let [file, client, expires, wanted] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        assert_eq!(key.sign(file, ip(client), expires.parse().unwrap()), wanted);
    }
    assert_eq!(vectors.lines().count(), 4);
}

#[test]
fn an_address_opens_its_file_for_its_network_until_it_ends() {
    let key = SigningKey::new(SECRET).unwrap();
    let signed = key.sign("title 7/1080p", ip("198.51.100.7"), NOW + 60);
    let verify = |client, now| key.verify(&signed, ip(client), now);
    assert_eq!(verify("198.51.100.7", NOW), Ok(()));
    assert_eq!(verify("198.51.100.200", NOW + 59), Ok(()));
    assert_eq!(verify("::ffff:198.51.100.7", NOW), Ok(()));
    assert_eq!(verify("198.51.100.7", NOW + 60), Err(Refusal::Expired));
    assert_eq!(verify("198.51.101.7", NOW), Err(Refusal::Elsewhere));
    assert_eq!(verify("2001:db8::1", NOW), Err(Refusal::Elsewhere));
    let six = key.sign("f", ip("2001:db8:1:2::3"), NOW + 60);
    assert_eq!(key.verify(&six, ip("2001:db8:1:ffff::"), NOW), Ok(()));
    assert_eq!(key.verify(&six, ip("2001:db8:2::"), NOW), Err(Refusal::Elsewhere));
}

#[test]
fn an_address_that_was_changed_anywhere_opens_nothing() {
    let key = SigningKey::new(SECRET).unwrap();
    let client = ip("198.51.100.7");
    let signed = key.sign("file-1", client, NOW + 60);
    let mut changed = 0;
    for at in 0..signed.len() {
        for new in ["0", "1", "f", "&", "?", "/", "9"] {
            let mut other = signed.clone();
            other.replace_range(at..=at, new);
            // Hexadecimal digits may be written in capitals; nothing else reads the same.
            if other != signed {
                changed += 1;
                assert!(key.verify(&other, client, NOW).is_err(), "{other}");
            }
        }
        assert!(key.verify(&signed[..at], client, NOW).is_err());
    }
    assert!(changed > 500);
    for more in ["&s=00", "&e=9999999999", "&x=1", "?"] {
        assert_eq!(key.verify(&format!("{signed}{more}"), client, NOW), Err(Refusal::Malformed));
    }
    let other = SigningKey::new(b"0123456789abcdef0123456789abcdeF").unwrap();
    assert_eq!(other.verify(&signed, client, NOW), Err(Refusal::Forged));
    for hostile in
        ["", "/", "?", "/f?e=-1&c=1.2.3.0/24&s=", "/f?e=1&c=1.2.3.0/99&s=00", "/f?e=+1&c=::/0&s=0"]
    {
        assert_eq!(key.verify(hostile, client, NOW), Err(Refusal::Malformed), "{hostile}");
    }
}

#[test]
fn a_short_key_is_refused_and_a_key_shows_nothing() {
    assert_eq!(SigningKey::new(b"short").unwrap_err(), KeyError(5));
    let shown = format!("{:?}", SigningKey::new(SECRET).unwrap());
    assert!(!shown.contains("0123"), "{shown}");
}

#[test]
fn a_file_is_one_segment_of_the_path() {
    let key = SigningKey::new(SECRET).unwrap();
    let signed = key.sign("../a b?c#d/é", ip("198.51.100.7"), NOW);
    let path = signed.split_once('?').unwrap().0;
    assert_eq!(path, "/..%2Fa%20b%3Fc%23d%2F%C3%A9");
}
