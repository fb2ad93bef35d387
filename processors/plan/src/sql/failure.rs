//! Errors with a place, carried through DataFusion, and read from what it reports.

use std::ops::Range;

use datafusion::common::{Column, DataFusionError, Diagnostic, SchemaError, Span as PlanSpan};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::SqlError;

use super::context::Context;
use super::suggest::did_you_mean;
use super::text::SourceText;
use super::wording::reword;

/// An error at `span` with a cure, to be returned from a hook of DataFusion's planner.
pub(crate) fn fail(span: Span, message: impl Into<String>, hint: &str) -> DataFusionError {
    let message = message.into();
    let mut diagnostic =
        Diagnostic::new_error(message.clone(), PlanSpan::try_from_sqlparser_span(span));
    if !hint.is_empty() {
        diagnostic.add_help(hint, None);
    }
    DataFusionError::Plan(message).with_diagnostic(diagnostic)
}

/// What DataFusion says, as an error with a place; `fallback` is the place when it names none.
/// `None` when the cause is a view whose own definition is wrong.
pub(crate) fn explain(
    error: &DataFusionError,
    text: &SourceText<'_>,
    context: &Context,
    fallback: &Range<usize>,
) -> Option<SqlError> {
    let diagnostic = error.diagnostic();
    let span = diagnostic.and_then(|diagnostic| diagnostic.span);
    let at = span.map_or(fallback.clone(), |span| text.plan_range(&span));
    if let Some(table) = missing_table(error) {
        if context.is_broken(table) {
            return None;
        }
        let error = text.error(at, format!("there is no table or view `{table}`"));
        let names = context.table_names();
        return Some(match did_you_mean(table, names) {
            Some(name) => error.hint(format!("did you mean `{name}`?")),
            None if context.table_names().next().is_none() => error.hint("there are no tables"),
            None => error.hint(known("the tables are", context.table_names())),
        });
    }
    match error.find_root() {
        DataFusionError::SchemaError(schema, _) => Some(explain_schema(schema, at, text)),
        root => {
            let root = plain_message(root);
            let called = |name: &str| context.functions().called(name);
            let mut worded = reword(&root, text.text(), fallback, called);
            // A message that is not known here is better in the words of the diagnostic.
            if let Some(diagnostic) = diagnostic
                && worded.message == root
            {
                worded = reword(&diagnostic.message, text.text(), fallback, called);
            }
            let at = if span.is_some() { at } else { worded.at.unwrap_or(at) };
            let help = diagnostic.and_then(|diagnostic| diagnostic.helps.first());
            let hint = worded.hint.or_else(|| help.map(|help| help.message.clone()));
            let error = text.error(at, worded.message);
            Some(match hint {
                Some(hint) => error.hint(hint),
                None => error,
            })
        }
    }
}

fn missing_table(error: &DataFusionError) -> Option<&str> {
    match error.find_root() {
        DataFusionError::Plan(message) => {
            message.strip_prefix("there is no table or view `")?.strip_suffix('`')
        }
        _ => None,
    }
}

fn explain_schema(error: &SchemaError, at: Range<usize>, text: &SourceText<'_>) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let at = place(field, text).unwrap_or(at);
            let of = field.relation.as_ref().map(|table| format!(" of `{table}`"));
            let error = text.error(
                at,
                format!("there is no column `{}`{}", field.name, of.unwrap_or_default()),
            );
            let same_table: Vec<&Column> = valid_fields
                .iter()
                .filter(|valid| field.relation.is_none() || valid.relation == field.relation)
                .collect();
            if same_table.is_empty()
                && let Some(table) = &field.relation
            {
                let tables = valid_fields.iter().filter_map(|valid| valid.relation.as_ref());
                let mut tables: Vec<String> = tables.map(ToString::to_string).collect();
                tables.dedup();
                let names = tables.iter().map(String::as_str);
                return error.hint(match did_you_mean(table.table(), names.clone()) {
                    Some(name) => {
                        format!("no table is called `{table}` here; did you mean `{name}`?")
                    }
                    None => {
                        format!("no table is called `{table}` here; {}", known("there are", names))
                    }
                });
            }
            let names = same_table.iter().map(|valid| valid.name.as_str());
            match did_you_mean(&field.name, names.clone()) {
                Some(name) => error.hint(format!("did you mean `{name}`?")),
                None => error.hint(known("the columns are", names)),
            }
        }
        SchemaError::AmbiguousReference { field } => {
            let Some(at) = place(field, text) else {
                return text
                    .error(at, format!("two columns of the result are called `{}`", field.name))
                    .hint("give one of them another name with AS");
            };
            text.error(at, format!("the column `{}` is in more than one table", field.name))
                .hint(format!("write the table before it: `t.{}`", field.name))
        }
        SchemaError::DuplicateUnqualifiedField { name } => text
            .error(at, format!("two columns of the result are called `{name}`"))
            .hint("give one of them another name with AS"),
        SchemaError::DuplicateQualifiedField { qualifier, name } => text
            .error(at, format!("two columns of `{qualifier}` are called `{name}`"))
            .hint("give one of them another name with AS"),
    }
}

fn place(column: &Column, text: &SourceText<'_>) -> Option<Range<usize>> {
    column.spans.first().map(|span| text.plan_range(&span))
}

fn known<'n>(what: &str, names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(12);
    names.truncate(12);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{what} {}{rest}", names.join(", "))
}

/// The message of an error without the kind of error before it.
fn plain_message(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Plan(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Execution(message)
        | DataFusionError::Internal(message)
        | DataFusionError::Configuration(message) => {
            message.split("\n\nbacktrace").next().unwrap_or(message).to_owned()
        }
        other => other.strip_backtrace(),
    }
}
