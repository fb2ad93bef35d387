//! Delta tables: data, offsets and writer epochs in one commit.

mod settings;
mod warehouse;

pub use settings::{
    AuditRow, DeadLetterQuery, DeadLetterRow, PartitionColumn, StoreWrap, TableSinkSettings,
    WarehouseSettings,
};
pub use warehouse::Warehouse;
