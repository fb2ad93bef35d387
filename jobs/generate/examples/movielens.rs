//! Prints playback of MovieLens ratings as JSON lines: `movielens --ratings PATH [LEAST_STARS]`.

use std::env::args;
use std::error::Error;
use std::io::{BufWriter, Write, stdout};
use std::path::Path;

use millrace_generate::movielens::Ratings;
use millrace_generate::playback::{Playback, PlaybackSettings, STREAM};

const USAGE: &str = "movielens --ratings PATH [LEAST_STARS]";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = args().skip(1).collect();
    let (path, least) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--ratings", path] => (path, 0.0),
        ["--ratings", path, least] => (path, least.parse()?),
        _ => return Err(USAGE.into()),
    };
    let ratings = Ratings::open(Path::new(path))?;
    let settings = PlaybackSettings { watched_s: 60, ..PlaybackSettings::default() };
    let mut out = BufWriter::new(stdout().lock());
    for event in Playback::new(settings, ratings.plays(least)) {
        if event.stream == STREAM {
            out.write_all(&event.json)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(out.flush()?)
}
