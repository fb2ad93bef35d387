//! Who gets in, what is written down about it, and what never is.

mod admin;
mod canary;
mod door;
mod support;
