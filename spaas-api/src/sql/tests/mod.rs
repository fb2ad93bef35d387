//! Tests of the SQL endpoint.
