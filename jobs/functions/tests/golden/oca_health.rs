//! Appliances: health, routes and files, and the errors of players.

use std::path::Path;

use millrace_processors::RowKind;

use super::harness::Golden;
use super::rows::Row;

#[tokio::test]
async fn oca_health_gives_what_the_batch_gives() {
    Golden::of("oca-health").check().await;
}

/// The job over other events, in one partition: the harness reads partitions at random, and that
/// one is behind the other says nothing about the job.
pub(crate) fn over(root: &Path, fixtures: &[(&str, String)]) -> Golden {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../oca-health");
    let folder = root.join("oca-health");
    std::fs::create_dir_all(folder.join("fixtures")).expect("the disk has room");
    for file in ["manifest.yaml", "oca-health.sql"] {
        let text = std::fs::read_to_string(shipped.join(file)).expect("it ships");
        let text = text.replace("partitions: 2", "partitions: 1");
        std::fs::write(folder.join(file), text).expect("the disk has room");
    }
    for stream in ["oca_reports", "oca_routes", "oca_files", "client_errors"] {
        let lines = fixtures.iter().find(|(name, _)| *name == stream);
        let lines = lines.map_or("", |(_, lines)| lines);
        std::fs::write(folder.join(format!("fixtures/{stream}.jsonl")), lines).expect("room");
    }
    Golden::in_folder(root, "oca-health")
}

/// Seconds of a time of the test's minutes.
fn seconds(row: &Row) -> u32 {
    let text = row["last_report"].as_str().expect("a time");
    let part = |from: usize, to: usize| text[from..to].parse::<u32>().expect("digits");
    part(14, 16) * 60 + part(17, 19)
}

/// Twelve appliances report every four seconds; number 3 says nothing from 24 s on, and reports
/// again from 44 s on.
fn one_falls_silent() -> String {
    let mut lines = String::new();
    for at in (0..80).step_by(4) {
        for appliance in (0..12).filter(|n| *n != 3 || !(25..44).contains(&at)) {
            let time = format!("2026-01-01T00:{:02}:{:02}Z", at / 60, at % 60);
            let id = format!(r#"{{"event_id":"{appliance}-{at}","event_time":"{time}""#);
            lines.extend([id.as_str(), r#","oca_id":"oca-"#, &appliance.to_string(), r#"","#]);
            lines += r#""capacity_mbps":1000.0,"load_mbps":100.0,"cpu":0.1,"disk_errors":0}"#;
            lines.push('\n');
        }
    }
    lines
}

#[tokio::test]
async fn reports_of_others_show_that_an_appliance_is_silent() {
    let root = tempfile::tempdir().expect("the disk has room");
    let golden = over(root.path(), &[("oca_reports", one_falls_silent())]);
    let changes = golden.changes("appliances").await;
    // What steering knew, in the order in which it came to know.
    let mut heard = 0;
    let mut story: Vec<(bool, bool, u32, u32)> = Vec::new();
    for (_, row) in changes.iter().filter(|(kind, _)| *kind != RowKind::UpdateBefore) {
        let healthy = row["healthy"] == true;
        if row["oca_id"] == "oca-3" {
            if story.last().is_none_or(|(was, ..)| *was != healthy) {
                story.push((healthy, row["silent"] == true, heard, seconds(row)));
            }
        } else if row["silent"] == false {
            heard = heard.max(seconds(row));
            assert!(healthy || seconds(row) < 8, "{row:?}");
        }
    }
    let healthy: Vec<_> = story.iter().map(|(healthy, silent, ..)| (*healthy, *silent)).collect();
    let expected = [(false, false), (true, false), (false, true), (true, false), (false, true)];
    assert_eq!(healthy, expected, "{story:?}");
    // Heard at 24 s, silent from 29.2 s, told with the first reports after 29.5 s: those of 32 s.
    let (.., when_found, last_report) = story[2];
    assert!(last_report == 24 && (28..36).contains(&when_found), "{story:?}");
    // Third good report after the silence.
    assert_eq!(story[3].3, 52, "{story:?}");
}

#[tokio::test]
async fn what_is_withdrawn_leaves_the_feed() {
    let root = tempfile::tempdir().expect("the disk has room");
    let event = |n: u32, action: &str| {
        let place = r#""oca_id":"oca-1","prefix":"192.0.2.0/24""#;
        let time = format!("2026-01-01T00:{n:02}:00Z");
        let event = format!(r#"{{"event_id":"{n}","event_time":"{time}",{place}"#);
        event + &format!(r#","action":"{action}"}}"#) + "\n"
    };
    let lines = event(1, "announce") + &event(2, "withdraw") + &event(3, "announce");
    let golden = over(root.path(), &[("oca_routes", lines)]);
    let changes = golden.changes("appliance_routes").await;
    let kinds: Vec<_> = changes.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [RowKind::Insert, RowKind::Delete, RowKind::UpdateAfter]);
    assert_eq!(changes[1].1["prefix"], "192.0.2.0/24", "a tombstone has its key");
}
