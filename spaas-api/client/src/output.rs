//! Results in the form that was asked for.

use serde_json::Value;

use crate::args::Form;
use crate::context::Context;
use crate::error::ClientError;
use crate::table::Table;

/// Writes JSON, indented.
pub(crate) fn json(ctx: &mut Context, value: &Value) -> Result<(), ClientError> {
    let text = serde_json::to_string_pretty(value).map_err(broken)?;
    ctx.line(text)
}

/// Writes a YAML document.
pub(crate) fn yaml(ctx: &mut Context, value: &Value) -> Result<(), ClientError> {
    ctx.put(yaml_text(value)?)
}

/// A YAML document.
pub(crate) fn yaml_text(value: &Value) -> Result<String, ClientError> {
    serde_yaml_ng::to_string(value).map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> ClientError {
    ClientError::Failed(format!("the answer cannot be written: {error}"))
}

/// Writes an answer as it is; `table` is only made when columns were asked for.
pub(crate) fn answer(
    ctx: &mut Context,
    form: Form,
    value: &Value,
    names: &[String],
    table: impl FnOnce() -> Table,
) -> Result<(), ClientError> {
    match form {
        Form::Json => json(ctx, value),
        Form::Yaml => yaml(ctx, value),
        Form::Name => names.iter().try_for_each(|name| ctx.line(name)),
        Form::Table => {
            let table = table();
            if table.is_empty() {
                ctx.say("nothing found");
                return Ok(());
            }
            ctx.put(table)
        }
    }
}

/// The items of a list, however it is wrapped.
pub(crate) fn items(value: &Value) -> Vec<Value> {
    let wrapped = ["items", "jobs", "results"].iter().find_map(|name| value[name].as_array());
    value.as_array().or(wrapped).cloned().unwrap_or_default()
}
