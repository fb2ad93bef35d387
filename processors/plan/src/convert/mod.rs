//! From bound statements to a plan of streaming operators.
//!
//! ```text
//!  LogicalPlan ─ walk ─► Rel (lazy: node + filter + columns + window or rank to come)
//!                         │ aggregate · rank · join · sink: what needs rows makes nodes
//!                         ▼
//!                       Graph (equal nodes are one) ─ prune ─► JobPlan with ids
//! ```

mod aggregate;
mod bounds;
mod call;
mod check;
mod converter;
mod expression;
mod finish;
mod fuse;
mod graph;
mod hoist;
mod join;
mod operators;
mod prune;
mod rank;
mod relation;
mod remap;
mod sink;
mod walk;

pub(crate) use converter::convert;
pub(crate) use expression::text;
