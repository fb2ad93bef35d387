//! `APPLIANCE_HEALTH`: the rules one by one, and that only the set of reports counts.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use proptest::prelude::*;

use super::function_rows::{fields, function, result, shuffled, state};

/// Time in milliseconds, id, verdict.
type News = (i64, Option<String>, &'static str);

const UP_AFTER: i64 = 3;
const DOWN_AFTER: i64 = 2;
const MEMORY_MS: i64 = 60_000;

fn args(news: &[News]) -> Vec<ArrayRef> {
    let number = |number| Arc::new(Int64Array::from(vec![number; news.len()])) as ArrayRef;
    let at = news.iter().map(|(at, ..)| at * 1000);
    let times = TimestampMicrosecondArray::from_iter_values(at).with_timezone("UTC");
    let ids: StringArray = news.iter().map(|(_, id, _)| id.as_deref()).collect();
    let verdicts = StringArray::from_iter_values(news.iter().map(|(.., verdict)| verdict));
    vec![
        Arc::new(times),
        Arc::new(ids),
        Arc::new(verdicts),
        number(UP_AFTER),
        number(DOWN_AFTER),
        number(MEMORY_MS),
    ]
}

fn rows(news: &[News]) -> Vec<u32> {
    (0..u32::try_from(news.len()).expect("few")).collect()
}

/// Of verdicts by their first letter, five seconds apart: healthy, reported, silent, good, bad.
fn of(verdicts: &str) -> Vec<String> {
    let news = |(letter, n): (char, i64)| {
        let verdict = match letter {
            'g' => "good",
            'b' => "bad",
            'f' => "failing",
            _ => "silent",
        };
        (n * 5_000, (letter != 's').then(|| format!("r{n}")), verdict)
    };
    let news: Vec<News> = verdicts.chars().zip(0..).map(news).collect();
    let health = function("appliance_health");
    let state = state(health.as_ref(), &args(&news), &rows(&news));
    fields(&result(health.as_ref(), &state))
}

#[test]
fn it_goes_up_slowly_and_down_at_once_when_it_must() {
    let cases = [
        ("g", [false, false, false], 1, 0),
        ("gg", [false, false, false], 2, 0),
        ("ggg", [true, true, false], 3, 0),
        ("gggb", [true, true, false], 0, 1),
        ("gggbg", [true, true, false], 1, 0),
        ("gggbb", [false, false, false], 0, 2),
        ("gggbgb", [true, true, false], 0, 1),
        ("gggf", [false, false, false], 0, 1),
        ("gggfgg", [false, false, false], 2, 0),
        ("gggfggg", [true, true, false], 3, 0),
        ("gggs", [false, true, true], 0, 0),
        ("gggsgg", [false, false, false], 2, 0),
        ("gggsggg", [true, true, false], 3, 0),
        ("ffs", [false, false, true], 0, 0),
        // Up, and then never three good ones in a row for a minute: it flaps.
        ("gggbgbgbgbgb", [true, true, false], 0, 1),
        ("gggbgbgbgbgbg", [false, false, false], 1, 0),
        // Twelve reports fit into the minute.
        ("gggggggggggggggg", [true, true, false], 12, 0),
    ];
    for (verdicts, flags, good, bad) in cases {
        let expected = flags.map(|flag| flag.to_string()).into_iter();
        let expected: Vec<_> = expected.chain([good.to_string(), bad.to_string()]).collect();
        assert_eq!(of(verdicts), expected, "{verdicts}");
    }
}

#[test]
fn without_a_report_nothing_is_known() {
    let health = function("appliance_health");
    assert_eq!(fields(&result(health.as_ref(), &[])), [""; 5]);
}

#[test]
fn other_arguments_and_verdicts_are_told() {
    let health = function("appliance_health");
    let wrong = health.return_type(&[DataType::Utf8]).expect_err("these are not its arguments");
    assert!(wrong.to_string().contains("three whole numbers"), "{wrong}");
    let news = [(0, None, "fine")];
    let wrong = health.update(&mut Vec::new(), &args(&news), &[0]).expect_err("no verdict");
    assert!(wrong.to_string().contains("`fine` is no verdict"), "{wrong}");
}

/// The rules again, over all reports at once.
fn walked(news: &[News]) -> Vec<String> {
    let mut news = news.to_vec();
    news.sort();
    news.dedup();
    let newest = news[news.len() - 1].0;
    news.retain(|(at, ..)| *at > newest - MEMORY_MS);
    let (mut up, mut reported, mut good, mut bad) = (false, false, 0, 0);
    for (.., verdict) in &news {
        good = if *verdict == "good" { good + 1 } else { 0 };
        bad = if ["bad", "failing"].contains(verdict) { bad + 1 } else { 0 };
        up = match *verdict {
            "good" => up || good >= UP_AFTER,
            "bad" => up && bad < DOWN_AFTER,
            _ => false,
        };
        reported = if *verdict == "silent" { reported } else { up };
    }
    let silent = news[news.len() - 1].2 == "silent";
    let flags = [up, reported, silent].map(|flag| flag.to_string());
    flags.into_iter().chain([good.to_string(), bad.to_string()]).collect()
}

fn some_news() -> impl Strategy<Value = Vec<News>> {
    let one = (0_i64..24, 0..3_u8, 0..10_u8).prop_map(|(at, id, verdict)| {
        let verdict = match (id + verdict) % 10 {
            0..7 => "good",
            7..9 => "bad",
            _ => "failing",
        };
        // An id says the same each time it comes.
        (at * 5_000, Some(format!("{at}-{id}-{verdict}")), verdict)
    });
    let silence = (0_i64..24).prop_map(|at| (at * 5_000, None, "silent"));
    proptest::collection::vec(prop_oneof![9 => one, 1 => silence], 1..60)
}

proptest! {
    #[test]
    fn order_repetition_and_parts_do_not_matter(news in some_news(), seed: u64) {
        let health = function("appliance_health");
        let args = args(&news);
        let at_once = state(health.as_ref(), &args, &rows(&news));
        let shuffled = shuffled(health.as_ref(), &args, &rows(&news), seed);
        prop_assert_eq!(&at_once, &shuffled);
        prop_assert_eq!(fields(&result(health.as_ref(), &shuffled)), walked(&news));
    }
}
