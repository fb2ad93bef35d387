//! The platform as its users meet it: real processes, real brokers, real readers. One binary,
//! because each test crate compiles and links the engine once more.

mod closed_loop;
mod commands;
mod crash;
mod dead_sink;
mod end_to_end;
mod engineers_day;
mod generate;
mod job_crash;
mod job_local;
mod job_memory;
mod job_stop;
mod memory;
mod readers;
mod route_secret;
mod s3;
mod secrets;
mod spaas_crash;
mod steering;
mod visible;
mod worker;
mod zombie;
