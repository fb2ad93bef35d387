//! The guard gives up a policy that is significantly worse than one image, and only then.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use millrace_bandit::{Counts, Guard, GuardStats, Ruling};

/// A log of `rows` impressions: the policy shows image `i` with `policy[i]`, which is played with
/// `rates[i]`.
fn log(policy: [f64; 3], rates: [f64; 3], rows: usize, seed: u64) -> GuardStats {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut stats = GuardStats::default();
    for _ in 0..rows {
        let drawn: f64 = rng.random();
        let image = if drawn < policy[0] {
            0
        } else if drawn < policy[0] + policy[1] {
            1
        } else {
            2
        };
        let reward = f64::from(u8::from(rng.random_bool(rates[image])));
        let label = i64::try_from(image).expect("0 to 2");
        stats.add(label, policy[image], policy[image], reward);
    }
    stats
}

#[test]
fn a_policy_that_prefers_the_worst_image_is_given_up_for_the_best() {
    let stats = log([0.8, 0.1, 0.1], [0.05, 0.3, 0.1], 5000, 1);
    assert_eq!(Guard::default().rule(&stats), Ruling::Fixed { image: 1 });
}

#[test]
fn a_good_policy_is_followed_in_ninety_nine_of_a_hundred_logs() {
    let given_up = (0..200)
        .filter(|seed| {
            let stats = log([0.1, 0.8, 0.1], [0.1, 0.1, 0.1], 3000, *seed);
            Guard::default().rule(&stats) != Ruling::Follow
        })
        .count();
    assert!(given_up <= 6, "{given_up} of 200");
}

#[test]
fn nothing_is_ruled_from_little_or_nothing() {
    assert_eq!(Guard::default().rule(&GuardStats::default()), Ruling::Follow);
    let stats = log([0.8, 0.1, 0.1], [0.0, 1.0, 0.0], 499, 1);
    assert_eq!(Guard::default().rule(&stats), Ruling::Follow);
}

#[test]
fn parts_of_a_log_rule_as_the_whole() {
    let mut parts = log([0.8, 0.1, 0.1], [0.05, 0.3, 0.1], 300, 1);
    parts.merge(&log([0.8, 0.1, 0.1], [0.05, 0.3, 0.1], 4000, 2));
    assert_eq!(Guard::default().rule(&parts), Ruling::Fixed { image: 1 });
}

fn add_image(stats: &mut GuardStats, image: i64, propensity: f64, impressions: u64, plays: u64) {
    let counts = Counts { impressions, plays };
    let plays = f64::from(u32::try_from(plays).expect("small"));
    stats.add_sums(image, counts, plays / propensity, plays / (propensity * propensity));
}

fn assert_close(one: &Value, other: &Value) {
    if let (Value::Object(one), Value::Object(other)) = (one, other) {
        assert!(one.keys().eq(other.keys()));
        one.values().zip(other.values()).for_each(|(one, other)| assert_close(one, other));
    } else {
        let (one, other) = (one.as_f64().expect("a sum"), other.as_f64().expect("a sum"));
        assert!((one - other).abs() < 1e-9 * one.abs().max(1.0), "{one} {other}");
    }
}

/// The best of many images is the luckiest one: it has to be better by more.
#[test]
fn the_more_images_there_are_the_more_it_takes() {
    let mut stats = GuardStats::default();
    add_image(&mut stats, 1, 0.75, 750, 50);
    add_image(&mut stats, 2, 0.25, 250, 38);
    // 3.25 deviations: beyond the 2.58 of one in 200, not the 3.72 of one in 10,000.
    assert_eq!(Guard::default().rule(&stats), Ruling::Fixed { image: 2 });
    for image in 3..=100 {
        add_image(&mut stats, image, 0.001, 1, 0);
    }
    assert_eq!(Guard::default().rule(&stats), Ruling::Follow);
}

#[test]
fn sums_of_the_feed_rule_as_the_rows_do() {
    let (mut rows, mut sums) = (GuardStats::default(), GuardStats::default());
    let images = [(1, 0.75, 1000, 50), (2, 0.25, 400, 120)];
    for (image, propensity, impressions, plays) in images {
        for row in 0..impressions {
            let reward = f64::from(u8::from(row < plays));
            rows.add(image, propensity, propensity, reward);
        }
        add_image(&mut sums, image, propensity, impressions, plays);
    }
    let numbers = |stats: &GuardStats| serde_json::to_value(stats).expect("it is JSON");
    assert_close(&numbers(&rows), &numbers(&sums));
    assert_eq!(Guard::default().rule(&rows), Ruling::Fixed { image: 2 });
    assert_eq!(Guard::default().rule(&sums), Ruling::Fixed { image: 2 });
}
