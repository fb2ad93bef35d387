//! Pages of members whose feeds are in a folder: `movielens FOLDER TITLES`.
//!
//! Reads `FOLDER/FEED.jsonl` (rows of feeds, as `millrace job run --local -o json` has them) into
//! the service's views, asks for the page of every member who has a history, and prints a line a
//! member: the first `TITLES` titles of the page that are not in the history. `bench/movielens.sh`
//! says what becomes of them.

#![expect(clippy::print_stdout, reason = "the lists are its result")]

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

use millrace_feeds::{Change, View};
use millrace_recommendation::{
    Ask, Composer, Country, MemberId, RecommendationSettings, Shelves, TitleId,
};
use serde_json::{Value, json};

/// Rows that a view gets at a time.
const CHUNK: usize = 4096;

/// Gives a view the rows of its feed, and what `each` takes of them.
fn fill(
    view: &mut dyn View,
    folder: &Path,
    mut each: impl FnMut(&Value),
) -> Result<(), Box<dyn Error>> {
    let path = folder.join(format!("{}.jsonl", view.feed()));
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", path.display()).into()),
    };
    let mut changes = Vec::with_capacity(CHUNK);
    for line in BufReader::new(file).lines() {
        let line = line?;
        each(&serde_json::from_str(&line)?);
        // The columns of a key are in the row, too.
        let row = bytes::Bytes::from(line);
        changes.push(Change { key: row.clone(), row: Some(row), time_ms: 0 });
        if changes.len() == CHUNK {
            view.apply(&changes);
            changes.clear();
        }
    }
    view.apply(&changes);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(count)) = (args.next(), args.next()) else {
        return Err("movielens FOLDER TITLES".into());
    };
    let count: usize = count.parse()?;
    let settings = RecommendationSettings::default();
    let shelves = Shelves::default();
    let mut histories: BTreeMap<i64, HashSet<i64>> = BTreeMap::new();
    for mut view in shelves.views(settings.policy) {
        let of_history = view.feed() == "history";
        let note = |row: &Value| {
            let pair = row["member_id"].as_i64().zip(row["title_id"].as_i64());
            if let Some((member, title)) = pair.filter(|_| of_history) {
                histories.entry(member).or_default().insert(title);
            }
        };
        fill(view.as_mut(), folder.as_ref(), note)?;
    }
    let composer =
        Composer { shelves, weights: settings.weights, fallback: std::sync::Arc::default() };
    for (member, history) in histories {
        let ask = Ask {
            member: MemberId(member),
            profile: None,
            country: Some(Country::WORLD),
            now_ms: 0,
            per_row: count,
        };
        let page = composer.personal(&ask, &|_| false).ok_or("a member with a history")?;
        let titles = page.rows.iter().flat_map(|row| &row.titles).map(|shown| shown.title);
        let new = titles.filter(|TitleId(title)| !history.contains(title));
        let first: Vec<_> = new.take(count).collect();
        println!("{}", json!({"member_id": member, "titles": first}));
    }
    Ok(())
}
