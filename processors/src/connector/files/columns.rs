//! The columns of a file's rows: their names, types, and which may not be missing.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use millrace_events::{Column, ColumnType, StreamName, StreamSchema};

/// Every type a stream's column can have; of two with one Arrow type the first counts.
const COLUMN_TYPES: [ColumnType; 10] = [
    ColumnType::String,
    ColumnType::Boolean,
    ColumnType::Int32,
    ColumnType::Int64,
    ColumnType::Float32,
    ColumnType::Float64,
    ColumnType::TimestampUs,
    ColumnType::Date,
    ColumnType::StringList,
    ColumnType::Float64List,
];

/// Type of a column: one that a stream can have, or another that Arrow has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Event(ColumnType),
    Other(DataType),
}

impl Kind {
    pub(super) fn of(data_type: &DataType) -> Self {
        let event = COLUMN_TYPES.iter().find(|known| known.arrow() == *data_type);
        event.map_or_else(|| Self::Other(data_type.clone()), |known| Self::Event(*known))
    }

    /// The type its values have in a job.
    pub(super) fn arrow(&self) -> DataType {
        match self {
            Self::Event(event) => event.arrow(),
            Self::Other(data_type) => data_type.clone(),
        }
    }

    /// The type that tells what a bare number means.
    pub(super) fn wire(&self) -> DataType {
        match self {
            Self::Event(event) => event.wire(),
            Self::Other(data_type) => data_type.clone(),
        }
    }

    pub(super) fn is_time(&self) -> bool {
        matches!(self.wire(), DataType::Timestamp(..))
    }
}

/// The type under which a job sees a column of a file: one text type, one time type.
pub(super) fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Dictionary(_, values) => plain(values),
        other => other.clone(),
    }
}

/// One column.
#[derive(Debug, Clone)]
pub(super) struct FileColumn {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

impl FileColumn {
    pub(super) fn optional(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, required: false }
    }
}

/// The columns of `schema`.
pub(super) fn of_schema(schema: &Schema) -> Vec<FileColumn> {
    let column = |field: &Arc<Field>| FileColumn {
        name: field.name().clone(),
        kind: Kind::of(field.data_type()),
        required: !field.is_nullable(),
    };
    schema.fields().iter().map(column).collect()
}

/// The columns of a stream.
pub(super) fn of_stream(stream: &StreamSchema) -> Vec<FileColumn> {
    let column = |column: &Column| FileColumn {
        name: column.name.clone(),
        kind: Kind::Event(column.data_type),
        required: column.required,
    };
    stream.columns.iter().map(column).collect()
}

/// The schema that a job sees. Like a stream's, every column can be NULL.
pub(super) fn schema(columns: &[FileColumn]) -> SchemaRef {
    let field = |column: &FileColumn| Field::new(&column.name, column.kind.arrow(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// A stream of these columns, if a stream can have them all. Nothing stands in for a value that
/// is missing but the id: a file has no record timestamps.
pub(super) fn stream(columns: &[FileColumn], id: Option<&str>) -> Option<StreamSchema> {
    let column = |column: &FileColumn| match column.kind {
        Kind::Event(data_type) => {
            Some(Column { name: column.name.clone(), data_type, required: column.required })
        }
        Kind::Other(_) => None,
    };
    let name: StreamName = "file".parse().expect("a lower-case word is a name");
    Some(StreamSchema {
        topic: name.as_str().to_owned(),
        name,
        partitions: 1,
        key: None,
        id: id.map(str::to_owned),
        event_time: None,
        columns: columns.iter().map(column).collect::<Option<_>>()?,
    })
}
