//! `millrace generate`: events from a seed, printed or sent as fast as their time passes.

use std::io::{BufWriter, Error, ErrorKind, StdoutLock, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;

use millrace_bus::KafkaSettings;
use millrace_events::{Clock, ReplayEvent, SystemClock};
use millrace_generate::fleet::{self, Fleet, FleetSettings, Site, bundled_ranges};
use millrace_generate::movielens::Ratings;
use millrace_generate::playback::{self, Appliance, Play, Playback, PlaybackSettings, Plays};

use crate::cli::{FleetArgs, GenerateArgs, GenerateCommand, GenerateTo, PaceArgs, PlaybackArgs};
use crate::platform::RunFile;
use crate::send::{ByHttp, ByKafka, CHUNK};
use crate::{Verdict, compose};

/// Events that are due within this time go together.
const TICK: Duration = Duration::from_millis(10);
/// First second of 2026: printed events have the same times in every run.
const FIXED_START_MS: i64 = 1_767_225_600_000;
const PRINTED: Duration = Duration::from_mins(1);
/// Generated players report up to this much late, well within the delay of their stream.
const PLAYER_DISORDER_MS: u32 = 5_000;
const PLAYER_DUPLICATES: f64 = 0.005;
const PLAYER_DELETIONS: f64 = 0.01;
const PROFILES: u32 = 2;
/// Most reports a second of a fleet: 10,000 appliances, which is what fits into memory.
const MOST_REPORTS: f64 = 2_000.0;
/// Those that make so many reports.
const MOST_APPLIANCES: usize = 10_000;
/// Most sessions begun in a second: all that are open are in memory.
const MOST_SESSIONS: f64 = 10_000.0;

/// `millrace generate`.
pub(crate) async fn run(args: GenerateArgs) -> anyhow::Result<Verdict> {
    let outcome = match args.command {
        GenerateCommand::Fleet(args) => fleet(args).await,
        GenerateCommand::Playback(args) => playback(args).await,
    };
    match outcome {
        // Whoever reads has enough, as `head` has.
        Err(e) if e.downcast_ref::<Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) => {
            Ok(Verdict::Good)
        }
        outcome => outcome,
    }
}

async fn fleet(FleetArgs { pace, rate }: FleetArgs) -> anyhow::Result<Verdict> {
    check_rate(rate, MOST_REPORTS)?;
    check_stream(&pace, &fleet::STREAMS)?;
    let ranges = bundled_ranges()?;
    let span = Span::of(&pace)?;
    let settings = FleetSettings {
        seed: pace.seed,
        start_ms: span.start_ms,
        duration_ms: span.lasts_ms,
        ..FleetSettings::default()
    };
    let fleet = Fleet::new(settings.at_rate(rate), &ranges);
    emit(&pace, &span, fleet).await
}

async fn playback(args: PlaybackArgs) -> anyhow::Result<Verdict> {
    let PlaybackArgs { pace, ratings, least_stars, rate, members, titles, appliances } = args;
    check_stream(&pace, &[playback::STREAM, playback::DELETIONS])?;
    let settings = PlaybackSettings {
        seed: pace.seed,
        disorder_ms: PLAYER_DISORDER_MS,
        duplicate: PLAYER_DUPLICATES,
        deletion: PLAYER_DELETIONS,
        appliances: serving(pace.seed, appliances)?,
        ..PlaybackSettings::default()
    };
    if let Some(path) = ratings {
        return rated(&pace, settings, &path, least_stars).await;
    }
    check_rate(rate, MOST_SESSIONS)?;
    ensure!(members > 0 && titles > 0, "somebody must watch something: --members, --titles");
    let span = Span::of(&pace)?;
    let per_hour = rate * 3600.0;
    let plays = Plays::new(pace.seed, span.start_ms, per_hour, members, PROFILES, titles);
    watch(&pace, &span, settings, plays).await
}

fn check_rate(rate: f64, most: f64) -> anyhow::Result<()> {
    ensure!(rate > 0.0 && rate <= most, "--rate {rate}: write a number above zero, at most {most}");
    Ok(())
}

/// Nothing at all would come of a stream that is misspelt.
fn check_stream(pace: &PaceArgs, streams: &[&str]) -> anyhow::Result<()> {
    match pace.stream.as_deref() {
        Some(stream) if !streams.contains(&stream) => {
            bail!("--stream {stream}: no such events; there are {}", streams.join(", "))
        }
        _ => Ok(()),
    }
}

/// The appliances of a fleet.
fn serving(seed: u64, appliances: usize) -> anyhow::Result<Vec<Appliance>> {
    if appliances == 0 {
        return Ok(Vec::new());
    }
    ensure!(appliances <= MOST_APPLIANCES, "--appliances {appliances}: at most {MOST_APPLIANCES}");
    // What they hold does not matter here, and takes time.
    let settings = FleetSettings { seed, files: 0, ..FleetSettings::default() };
    let fleet = Fleet::new(settings.sized(appliances), &bundled_ranges()?);
    let appliance = |(id, site): (&str, &Site)| Appliance {
        id: id.to_owned(),
        country: site.country.to_owned(),
    };
    Ok(fleet.appliances().map(appliance).collect())
}

/// Members watch what they rated, when they rated it.
async fn rated(
    pace: &PaceArgs,
    settings: PlaybackSettings,
    path: &Path,
    least_stars: f64,
) -> anyhow::Result<Verdict> {
    let ratings = Ratings::open(path)?;
    let mut plays = ratings.plays(least_stars).peekable();
    let first = plays.peek().map(|play| play.at_ms);
    let first = first.with_context(|| format!("{}: no such ratings", path.display()))?;
    let span = Span::of_recording(pace, first)?;
    let plays = plays.skip_while(|play| play.at_ms < span.start_ms);
    watch(pace, &span, settings, plays).await
}

/// Sends what players report of plays within the span.
async fn watch(
    pace: &PaceArgs,
    span: &Span,
    settings: PlaybackSettings,
    plays: impl Iterator<Item = Play>,
) -> anyhow::Result<Verdict> {
    let end_ms = span.end_ms();
    let plays = plays.take_while(|play| play.at_ms < end_ms);
    let events = Playback::new(settings, plays);
    emit(pace, span, events.filter(|event| event.event_time_ms < end_ms)).await
}

/// The time that the events cover.
struct Span {
    start_ms: i64,
    lasts_ms: Option<i64>,
    /// When it was `start_ms` for us; making a fleet takes time.
    begun: Instant,
}

impl Span {
    fn of(pace: &PaceArgs) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let start_ms = match (start_of(pace)?, pace.to) {
            (Some(start_ms), _) => start_ms,
            (None, Some(_)) => SystemClock::default().now_ms(),
            (None, None) => FIXED_START_MS,
        };
        let lasts = pace.lasts.or(pace.to.is_none().then_some(PRINTED));
        Ok(Self { start_ms, lasts_ms: millis(lasts)?, begun })
    }

    /// The same for a recording whose first event is at `first_ms`: all of it, unless part is asked
    /// for.
    fn of_recording(pace: &PaceArgs, first_ms: i64) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let start_ms = start_of(pace)?.unwrap_or(first_ms);
        Ok(Self { start_ms, lasts_ms: millis(pace.lasts)?, begun })
    }

    fn end_ms(&self) -> i64 {
        self.lasts_ms.map_or(i64::MAX, |lasts| self.start_ms.saturating_add(lasts))
    }
}

fn start_of(pace: &PaceArgs) -> anyhow::Result<Option<i64>> {
    let Some(text) = &pace.start else { return Ok(None) };
    if text == "now" {
        return Ok(Some(SystemClock::default().now_ms()));
    }
    let nanos = string_to_timestamp_nanos(text);
    Ok(Some(nanos.with_context(|| format!("--start {text}: not a time"))? / 1_000_000))
}

fn millis(lasts: Option<Duration>) -> anyhow::Result<Option<i64>> {
    lasts.map(|lasts| i64::try_from(lasts.as_millis())).transpose().context("--for: too long")
}

/// Sends what is generated, each event when its time has come.
async fn emit(
    pace: &PaceArgs,
    span: &Span,
    events: impl Iterator<Item = ReplayEvent>,
) -> anyhow::Result<Verdict> {
    let speed = pace.speed.unwrap_or(if pace.to.is_some() { 1.0 } else { 0.0 });
    ensure!(speed >= 0.0 && speed.is_finite(), "--speed {speed}: write 0 or a number above it");
    let mut target = Target::open(pace)?;
    let wanted = |event: &ReplayEvent| pace.stream.as_deref().is_none_or(|s| s == event.stream);
    let (mut sent, mut chunk) = (0_u64, Vec::new());
    for event in events.filter(wanted) {
        let due = due(speed, event.event_time_ms - span.start_ms);
        if due > span.begun.elapsed() + TICK || chunk.len() >= CHUNK {
            sent += target.send(std::mem::take(&mut chunk)).await?;
            tokio::time::sleep(due.saturating_sub(span.begun.elapsed())).await;
        }
        chunk.push(event);
    }
    sent += target.send(chunk).await?;
    target.finish()?;
    let seconds = span.begun.elapsed().as_secs_f64();
    eprintln!("{sent} events in {seconds:.2} s");
    Ok(Verdict::Good)
}

/// How long after the start an event is due that happens so many milliseconds after it.
fn due(speed: f64, after_ms: i64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    let millis = after_ms.max(0) as f64;
    if speed == 0.0 {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(millis / 1000.0 / speed).unwrap_or(Duration::MAX)
}

/// Where events go.
enum Target {
    Stdout { out: BufWriter<StdoutLock<'static>>, bare: bool },
    Kafka(ByKafka),
    Http(ByHttp),
}

impl Target {
    fn open(pace: &PaceArgs) -> anyhow::Result<Self> {
        Ok(match pace.to {
            None => Self::Stdout {
                out: BufWriter::new(std::io::stdout().lock()),
                bare: pace.stream.is_some(),
            },
            Some(GenerateTo::Kafka) => {
                let kafka = match compose::cluster(&pace.kafka)? {
                    Some(kafka) => kafka,
                    None => KafkaSettings::plain(RunFile::read(&pace.data)?.kafka),
                };
                Self::Kafka(ByKafka::new(&kafka)?)
            }
            Some(GenerateTo::Http) => {
                let http = RunFile::read(&pace.data)?.http;
                let http = http.context("the platform has no HTTP API")?;
                // On loopback no token is needed, so none is no mistake.
                let token = std::fs::read_to_string(pace.data.join("admin.token")).ok();
                let token = token.map(|token| token.trim().to_owned());
                let http = http.parse().with_context(|| format!("the address `{http}`"))?;
                Self::Http(ByHttp::new(http, token))
            }
        })
    }

    /// How many of them were taken: all.
    async fn send(&mut self, events: Vec<ReplayEvent>) -> anyhow::Result<u64> {
        let count = events.len() as u64;
        match self {
            Self::Stdout { out, bare } => {
                for event in events {
                    print(out, &event, *bare)?;
                }
                out.flush()?;
            }
            Self::Kafka(kafka) => kafka.send(events).await?,
            Self::Http(door) => door.send(&events).await?,
        }
        Ok(count)
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        if let Self::Stdout { out, .. } = self {
            out.flush()?;
        }
        Ok(())
    }
}

fn print(out: &mut impl Write, event: &ReplayEvent, bare: bool) -> std::io::Result<()> {
    if !bare {
        write!(out, r#"{{"stream":"{}","event":"#, event.stream)?;
    }
    out.write_all(&event.json)?;
    out.write_all(if bare { b"\n" } else { b"}\n" })
}
