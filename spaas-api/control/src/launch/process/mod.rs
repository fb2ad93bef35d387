//! Runs as processes of this machine, one folder for each job.

mod atomic;
mod log;

pub(crate) use atomic::{create_once, is_plain_name};
pub use log::{LogLimits, RotatingLog};
