//! How much one client may send to one stream.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use super::settings::Rate;

/// A client (a network, for IPv6) and the number of a stream.
pub(super) type Who = (IpAddr, usize);

/// A limit for each client and stream.
#[derive(Debug)]
pub(super) struct Limiter {
    shares: DefaultKeyedRateLimiter<Who>,
    clock: DefaultClock,
    /// The most that is ever granted at once.
    most: NonZeroU32,
    checks: AtomicU32,
}

/// After so many checks, clients that have been quiet are forgotten: bounds the memory.
const FORGET_EVERY: u32 = 4096;

impl Limiter {
    /// `None` if `rate` limits nothing (no time is no limit).
    pub(super) fn new(rate: Option<Rate>) -> Option<Self> {
        let rate = rate?;
        let quota = Quota::with_period(rate.per / rate.count.get())?.allow_burst(rate.count);
        let (shares, clock) = (DefaultKeyedRateLimiter::keyed(quota), DefaultClock::default());
        Some(Self { shares, clock, most: rate.count, checks: AtomicU32::new(0) })
    }

    /// Takes `count` from `who`'s share, or says how long to wait.
    pub(super) fn check(&self, who: Who, count: NonZeroU32) -> Result<(), Duration> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.shares.retain_recent();
        }
        // More at once than is ever granted: waiting does not help, smaller requests do. Checked
        // here because the limiter's own arithmetic overflows on large counts.
        if count > self.most {
            return Err(Duration::from_secs(1));
        }
        match self.shares.check_key_n(&who, count) {
            Ok(Err(until)) => Err(until.wait_time_from(self.clock.now())),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

/// The client an address stands for: one IPv4 address, or the /64 an IPv6 host can choose from.
pub(super) fn client(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    #[test]
    fn each_client_and_stream_has_its_own_share() {
        let per = Duration::from_hours(1);
        let limiter = Limiter::new(Some(Rate { count: ONE, per })).expect("a limit");
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|a| client(a.parse().expect("address")));
        assert_eq!(limiter.check((a, 0), ONE), Ok(()));
        assert!(limiter.check((a, 0), ONE).expect_err("used up") > Duration::from_mins(50));
        assert_eq!(limiter.check((a, 1), ONE), Ok(()));
        assert_eq!(limiter.check((b, 0), ONE), Ok(()));
        assert!(limiter.check((b, 2), NonZeroU32::MAX).is_err(), "more than ever granted");
    }

    #[test]
    fn hosts_cannot_multiply_themselves_within_their_network() {
        let of = |a: &str| client(a.parse().expect("address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
