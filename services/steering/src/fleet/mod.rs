//! What is known of the fleet: appliances, what they announce, what they hold; and the owners of
//! addresses.

mod appliance;
mod asn;
mod draft;
mod files;
mod places;
mod roster;
mod routes;
mod set;

pub use appliance::{Appliance, Fault, Report, Weight};
pub use asn::{AsnError, AsnTable};
pub use draft::{Draft, Fleet, FleetError, FleetSize};
pub use files::{Files, file_hash};
pub use places::{BANDS_KM, Places, Position, band, km};
pub(crate) use roster::nearest;
pub use roster::{NO_PLACE, Roster, System};
pub use routes::{Announcement, Routes};
pub use set::{ApplianceNo, ApplianceSet};
