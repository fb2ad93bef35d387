//! Who asks, and whether they may: tokens, roles, the audit log. Nothing is allowed by default.
//!
//! ```text
//!  request ─► audit ─► guard: Authorization: Bearer mlr_<id>_<secret>
//!               │        │ 401 without a valid token, 429 after many bad ones
//!               │        └─► handler: Actor::require(namespace, role) → 404, 403
//!               └─ writes down what changed something or was refused
//! ```
//!
//! Invariants: of a secret only its SHA-256 is kept; no secret, body or query string is logged; a
//! token that is removed or has expired opens nothing from then on.

mod admin;
mod audit;
mod authenticate;
mod failures;
mod guard;
mod roles;
mod secret;

pub use admin::{Admin, AdminError};
pub use audit::{Reason, audit};
pub use authenticate::Access;
pub use guard::{Guard, guard, protect};
pub use roles::no_namespace;
pub use secret::{NewToken, TokenText};
