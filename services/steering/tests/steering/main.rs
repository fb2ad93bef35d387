//! Steering, through its public interface.

mod asn;
mod hashing;
mod oracle;
mod routes;
mod sets;
mod sign;
mod support;
