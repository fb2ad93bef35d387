//! Steering over HTTP.
//!
//! | path | answer |
//! |---|---|
//! | `POST /v1/steer` | ranked, signed addresses for each file |
//! | `GET /v1/admin/why` | why they are as they are, appliance by appliance |
//! | `GET /v1/status` | how big the fleet is, how far each feed is |
//! | `GET /metrics`, `/healthz`, `/readyz` | for operators |
//! | `GET /openapi.json` | all of this, for programs |

mod body;
mod gate;
mod numbers;
mod openapi;
mod ops;
mod router;
mod settings;
mod steer;
mod why;

pub use gate::{Gate, Place, Priority};
pub use numbers::METRICS;
pub use router::router;
pub use settings::{Admin, ApiSettings, Parts};
pub use steer::{Answer, FileAnswer, SteerRequest, Target};
