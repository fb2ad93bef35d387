//! Failed authentications by client address: after many in a minute the answer is 429.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Failures of one address in a minute that are answered 401.
const ALLOWED: u32 = 20;

/// Addresses remembered; those of past minutes are forgotten when there are more.
const REMEMBERED: usize = 4096;

const MINUTE_MS: i64 = 60_000;

/// Counts. A valid token is never refused because of others from the same address: there may be
/// one proxy in front of everybody. It is not what keeps secrets from being guessed, which are too
/// long for that; it keeps a stuck client from filling the audit log.
#[derive(Debug, Default)]
pub(super) struct Failures {
    by_address: HashMap<IpAddr, (i64, u32)>,
}

impl Failures {
    /// Counts a failure. Returns how long to wait if there were too many.
    pub(super) fn count(&mut self, address: IpAddr, now_ms: i64) -> Option<Duration> {
        let minute = now_ms.div_euclid(MINUTE_MS);
        if self.by_address.len() >= REMEMBERED {
            self.by_address.retain(|_, (at, _)| *at == minute);
        }
        let address = network(address);
        if self.by_address.len() >= REMEMBERED && !self.by_address.contains_key(&address) {
            return Some(rest_of_minute(now_ms));
        }
        let entry = self.by_address.entry(address).or_insert((minute, 0));
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        (entry.1 > ALLOWED).then(|| rest_of_minute(now_ms))
    }
}

fn rest_of_minute(now_ms: i64) -> Duration {
    let rest = MINUTE_MS - now_ms.rem_euclid(MINUTE_MS);
    Duration::from_millis(rest.unsigned_abs())
}

/// What one subscriber has: of IPv6 a network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failures_in_a_minute_are_told_to_wait_for_the_next() {
        let mut failures = Failures::default();
        let address = IpAddr::from([10, 0, 0, 1]);
        for _ in 0..ALLOWED {
            assert_eq!(failures.count(address, 59_000), None);
        }
        assert_eq!(failures.count(address, 59_000), Some(Duration::from_secs(1)));
        assert_eq!(failures.count(IpAddr::from([10, 0, 0, 2]), 59_000), None);
        assert_eq!(failures.count(address, 60_000), None);
    }

    #[test]
    fn addresses_of_one_network_count_together_and_are_bounded() {
        let mut failures = Failures::default();
        for n in 0..ALLOWED {
            let address = Ipv6Addr::new(1, 2, 3, 4, 0, 0, 0, u16::try_from(n).unwrap());
            assert_eq!(failures.count(address.into(), 0), None);
        }
        assert!(failures.count("1:2:3:4::ffff".parse().unwrap(), 0).is_some());
        for n in 0..10_000_u32 {
            failures.count(IpAddr::from(n.to_be_bytes()), 0);
        }
        assert!(failures.by_address.len() <= REMEMBERED);
        assert_eq!(failures.count(IpAddr::from([9, 9, 9, 9]), 60_000), None);
    }
}
