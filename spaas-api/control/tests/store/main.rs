//! What the store promises, on SQLite and, where `MILLRACE_TEST_POSTGRES` has the URL of a server,
//! on PostgreSQL.

mod damage;
mod database;
mod jobs;
mod keys;
mod races;
mod resources;
mod support;
