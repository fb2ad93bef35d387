//! A file's requests stay where they are, and one more appliance takes its fair share and no more.

use std::net::IpAddr;

use millrace_steering::fleet::{Draft, Fleet, Weight};

use crate::support::{draft, report};

const FILES: usize = 30_000;
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

/// `appliances` of one AS and place, each holding every file, with capacities in turn.
fn fleet(appliances: usize, files: usize, capacities: &[f64]) -> Draft {
    let mut draft = draft();
    for no in 0..appliances {
        join(&mut draft, no, files, capacities[no % capacities.len()]);
    }
    draft
}

fn join(draft: &mut Draft, no: usize, files: usize, capacity: f64) {
    let id = format!("oca-{no}");
    let report =
        millrace_steering::fleet::Report { capacity_mbps: Some(capacity), ..report(1, (0.0, 0.0)) };
    draft.report(&id, Some(report)).unwrap();
    for file in 0..files {
        draft.add_file(&id, &format!("file-{file}")).unwrap();
    }
}

/// The ids that each file's requests are sent to, best first.
fn answers(fleet: &Fleet, files: usize) -> Vec<Vec<String>> {
    let client = fleet.client(CLIENT);
    let ids = |file: usize| {
        let ranked = client.rank(&format!("file-{file}")).unwrap();
        ranked.iter().map(|r| fleet.roster.appliance(r.no).id.to_string()).collect()
    };
    (0..files).map(ids).collect()
}

#[test]
fn one_more_appliance_takes_its_fair_share_of_files_and_moves_no_other() {
    let mut draft = fleet(20, FILES, &[10_000.0]);
    let before = answers(&draft.snapshot().unwrap(), FILES);
    join(&mut draft, 20, FILES, 10_000.0);
    let after = answers(&draft.snapshot().unwrap(), FILES);
    let mut moved = 0;
    for (before, after) in before.iter().zip(&after) {
        if before[0] != after[0] {
            moved += 1;
            assert_eq!(after[0], "oca-20");
        }
        // In the whole answer as well: it pushes one out and changes no order.
        let others: Vec<_> = after.iter().filter(|id| *id != "oca-20").collect();
        assert!(others.iter().zip(before).all(|(after, before)| *after == before));
    }
    // Binomial: mean 1,428, standard deviation 37; four of them.
    let fair = FILES / 21;
    assert!(moved <= fair + 148, "{moved} files moved, {fair} are the fair share");
    assert!(moved >= fair - 148, "{moved} files moved, {fair} are the fair share");
}

#[test]
fn shares_follow_weights() {
    let files = 30_000;
    let mut draft = fleet(6, files, &[1_024.0, 2_048.0, 4_096.0]);
    let answers = answers(&draft.snapshot().unwrap(), files);
    for (no, share) in [1, 2, 4, 1, 2, 4].into_iter().enumerate() {
        let id = format!("oca-{no}");
        let count = answers.iter().filter(|answer| answer[0] == id).count();
        let fair = files * share / 14;
        // Four standard deviations at most.
        assert!(count.abs_diff(fair) < 4 * fair.isqrt(), "{id}: {count}, fair {fair}");
    }
}

#[test]
fn an_appliance_that_goes_gives_its_files_to_the_next_of_their_lists() {
    let files = 2_000;
    let mut draft = fleet(12, files, &[10_000.0]);
    let before = answers(&draft.snapshot().unwrap(), files);
    draft.report("oca-3", None).unwrap();
    let after = answers(&draft.snapshot().unwrap(), files);
    for (before, after) in before.iter().zip(&after) {
        let kept: Vec<_> = before.iter().filter(|id| *id != "oca-3").collect();
        assert!(kept.iter().zip(after).all(|(before, after)| *before == after));
        assert!(!after.contains(&"oca-3".to_owned()));
    }
}

#[test]
fn load_that_comes_and_goes_moves_no_file() {
    let mut draft = fleet(8, 500, &[10_000.0]);
    let before = answers(&draft.snapshot().unwrap(), 500);
    for headroom in [9_000.0, 200.0, 4_000.0] {
        let report =
            millrace_steering::fleet::Report { headroom_mbps: headroom, ..report(1, (0.0, 0.0)) };
        draft.report("oca-1", Some(report)).unwrap();
        assert_eq!(answers(&draft.snapshot().unwrap(), 500), before);
    }
}

#[test]
fn a_weight_from_headroom_changes_only_when_it_has_left_by_a_whole_step() {
    let weight = Weight::of(1_500.0);
    assert_eq!(weight, Weight::of(1_024.0));
    for near in [1_500.0, 700.0, 3_000.0, 512.0, 4_095.0] {
        assert_eq!(weight.then(near), weight, "{near}");
    }
    for far in [511.0, 4_096.0, 0.0, 90_000.0] {
        assert_eq!(weight.then(far), Weight::of(far), "{far}");
    }
    for odd in [f64::NAN, -5.0, 0.0, f64::NEG_INFINITY] {
        assert_eq!(Weight::of(odd), Weight::of(1.0));
    }
    assert_eq!(Weight::of(f64::INFINITY), Weight::of(2_f64.powi(30)));
}
