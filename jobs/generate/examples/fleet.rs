//! Writes the events of a small fleet that fails often, a file a stream.
//!
//! `fleet DIR SEED APPLIANCES SECONDS`

use std::collections::BTreeMap;
use std::env::args;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use millrace_generate::fleet::{Fleet, FleetSettings, bundled_ranges};

const USAGE: &str = "fleet DIR SEED APPLIANCES SECONDS";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = args().skip(1).collect();
    let [dir, seed, appliances, seconds] = &args[..] else { return Err(USAGE.into()) };
    let appliances = appliances.parse()?;
    let settings = FleetSettings {
        seed: seed.parse()?,
        duration_ms: Some(seconds.parse::<i64>()? * 1000),
        appliances,
        sites: appliances.div_ceil(2),
        prefixes: 4,
        files: 40,
        files_held: 8,
        duplicates: 0.03,
        mean_up_ms: 60_000.0,
        mean_down_ms: 25_000.0,
        mean_change_ms: 20_000.0,
        mean_error_ms: 20_000.0,
        ..FleetSettings::default()
    };
    let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for event in Fleet::new(settings, &bundled_ranges()?) {
        let file = files.entry(event.stream).or_default();
        file.extend(event.json);
        file.push(b'\n');
    }
    fs::create_dir_all(dir)?;
    for (stream, lines) in files {
        fs::write(PathBuf::from(dir).join(format!("{stream}.jsonl")), lines)?;
    }
    Ok(())
}
