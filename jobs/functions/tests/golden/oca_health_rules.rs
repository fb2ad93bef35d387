//! Each rule of oca-health at its edge: an appliance for a rule, by hand from the README.

use std::collections::BTreeMap;

use millrace_processors::RowKind;

use super::oca_health::over;
use super::rows::Row;

/// What a report says, as far as the score goes: load of a link of 1000, cpu, disk errors.
type Says = (f64, f64, i32);

const GOOD: Says = (100.0, 0.1, 0);
/// Link 0.203, cpu 1, disk 1: 0.602.
const JUST_GOOD: Says = (939.0, 0.1, 0);
/// Link 0.16, cpu 1, disk 1: 0.58.
const JUST_BAD: Says = (952.0, 0.1, 0);
const BAD: Says = JUST_BAD;
/// Link 0, cpu 0, disk 0.875: 0.2625.
const BARELY_BAD: Says = (1000.0, 1.0, 1);
/// Link 0, cpu 0, disk 0.75: 0.225.
const FAILING: Says = (1000.0, 1.0, 2);
/// The disk's part is 0, which makes it failing, though the score is 0.7.
const DISK: Says = (100.0, 0.1, 8);

/// A bad report and a good one, so often: never three of a kind in a row.
fn flapping(times: usize) -> Vec<Says> {
    [BAD, GOOD].repeat(times)
}

/// A report every four seconds, as JSON lines.
fn reports(appliance: &str, says: &[Says]) -> String {
    let report = |(at, (load, cpu, disks)): (usize, &Says)| {
        let (minute, second) = (at * 4 / 60, at * 4 % 60);
        let time = format!("2026-01-01T00:{minute:02}:{second:02}Z");
        let event = format!(r#"{{"event_id":"{appliance}-{at}","event_time":"{time}""#);
        let place = format!(r#","oca_id":"{appliance}","capacity_mbps":1000.0"#);
        event
            + &place
            + &format!(r#","load_mbps":{load},"cpu":{cpu},"disk_errors":{disks}}}"#)
            + "\n"
    };
    says.iter().enumerate().map(report).collect()
}

/// The last row that the feed has of each appliance.
fn last_rows(changes: Vec<(RowKind, Row)>) -> BTreeMap<String, Row> {
    let known = changes.into_iter().filter(|(kind, _)| *kind != RowKind::UpdateBefore);
    known.map(|(_, row)| (row["oca_id"].as_str().expect("a name").to_owned(), row)).collect()
}

#[tokio::test]
async fn every_rule_is_kept_at_its_edge() {
    let up = vec![GOOD; 3];
    let then = |more: &[Says]| [&up[..], more].concat();
    let rules = [
        ("two-good-are-too-few", vec![GOOD; 2], false),
        ("three-good-are-enough", up.clone(), true),
        ("just-good", vec![JUST_GOOD; 3], true),
        ("just-bad", vec![JUST_BAD; 3], false),
        ("two-bad-are-too-few", then(&[BAD; 2]), true),
        ("three-bad-are-enough", then(&[BAD; 3]), false),
        ("bad-between-good", then(&[BAD, BAD, GOOD, BAD, BAD]), true),
        ("barely-bad-is-not-failing", then(&[BARELY_BAD]), true),
        ("failing", then(&[FAILING]), false),
        ("disks", then(&[DISK]), false),
        ("up-within-the-minute", then(&flapping(5)), true),
        ("up-more-than-a-minute-ago", then(&flapping(9)), false),
    ];
    let lines: String = rules.iter().map(|(name, says, _)| reports(name, says)).collect();
    let root = tempfile::tempdir().expect("the disk has room");
    let changes = over(root.path(), &[("oca_reports", lines)]).changes("appliances").await;
    let rows = last_rows(changes);
    for (name, _, healthy) in rules {
        assert_eq!(rows[name]["reported_healthy"], healthy, "{name}: {:?}", rows[name]);
        assert_eq!(rows[name]["healthy"], false, "it is silent at the end: {name}");
    }
}

#[tokio::test]
async fn a_report_that_leaves_the_link_out_has_no_headroom() {
    let whole = reports("whole", &[GOOD]);
    let without_load = reports("no-load", &[GOOD]).replace(r#","load_mbps":100"#, "");
    let without_link = reports("no-link", &[GOOD]).replace(r#","capacity_mbps":1000.0"#, "");
    let root = tempfile::tempdir().expect("the disk has room");
    let lines = whole + &without_load + &without_link;
    let changes = over(root.path(), &[("oca_reports", lines)]).changes("appliances").await;
    let rows = last_rows(changes);
    for (name, headroom) in [("whole", 800.0), ("no-load", 0.0), ("no-link", 0.0)] {
        assert_eq!(rows[name]["headroom_mbps"], headroom, "{name}: {:?}", rows[name]);
    }
}

#[tokio::test]
async fn of_changes_at_one_instant_the_greater_id_counts() {
    let event = |id: &str, thing: &str, action: &str| {
        let event = format!(r#"{{"event_id":"{id}","event_time":"2026-01-01T00:00:00Z""#);
        event + &format!(r#","oca_id":"oca-1",{thing},"action":"{action}"}}"#) + "\n"
    };
    let (old, new) = (r#""file_id":"old""#, r#""file_id":"new""#);
    let files = [event("1", old, "add"), event("2", old, "remove")].concat()
        + &[event("4", new, "add"), event("3", new, "remove")].concat();
    let root = tempfile::tempdir().expect("the disk has room");
    let changes = over(root.path(), &[("oca_files", files)]).changes("appliance_files").await;
    let mut held = BTreeMap::new();
    for (kind, row) in changes {
        held.insert(row["file_id"].to_string(), kind != RowKind::Delete);
    }
    let held: Vec<_> = held.into_iter().filter(|(_, held)| *held).map(|(file, _)| file).collect();
    assert_eq!(held, ["\"new\""]);
}
