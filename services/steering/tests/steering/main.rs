//! Steering, through its public interface.

mod hashing;
mod oracle;
mod routes;
mod sets;
mod sign;
mod support;
