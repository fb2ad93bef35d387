//! The simulated fleet: the same from the same seed, and as its settings say.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use millrace_events::ReplayEvent;
use millrace_generate::fleet::{
    AsRange, FailureKind, Failures, Fleet, FleetSettings, file_id, prefixes,
};
use serde_json::Value;

/// Ten systems with eight ranges each.
fn ranges() -> Vec<AsRange> {
    let range = |n: u32| AsRange {
        first: [10, u8::try_from(n).unwrap(), 0, 0].into(),
        last: [10, u8::try_from(n).unwrap(), 2, 255].into(),
        asn: 64_500 + n % 10,
        name: format!("AS of test {}", n % 10).into(),
    };
    (0..80).map(range).collect()
}

/// A prefix of IPv6 is as large as one of IPv4 with half its bits.
#[test]
fn a_site_announces_the_largest_prefixes_of_either_family() {
    let range = |first: &str, last: &str| AsRange {
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
        asn: 64_500,
        name: "AS of test".into(),
    };
    let ranges = [
        range("192.0.2.0", "192.0.2.255"),
        range("198.18.0.0", "198.18.255.255"),
        range("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        range("2001:dc0::", "2001:ddf:ffff:ffff:ffff:ffff:ffff:ffff"),
    ];
    for (prefixes, expected) in
        [(1, &["2001:dc0::/27"][..]), (3, &["198.18.0.0/16", "2001:db8::/32", "2001:dc0::/27"])]
    {
        let settings = FleetSettings { sites: 1, prefixes, ..settings() };
        let fleet = Fleet::new(settings, &ranges);
        let site = fleet.sites().next().unwrap();
        let found: Vec<_> = site.prefixes.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }
}

fn settings() -> FleetSettings {
    FleetSettings {
        appliances: 40,
        sites: 8,
        duration_ms: Some(600_000),
        files: 200,
        files_held: 20,
        mean_up_ms: 120_000.0,
        ..FleetSettings::default()
    }
}

fn events(settings: FleetSettings) -> Vec<ReplayEvent> {
    Fleet::new(settings, &ranges()).collect()
}

fn json(event: &ReplayEvent) -> Value {
    serde_json::from_slice(&event.json).unwrap()
}

fn of<'a>(events: &'a [ReplayEvent], stream: &str) -> Vec<&'a ReplayEvent> {
    events.iter().filter(|event| event.stream == stream).collect()
}

#[test]
fn the_same_seed_gives_the_same_events() {
    assert_eq!(events(settings()), events(settings()));
    assert_ne!(events(settings()), events(FleetSettings { seed: 2, ..settings() }));
}

#[test]
fn events_are_what_their_json_says() {
    let events = events(settings());
    let mut streams = BTreeMap::new();
    let mut known: HashMap<&str, &ReplayEvent> = HashMap::new();
    for event in &events {
        *streams.entry(event.stream).or_insert(0) += 1;
        let json = json(event);
        assert_eq!(json["event_id"], event.id.as_str());
        let time = chrono::DateTime::parse_from_rfc3339(json["event_time"].as_str().unwrap());
        assert_eq!(time.unwrap().timestamp_millis(), event.event_time_ms);
        let key = if event.stream == "client_errors" { "member_id" } else { "oca_id" };
        assert_eq!(json[key].to_string().trim_matches('"'), event.key);
        // What comes twice is the same.
        assert_eq!(*known.entry(&event.id).or_insert(event), event);
    }
    assert!(known.len() < events.len());
    let names: Vec<_> = streams.keys().copied().collect();
    assert_eq!(names, ["client_errors", "oca_files", "oca_reports", "oca_routes"]);
    let expected: i64 = 40 * 8 * 2 * 3;
    assert!(streams["oca_routes"] >= expected / 6, "{streams:?}");
}

#[test]
fn nothing_comes_later_than_the_delay() {
    let settings = settings();
    let mut newest = i64::MIN;
    for event in events(settings.clone()) {
        newest = newest.max(event.event_time_ms);
        assert!(event.event_time_ms >= newest - settings.delay_ms);
        let since = event.event_time_ms - settings.start_ms;
        assert!((0..600_000 + settings.delay_ms).contains(&since));
    }
}

/// Times of the reports of each appliance, by its number.
fn reports(settings: &FleetSettings) -> Vec<Vec<(i64, Value)>> {
    let mut reports = vec![BTreeMap::new(); settings.appliances];
    for event in of(&events(settings.clone()), "oca_reports") {
        let json = json(event);
        let (site, place) = event.key.rsplit_once('-').unwrap();
        let site: usize = site.rsplit_once('-').unwrap().1.parse().unwrap();
        let number = place.parse::<usize>().unwrap() * settings.sites + site;
        reports[number].insert(event.event_time_ms, json);
    }
    reports.into_iter().map(|of| of.into_iter().collect()).collect()
}

#[test]
fn appliances_report_as_often_as_they_should_and_fail_as_planned() {
    let settings = settings();
    let over = settings.start_ms + settings.duration_ms.unwrap();
    let mut seen = HashSet::new();
    for (number, reports) in reports(&settings).into_iter().enumerate() {
        let failures: Vec<_> =
            Failures::of(&settings, number).take_while(|failure| failure.from_ms < over).collect();
        let failing = |at: i64| {
            let mut failures = failures.iter();
            failures.find(|failure| (failure.from_ms..failure.to_ms).contains(&at))
        };
        let silent = |from: i64, to: i64| {
            failures.iter().any(|failure| {
                failure.kind == FailureKind::Silent
                    && failure.from_ms <= to
                    && from <= failure.to_ms
            })
        };
        for pair in reports.windows(2) {
            let (from, to) = (pair[0].0, pair[1].0);
            assert!(to - from <= settings.report_every_ms || silent(from, to));
        }
        for (at, report) in &reports {
            let share =
                report["load_mbps"].as_f64().unwrap() / report["capacity_mbps"].as_f64().unwrap();
            let errors = report["disk_errors"].as_i64().unwrap();
            let kind = failing(*at).map(|failure| failure.kind);
            match kind {
                None => assert!(share < 0.7 && errors == 0),
                Some(FailureKind::Silent) => panic!("it is silent"),
                Some(FailureKind::Overloaded) => assert!(share >= 0.999),
                Some(FailureKind::DiskErrors) => assert!(errors >= 5),
                Some(FailureKind::Flapping) => assert!(share < 0.98),
            }
            seen.insert(format!("{kind:?}"));
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn appliances_that_begin_together_do_not_report_in_step() {
    let settings = FleetSettings { mean_up_ms: 1e9, ..settings() };
    let from = settings.start_ms + 2 * settings.report_every_ms;
    let reports = reports(&settings).into_iter().flatten().map(|(at, _)| at);
    let mut times: Vec<i64> = reports.filter(|at| *at > from).collect();
    times.sort_unstable();
    // Forty appliances, eight reports a second: a fleet in step would be silent for seconds.
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(times.len() > 4_000 && longest < 1_500, "{longest} ms without any report");
}

#[test]
fn players_are_served_by_appliances_that_report() {
    let reporting: BTreeSet<_> =
        of(&events(settings()), "oca_reports").iter().map(|event| event.key.clone()).collect();
    // Which they are does not depend on what they hold, nor on when they begin.
    let other = FleetSettings { files: 0, start_ms: 0, ..settings() };
    let fleet = Fleet::new(other, &ranges());
    let known: BTreeSet<_> = fleet.appliances().map(|(id, _)| id.to_owned()).collect();
    assert_eq!(known, reporting);
    assert!(fleet.appliances().all(|(id, site)| id.starts_with(&site.name)));
}

#[test]
fn routes_and_files_are_deltas_of_what_an_appliance_has() {
    let settings = settings();
    let fleet = Fleet::new(settings.clone(), &ranges());
    let announced: HashMap<String, BTreeSet<String>> = fleet
        .sites()
        .map(|site| {
            assert_eq!(site.prefixes.len(), 16, "8 ranges of 2 prefixes");
            (site.name.clone(), site.prefixes.iter().map(ToString::to_string).collect())
        })
        .collect();
    let (mut routes, mut files) = (HashMap::new(), HashMap::new());
    let mut events: Vec<_> = fleet.collect();
    events.sort_by_key(|event| event.event_time_ms);
    let mut known = HashSet::new();
    for event in events.iter().filter(|event| known.insert(event.id.clone())) {
        let json = json(event);
        let (sets, what, come) = match event.stream {
            "oca_routes" => (&mut routes, "prefix", "announce"),
            "oca_files" => (&mut files, "file_id", "add"),
            _ => continue,
        };
        let set: &mut BTreeSet<String> = sets.entry(event.key.clone()).or_default();
        let thing = json[what].as_str().unwrap().to_owned();
        let changed = if json["action"] == come { set.insert(thing) } else { set.remove(&thing) };
        assert!(changed, "{json}");
    }
    assert_eq!((routes.len(), files.len()), (40, 40));
    for (id, set) in &routes {
        let all = &announced[id.rsplit_once('-').unwrap().0];
        assert!(set.is_subset(all) && all.len() - set.len() <= 1);
    }
    assert!(files.values().all(|set| set.len() == 20));
    let holders = |rank: usize| files.values().filter(|set| set.contains(&file_id(rank))).count();
    let (popular, others): (usize, usize) =
        ((0..20).map(holders).sum(), (180..200).map(holders).sum());
    assert!(popular > 4 * others, "{popular} and {others}");
}

#[test]
fn a_rate_is_reports_in_a_second() {
    let settings = FleetSettings { duration_ms: Some(60_000), ..FleetSettings::default() };
    let settings = FleetSettings { mean_up_ms: 1e9, duplicates: 0.0, ..settings.at_rate(20.0) };
    assert_eq!((settings.appliances, settings.sites), (100, 20));
    let from = settings.start_ms + 10_000;
    let events = events(settings);
    let reports = of(&events, "oca_reports").into_iter().filter(|r| r.event_time_ms >= from);
    let reports = reports.count();
    assert!((1_000..1_100).contains(&reports), "{reports} in 50 s");
}

#[test]
fn without_ranges_there_is_no_fleet() {
    assert_eq!(Fleet::new(settings(), &[]).count(), 0);
    assert_eq!(prefixes([10, 0, 0, 0].into(), [10, 0, 2, 255].into()).len(), 2);
}
