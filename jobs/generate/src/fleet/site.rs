//! Sites: a real AS with its prefixes, at a generated place.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use super::prefix::Prefix;
use super::ranges::AsRange;

/// Where appliances stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Number of the AS it is in.
    pub asn: u32,
    /// Name of that AS.
    pub as_name: String,
    /// Prefixes of that AS that its appliances announce, in order.
    pub prefixes: Vec<Prefix>,
    /// ISO 3166 code of its country, generated.
    pub country: &'static str,
    /// Degrees north, generated.
    pub latitude: f64,
    /// Degrees east, generated.
    pub longitude: f64,
}

/// Countries with a place in them, around which sites are put.
const PLACES: [(&str, f64, f64); 24] = [
    ("US", 39.1, -94.6),
    ("US", 34.1, -118.2),
    ("US", 40.7, -74.0),
    ("CA", 45.4, -75.7),
    ("MX", 19.4, -99.1),
    ("BR", -23.5, -46.6),
    ("AR", -34.6, -58.4),
    ("CL", -33.4, -70.7),
    ("GB", 51.5, -0.1),
    ("FR", 48.9, 2.3),
    ("DE", 50.1, 8.7),
    ("NL", 52.4, 4.9),
    ("ES", 40.4, -3.7),
    ("IT", 45.5, 9.2),
    ("PL", 52.2, 21.0),
    ("SE", 59.3, 18.1),
    ("ZA", -26.2, 28.0),
    ("NG", 6.5, 3.4),
    ("IN", 19.1, 72.9),
    ("SG", 1.4, 103.8),
    ("JP", 35.7, 139.7),
    ("KR", 37.6, 127.0),
    ("AU", -33.9, 151.2),
    ("NZ", -36.8, 174.8),
];

/// How far from a place its sites are, in degrees.
const SPREAD: f64 = 2.0;

/// Systems with fewer prefixes than this are hardly providers of access.
const FEWEST: usize = 4;

/// `count` sites, each in an AS of its own as long as there are enough that announce IPv4 and a few
/// prefixes.
pub(super) fn sites(ranges: &[AsRange], count: usize, most: usize, rng: &mut StdRng) -> Vec<Site> {
    let mut systems: BTreeMap<u32, Vec<&AsRange>> = BTreeMap::new();
    for range in ranges {
        systems.entry(range.asn).or_default().push(range);
    }
    let large = |ranges: &Vec<&AsRange>| {
        ranges.len() >= FEWEST && ranges.iter().any(|range| range.first.is_ipv4())
    };
    let mut chosen: Vec<_> = systems.values().filter(|ranges| large(ranges)).collect();
    if chosen.is_empty() {
        chosen = systems.values().collect();
    }
    chosen.shuffle(rng);
    let systems = chosen.iter().cycle().take(if chosen.is_empty() { 0 } else { count });
    let systems: Vec<_> = systems.collect();
    systems
        .into_iter()
        .enumerate()
        .map(|(number, ranges)| site(number, ranges, most, rng))
        .collect()
}

fn site(number: usize, ranges: &[&AsRange], most: usize, rng: &mut StdRng) -> Site {
    let mut prefixes: Vec<Prefix> = ranges.iter().flat_map(|range| range.prefixes()).collect();
    // Of both families: a prefix of IPv6 with 32 bits is what one of IPv4 with 16 is.
    prefixes.sort_by_key(|prefix| {
        let shared = if prefix.address.is_ipv4() { prefix.length * 2 } else { prefix.length };
        (shared, *prefix)
    });
    prefixes.truncate(most);
    prefixes.sort_unstable();
    let (country, latitude, longitude) =
        *PLACES.choose(rng).expect("there are places to choose from");
    let mut near = |degrees: f64| {
        let moved = degrees + rng.random_range(-SPREAD..SPREAD);
        (moved * 1e4).round() / 1e4
    };
    Site {
        name: format!("{}-{number:03}", country.to_lowercase()),
        asn: ranges[0].asn,
        as_name: ranges[0].name.to_string(),
        prefixes,
        country,
        latitude: near(latitude),
        longitude: near(longitude),
    }
}
