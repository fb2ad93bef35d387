//! Runs as processes of this machine, one folder for each job.

mod atomic;
mod cgroup;
mod children;
mod client;
mod kill;
mod last_word;
mod launcher;
mod log;
mod place;
mod read_log;
mod settings;

pub(crate) use atomic::{create_once, is_plain_name};
pub use launcher::ProcessLauncher;
pub use log::{LogLimits, RotatingLog};
pub use settings::ProcessSettings;
