//! A simulated fleet of appliances at sites with real AS numbers and prefixes.

mod prefix;
mod ranges;

pub use prefix::{Prefix, prefixes};
pub use ranges::{AsRange, IPV4, IPV6, RangesError, bundled_ranges, read_ranges};
