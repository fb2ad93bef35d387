//! MovieLens ratings as plays: a second real source, brought by whoever runs it.
//!
//! GroupLens lets nobody pass its data on (<https://grouplens.org/datasets/movielens/>), so none is
//! here. A rating says that a member has seen a title, not when: it is taken for a play at the time
//! of the rating. Many members rate dozens of titles in one sitting, years after they were seen.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;

use crate::playback::Play;

/// A rating.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rating {
    /// Who.
    pub member_id: i64,
    /// What.
    pub title_id: i64,
    /// How good: 0.5 to 5.
    pub stars: f64,
    /// When, in seconds since the Unix epoch.
    pub at_s: i64,
}

/// Why ratings cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RatingsError {
    /// A file cannot be opened, unpacked or read.
    #[error("cannot read {place}: {source}")]
    Io {
        /// The file, and the line if it was read so far.
        place: String,
        /// What the file system said.
        source: std::io::Error,
    },
    /// A line is no rating.
    #[error("{file}:{line}: cannot read {column} `{value}`")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What should stand there.
        column: &'static str,
        /// What stands there.
        value: String,
    },
}

/// The ratings of a file in order of time, then of member and title.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratings(Vec<Rating>);

/// What separates the columns: user, item, rating, time.
const SEPARATORS: [&str; 3] = ["::", "\t", ","];
const COLUMNS: [&str; 4] = ["userId", "movieId", "rating", "timestamp"];

impl Ratings {
    /// Reads `u.data` of MovieLens 100k, `ratings.dat` of 1M and 10M, or `ratings.csv` of the
    /// later ones; packed if the name ends with `.gz`.
    ///
    /// # Errors
    /// A file that cannot be read; a line that is no rating.
    pub fn open(path: &Path) -> Result<Self, RatingsError> {
        let name = path.display().to_string();
        let io = |source| RatingsError::Io { place: name.clone(), source };
        let file = File::open(path).map_err(io)?;
        if path.extension().is_some_and(|ending| ending == "gz") {
            Self::read(&name, GzDecoder::new(file))
        } else {
            Self::read(&name, file)
        }
    }

    /// Reads the text of such a file, which messages call `name`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn read(name: &str, text: impl Read) -> Result<Self, RatingsError> {
        let mut ratings = Vec::new();
        for (row, line) in BufReader::new(text).lines().zip(1_u64..) {
            let place = || format!("{name}:{line}");
            let row = row.map_err(|source| RatingsError::Io { place: place(), source })?;
            let heading = line == 1 && row.trim_start_matches('\u{feff}').starts_with(COLUMNS[0]);
            if !heading && !row.trim().is_empty() {
                ratings.push(rating(&row).map_err(|(column, value)| {
                    let file = name.to_owned();
                    RatingsError::Line { file, line, column, value }
                })?);
            }
        }
        ratings.sort_by_key(|rating| (rating.at_s, rating.member_id, rating.title_id));
        Ok(Self(ratings))
    }

    /// All of them.
    pub fn all(&self) -> &[Rating] {
        &self.0
    }

    /// The plays that ratings of `least_stars` or more stand for, by members' first profiles.
    pub fn plays(&self, least_stars: f64) -> impl Iterator<Item = Play> {
        let good = self.0.iter().filter(move |rating| rating.stars >= least_stars);
        good.map(|rating| Play {
            at_ms: rating.at_s.saturating_mul(1000),
            member_id: rating.member_id,
            profile_id: 1,
            title_id: rating.title_id,
            impression_id: None,
        })
    }
}

/// A line, or the column that is wrong and what stands there.
fn rating(line: &str) -> Result<Rating, (&'static str, String)> {
    let separator = SEPARATORS.into_iter().find(|separator| line.contains(separator));
    let cells: Vec<&str> = line.trim().split(separator.unwrap_or(",")).collect();
    let cell = |at: usize| cells.get(at).copied().unwrap_or_default().trim();
    let wrong = |at: usize| (COLUMNS[at], cell(at).to_owned());
    let whole = |at: usize| cell(at).parse::<i64>().map_err(|_| wrong(at));
    let stars = cell(2).parse().ok().filter(|stars| (0.0..=5.0).contains(stars));
    Ok(Rating {
        member_id: whole(0)?,
        title_id: whole(1)?,
        stars: stars.ok_or_else(|| wrong(2))?,
        at_s: whole(3)?,
    })
}
