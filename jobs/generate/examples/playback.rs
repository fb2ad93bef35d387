//! Prints generated playback, or the deletions from the history beside it, as JSON lines.
//!
//! `playback STREAM SEED SESSIONS MEMBERS TITLES PER_HOUR [WATCHED_S DISORDER_MS DUPLICATE]`

use std::env::args;
use std::error::Error;
use std::io::{BufWriter, Write, stdout};

use millrace_generate::playback::{Playback, PlaybackSettings, Plays};

const FROM_MS: i64 = 1_760_000_000_000;
const USAGE: &str =
    "playback STREAM SEED SESSIONS MEMBERS TITLES PER_HOUR [WATCHED_S DISORDER_MS DUPLICATE]";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = args().skip(1).collect();
    let (stream, rest) = args.split_first().ok_or(USAGE)?;
    let rest: Vec<f64> = rest.iter().map(|arg| arg.parse()).collect::<Result<_, _>>()?;
    let [seed, sessions, members, titles, per_hour, rest @ ..] = &rest[..] else {
        return Err(USAGE.into());
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole numbers of a command line; what does not fit becomes the nearest"
    )]
    let whole = |number: f64| number as u32;
    let settings = PlaybackSettings {
        seed: u64::from(whole(*seed)),
        watched_s: whole(rest.first().copied().unwrap_or(400.0)),
        pause: 0.04,
        seek: 0.03,
        deletion: 0.1,
        disorder_ms: whole(rest.get(1).copied().unwrap_or(0.0)),
        duplicate: rest.get(2).copied().unwrap_or(0.0),
        ..Default::default()
    };
    let (members, titles) = (whole(*members), whole(*titles));
    let plays = Plays::new(settings.seed, FROM_MS, *per_hour, members, 2, titles);
    let plays = plays.take(whole(*sessions) as usize);
    let mut out = BufWriter::new(stdout().lock());
    for event in Playback::new(settings, plays).filter(|event| event.stream == stream) {
        out.write_all(&event.json)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
