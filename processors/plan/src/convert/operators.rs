//! Schemas of the nodes that add columns.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::graph::unique;

/// The columns of `below`, then others. Every column may hold NULL: what an outer join or an
/// aggregate makes of a column is not the concern of its reader.
pub(crate) fn appended(
    below: &Schema,
    others: impl IntoIterator<Item = (String, DataType)>,
) -> SchemaRef {
    let own = below.fields().iter().map(|field| (field.name().clone(), field.data_type().clone()));
    named(own.chain(others))
}

/// A schema of these columns, repeated names numbered.
pub(crate) fn named(columns: impl IntoIterator<Item = (String, DataType)>) -> SchemaRef {
    let (names, types): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let fields =
        unique(names).into_iter().zip(types).map(|(name, kind)| Field::new(name, kind, true));
    Arc::new(Schema::new(fields.collect::<Fields>()))
}
