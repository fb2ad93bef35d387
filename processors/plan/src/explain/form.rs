//! `EXPLAIN` in the form asked for.

use super::{dot, json, text};
use crate::JobPlan;

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExplainForm {
    /// A tree from each sink down to its sources.
    #[default]
    Text,
    /// A list of operators, for tools.
    Json,
    /// A graph in the language of Graphviz.
    Dot,
}

/// The plan in the form asked for, with its warnings.
pub fn explain(plan: &JobPlan, form: ExplainForm) -> String {
    match form {
        ExplainForm::Text => text::text(plan),
        ExplainForm::Json => json::json(plan),
        ExplainForm::Dot => dot::dot(plan),
    }
}
