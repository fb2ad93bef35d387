//! SQL to a checked plan of streaming operators, and the verdict on a changed one.
