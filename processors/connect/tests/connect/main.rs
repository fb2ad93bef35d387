//! Connectors against a broker and tables on disk, as jobs use them.

mod delta_table;
mod feed;
mod job;
mod kafka_stream;
mod place;
mod table_rows;
