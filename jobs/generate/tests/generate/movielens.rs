//! Ratings of every MovieLens format become the same plays.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use millrace_generate::movielens::{Ratings, RatingsError};
use millrace_generate::playback::{Playback, PlaybackSettings};

/// (member, title, stars, seconds), not in order of time.
const ROWS: [(i64, i64, f64, i64); 4] = [
    (196, 242, 3.0, 881_250_949),
    (22, 377, 1.0, 878_887_116),
    (7, 50, 5.0, 881_250_949),
    (244, 51, 2.0, 880_606_923),
];

fn text(separator: &str, heading: &str) -> String {
    let line = |(member, title, stars, at): (i64, i64, f64, i64)| {
        [member.to_string(), title.to_string(), stars.to_string(), at.to_string()].join(separator)
    };
    heading.to_owned() + &ROWS.map(line).join("\n") + "\n"
}

fn read(text: &str) -> Result<Ratings, RatingsError> {
    Ratings::read("ratings", text.as_bytes())
}

#[test]
fn all_formats_give_the_same_ratings_in_order_of_time() {
    let ratings = read(&text("\t", "")).unwrap();
    let order: Vec<i64> = ratings.all().iter().map(|rating| rating.member_id).collect();
    assert_eq!(order, [22, 244, 7, 196]);
    assert_eq!(read(&text("::", "")).unwrap(), ratings);
    let csv = text(",", "userId,movieId,rating,timestamp\r\n");
    assert_eq!(read(&csv).unwrap(), ratings);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ratings.csv.gz");
    let mut packed = GzEncoder::new(std::fs::File::create(&path).unwrap(), Compression::fast());
    packed.write_all(csv.as_bytes()).unwrap();
    packed.finish().unwrap();
    assert_eq!(Ratings::open(&path).unwrap(), ratings);
}

#[test]
fn good_ratings_are_plays_and_plays_sessions() {
    let ratings = read(&text("\t", "")).unwrap();
    let plays: Vec<_> = ratings.plays(3.0).collect();
    let who: Vec<_> =
        plays.iter().map(|play| (play.member_id, play.title_id, play.at_ms)).collect();
    assert_eq!(who, [(7, 50, 881_250_949_000), (196, 242, 881_250_949_000)]);
    let events: Vec<_> = Playback::new(PlaybackSettings::default(), plays).collect();
    let starts = events.iter().filter(|event| {
        let event: serde_json::Value = serde_json::from_slice(&event.json).unwrap();
        event["event_type"] == "start"
    });
    assert!(starts.count() >= 2);
}

#[test]
fn what_is_no_rating_is_named() {
    for (line, wrong) in [
        ("1,2,3", "ratings:2: cannot read timestamp ``"),
        ("1,x,3,4", "ratings:2: cannot read movieId `x`"),
        ("1\t2\t5.5\t4", "ratings:2: cannot read rating `5.5`"),
        ("1;2;3;4", "ratings:2: cannot read userId `1;2;3;4`"),
    ] {
        let error = read(&format!("userId,movieId,rating,timestamp\n{line}\n")).unwrap_err();
        assert_eq!(error.to_string(), wrong);
    }
    let error = Ratings::read("ratings", &b"1\t2\t3\t4\n\xff\t2\t3\t4\n"[..]).unwrap_err();
    assert!(error.to_string().starts_with("cannot read ratings:2: "), "{error}");
    assert!(matches!(Ratings::open("nowhere/u.data".as_ref()), Err(RatingsError::Io { .. })));
}
