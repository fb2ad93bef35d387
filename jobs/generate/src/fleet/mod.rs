//! A simulated fleet of appliances at sites with real AS numbers and prefixes.
//!
//! ```text
//! seed ─► sites (AS, prefixes, place) ─► appliances ─ reports, routes, files ─► late, twice
//! ```

mod appliance;
mod event;
mod failure;
mod prefix;
mod ranges;
mod settings;
mod simulation;
mod site;

pub use appliance::file_id;
pub use event::STREAMS;
pub use failure::{Failure, FailureKind, Failures};
pub use prefix::{Prefix, prefixes};
pub use ranges::{AsRange, IPV4, IPV6, RangesError, bundled_ranges, read_ranges};
pub use settings::FleetSettings;
pub use simulation::Fleet;
pub use site::Site;
