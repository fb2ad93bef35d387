//! `millrace ope`: what a policy would have been worth, estimated from logged impressions.

mod log;
mod run;
mod show;
mod target;
mod trials;
mod worth;

pub(crate) use run::run;
pub(crate) use worth::{Worth, question, worth};

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod input_tests;
