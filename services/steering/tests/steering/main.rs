//! Steering, through its public interface.

#![expect(clippy::unwrap_used, reason = "a test that unwraps says where it failed")]

mod asn;
mod follow;
mod hashing;
mod http;
mod oracle;
mod routes;
mod sets;
mod sign;
mod support;
