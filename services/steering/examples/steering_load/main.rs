//! How fast steering is and what it takes: in process, on publication, and over HTTP on two cores
//! together with the generator of the load.
//!
//! Run it with `bench/steering.sh`, which builds with optimization.

#![expect(clippy::print_stdout, reason = "the figures are its result")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded anyway")]

mod load;
mod machine;
mod paced;
mod world;

use std::time::{Duration, Instant};

use millrace_steering::fleet::Fleet;
use millrace_steering::sign::SigningKey;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use world::World;

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut seconds, mut connections, mut rate) = (10, 8, 0);
    while let Some(name) = args.next() {
        let value = args.next().and_then(|value| value.parse().ok());
        let value: u64 = value.unwrap_or_else(|| panic!("{name} wants a number"));
        match name.as_str() {
            "--seconds" => seconds = value,
            "--connections" => connections = value,
            "--rate" => rate = value,
            _ => panic!(
                "--seconds N, --connections N, --rate REQUESTS_A_SECOND (0: as fast as it goes)"
            ),
        }
    }
    let mut world = World::new();
    world.describe();
    in_process(&world.fleet(), 1);
    in_process(&world.fleet(), 3);
    world.publication();
    for files in [1, 3] {
        load::run(
            &world,
            &load::Plan {
                files,
                connections: usize::try_from(connections).unwrap(),
                rate,
                lasting: Duration::from_secs(seconds),
            },
        );
    }
}

/// Ranking and signing alone, on one thread.
fn in_process(fleet: &Fleet, files: usize) {
    const TURNS: usize = 100_000;
    let mut rng = StdRng::seed_from_u64(7);
    let key = SigningKey::new(&[7; 32]).unwrap();
    let ranges: Vec<_> = fleet.asn.ranges().collect();
    let asked: Vec<_> = (0..TURNS)
        .map(|_| {
            let ip = ranges[rng.random_range(0..ranges.len())].0;
            let files: Vec<_> = (0..files).map(|_| world::any_file(&mut rng)).collect();
            (ip, files)
        })
        .collect();
    let mut took = Vec::with_capacity(TURNS);
    let mut named = 0;
    let cpu = machine::cpu_seconds("");
    for (ip, files) in &asked {
        let started = Instant::now();
        let client = fleet.client(*ip);
        for file in files {
            named += client.rank(file).map_or(0, |ranked| ranked.len());
            named += key.sign(file, *ip, 1_700_000_000).len() & 1;
        }
        took.push(started.elapsed());
    }
    let cpu = machine::cpu_seconds("") - cpu;
    println!(
        "in process, {files} file(s): {}, {:.0} a CPU-second ({named})",
        machine::percentiles(&mut took),
        TURNS as f64 / cpu.max(0.01),
    );
}
