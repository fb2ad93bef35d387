//! The control plane in its process. Broker, router and jobs are workers, processes of their own.
//!
//! ```text
//!  up ─► settings ─► plane: store, access, launcher, reconciler, API ─► HTTP
//!                      │                          ▲ routes and streams, as they are declared
//!                      └─ built_in: broker, router ┴ declared
//! ```

mod alone;
mod broker;
mod declared;
mod fronts;
mod start;
mod wind_down;

pub(crate) use start::{Plane, PlaneSettings};
