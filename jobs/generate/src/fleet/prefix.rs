//! Address prefixes, and the fewest of them that cover a range.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses in CIDR form. Displayed as `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// Its first address.
    pub address: IpAddr,
    /// How many leading bits its addresses share.
    pub length: u8,
}

impl Prefix {
    /// Its last address.
    #[must_use]
    pub fn last(&self) -> IpAddr {
        let (first, bits) = number(self.address);
        let free = u32::from(bits - self.length);
        // Shifted in two steps: a shift by all 128 bits is not defined.
        let inside = if free == 0 { 0 } else { u128::MAX >> (128 - free) };
        address(first | inside, bits)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// The fewest prefixes that together are exactly the addresses from `first` to `last`, in order.
/// None if these are not of one family or out of order.
///
/// Each step takes the largest block that begins at the first address left: as large as that
/// address is aligned, and no larger than what is left.
#[must_use]
pub fn prefixes(first: IpAddr, last: IpAddr) -> Vec<Prefix> {
    let ((mut next, bits), (end, end_bits)) = (number(first), number(last));
    let mut found = Vec::new();
    if bits != end_bits {
        return found;
    }
    while next <= end {
        let aligned = next.trailing_zeros().min(u32::from(bits));
        let fits = (end - next).checked_add(1).map_or(128, u128::ilog2);
        let free = aligned.min(fits);
        let length = bits - u8::try_from(free).expect("an address has at most 128 bits");
        found.push(Prefix { address: address(next, bits), length });
        let after = 1_u128.checked_shl(free).and_then(|size| next.checked_add(size));
        let Some(after) = after else { break };
        next = after;
    }
    found
}

/// An address as a number, and of how many bits.
fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

fn address(number: u128, bits: u8) -> IpAddr {
    match u32::try_from(number) {
        Ok(v4) if bits == 32 => IpAddr::V4(Ipv4Addr::from(v4)),
        _ => IpAddr::V6(Ipv6Addr::from(number)),
    }
}
