//! What the tests of the whole platform are told with.
//!
//! Must not know: the inside of any room. Tests here speak to a `millrace` process, a broker and tables.

pub mod tidy;
