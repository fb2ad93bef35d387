//! A select list as text, parsed to expressions: nothing but the list may stand there.

use arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, col};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    ExprWithAlias, SelectItem, SetExpr, Statement, WildcardAdditionalOptions,
};

use crate::mistake::SqlMistake;

/// Lines put before the list to make it a statement.
pub(crate) const PREFIX_LINES: usize = 1;

/// A context with DataFusion's functions and no table, which records where in the text things
/// stand.
pub(crate) fn context() -> SessionContext {
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.collect_spans = true;
    SessionContext::new_with_config(config)
}

/// The expressions of `sql`, a select list over `schema`; `*` stands for `columns`.
pub(crate) fn parse(
    ctx: &SessionContext,
    schema: &DFSchema,
    columns: &Schema,
    sql: &str,
) -> Result<Vec<Expr>, SqlMistake> {
    let state = ctx.state();
    let mistake = |e| SqlMistake::from_datafusion(sql, &e, PREFIX_LINES);
    let dialect = state.config_options().sql_parser.dialect;
    let statement = state.sql_to_statement(&format!("SELECT\n{sql}"), &dialect).map_err(mistake)?;
    let mut out = Vec::new();
    for item in plain_items(statement, sql)? {
        let (expr, alias) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
            SelectItem::Wildcard(options) if options == WildcardAdditionalOptions::default() => {
                out.extend(columns.fields().iter().map(|f| col(format!("\"{}\"", f.name()))));
                continue;
            }
            other => {
                return Err(SqlMistake::new(format!("`{other}` cannot be selected in a route"))
                    .hint("list columns and expressions, or `*`"));
            }
        };
        let item = ExprWithAlias { expr, alias };
        out.push(state.create_logical_expr_from_sql_expr(item, schema).map_err(mistake)?);
    }
    Ok(out)
}

/// Refuses anything after the list: FROM, WHERE, UNION, a second statement.
fn plain_items(statement: DfStatement, sql: &str) -> Result<Vec<SelectItem>, SqlMistake> {
    let refuse = |what: &str| {
        Err(SqlMistake::at_text(sql, what, "`select` takes a list of columns and expressions only")
            .hint("filter with `where`; joins and aggregates belong into a job"))
    };
    let DfStatement::Statement(statement) = statement else { return refuse("") };
    let Statement::Query(query) = *statement else { return refuse("") };
    let whole = query.to_string();
    let SetExpr::Select(select) = *query.body else { return refuse("union") };
    let items: Vec<_> = select.projection.iter().map(ToString::to_string).collect();
    if whole != format!("SELECT {}", items.join(", ")) {
        return refuse("from");
    }
    Ok(select.projection)
}

/// The type a value is stored as: views and dictionaries are for computing, not for files.
pub(crate) fn storable(data_type: DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Dictionary(_, value) => storable(*value),
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        other => other,
    }
}
