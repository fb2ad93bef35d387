//! `millrace serve`: the services, each a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::KafkaArgs;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(subcommand)]
    pub(crate) service: ServeCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServeCommand {
    /// Rows of titles with artwork for each member, logged as impressions.
    Recommendation(RecommendationArgs),
    /// From a client's address to appliances that hold its files.
    Steering(SteeringArgs),
}

/// What every service is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServiceArgs {
    #[command(flatten)]
    pub(crate) kafka: KafkaArgs,
    /// Folder of what the service keeps: its copy of the feeds, events that wait for Kafka.
    #[arg(long, default_value = "./millrace-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where HTTP is served; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// Allow an address that other machines can reach: nothing asks who is calling.
    #[arg(long)]
    pub(crate) allow_external: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RecommendationArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SteeringArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// Files of address ranges and their AS numbers: CSV, plain or gzip. Default: the ranges that
    /// come with Millrace (`jobs/data/ip-asn`).
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub(crate) asn: Vec<PathBuf>,
    /// What addresses are signed with: `env:NAME` or `file:PATH`, 32 bytes at least. Without it a
    /// key is made once and kept in the service's folder.
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) signing_key: Option<String>,
    /// What opens `/v1/admin`, `/v1/status` and `/metrics`: `env:NAME` or `file:PATH`. Must be
    /// given where other machines can connect.
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) admin_token: Option<String>,
    /// Appliances with less headroom serve nobody.
    #[arg(long, default_value_t = 100.0, value_name = "MBPS")]
    pub(crate) min_headroom_mbps: f64,
    /// Seconds that an address is good for.
    #[arg(long, default_value_t = 21_600, value_name = "SECONDS")]
    pub(crate) url_ttl_s: u64,
    /// Health older than this is called stale.
    #[arg(long, default_value_t = 15, value_name = "SECONDS")]
    pub(crate) stale_after_s: u64,
}
