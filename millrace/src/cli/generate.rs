//! Options of `millrace generate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use millrace_spec::parse_duration;

use super::KafkaArgs;

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    pub(crate) command: GenerateCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    /// Appliances at sites with real AS numbers and prefixes: reports, routes, files, failures, and
    /// errors of players (streams of jobs/oca-health).
    Fleet(FleetArgs),
    /// What players report while members watch (stream `playback`), and what members delete from
    /// their history.
    Playback(PlaybackArgs),
}

/// Where generated events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GenerateTo {
    /// To the topics of the platform's broker, or of `--kafka`.
    Kafka,
    /// To the platform's HTTP API.
    Http,
}

/// What all generators are told.
#[derive(Debug, Clone, Args)]
pub(crate) struct PaceArgs {
    /// Everything follows from it: the same seed and start give the same events.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(crate) seed: u64,
    /// How much time the events cover. Default: a minute, or without end with `--to`; all of
    /// `--ratings`.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) lasts: Option<Duration>,
    /// Time of the first events, such as `2026-01-01T00:00:00Z`, or `now`. Default: that, or now
    /// with `--to`; the first of `--ratings`.
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<String>,
    /// Only the events of this stream.
    #[arg(long, value_name = "NAME")]
    pub(crate) stream: Option<String>,
    /// How fast the time of the events passes, 1 being as it does for us; 0 is as fast as can be.
    /// Default: 0, or 1 with `--to`.
    #[arg(long, value_name = "FACTOR")]
    pub(crate) speed: Option<f64>,
    /// Send the events; their streams must be declared. Without it they are printed, one JSON
    /// object a line: `{"stream": …, "event": …}`, or the event alone with `--stream`.
    #[arg(long, value_enum)]
    pub(crate) to: Option<GenerateTo>,
    /// Data folder of the running platform, which says where it can be reached.
    #[arg(long, default_value = "./millrace-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) kafka: KafkaArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FleetArgs {
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    /// Reports in a second; an appliance makes one every five seconds.
    #[arg(long, default_value_t = 60.0, value_name = "NUMBER")]
    pub(crate) rate: f64,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PlaybackArgs {
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    /// Members watch what they rated in this file of MovieLens (`u.data`, `ratings.dat`,
    /// `ratings.csv`, also with `.gz`), each title when it was rated. `--start` and `--for` say
    /// which part of the ratings counts; without them all do.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["rate", "members", "titles"])]
    pub(crate) ratings: Option<PathBuf>,
    /// Leave out ratings below this.
    #[arg(long, default_value_t = 0.0, value_name = "STARS", requires = "ratings")]
    pub(crate) least_stars: f64,
    /// Sessions begun in a second; one has thirty events or so.
    #[arg(long, default_value_t = 1.0, value_name = "NUMBER")]
    pub(crate) rate: f64,
    /// Members who watch.
    #[arg(long, default_value_t = 1_000, value_name = "NUMBER")]
    pub(crate) members: u32,
    /// Appliances that serve the players: those of `millrace generate fleet` with the same seed and
    /// `--rate` a fifth of this. 0: who serves is not known.
    #[arg(long, default_value_t = 300, value_name = "NUMBER")]
    pub(crate) appliances: usize,
    /// Titles, the first the most popular.
    #[arg(long, default_value_t = 500, value_name = "NUMBER")]
    pub(crate) titles: u32,
}
