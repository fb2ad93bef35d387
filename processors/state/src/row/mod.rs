//! Rows of columns as bytes: keys, and values that hold rows.
//!
//! # Format, version 1 ([`ROW_FORMAT`])
//!
//! A row is its cells one after the other, in the order of the columns; numbers are little-endian.
//!
//! | type | cell |
//! |---|---|
//! | `Null` | nothing |
//! | `Boolean` | `0` null, `1` false, `2` true |
//! | numbers, dates, times, intervals, `FixedSizeBinary` | `0` null; `1`, then it as in Arrow |
//! | floats among them | the same, but zero is never negative and there is one NaN |
//! | strings, binaries (any layout) | LEB128 of 0 for null, or of length + 1, then the bytes |
//! | lists | LEB128 of 0 for null, or of count + 1, then the cells of the elements |
//! | maps | as lists of structs of key and value |
//! | structs | `0` null; `1`, then the cells of the fields |
//! | dictionaries | as their values |
//!
//! So the bytes of two rows of the same types are equal exactly when the rows are, and a reader
//! that knows the types knows where a row ends.

mod codec;
mod rows;
mod shape;
mod source;
mod target;

#[cfg(test)]
mod codec_tests;

pub use codec::{ROW_FORMAT, RowCodec};
pub use rows::Rows;
