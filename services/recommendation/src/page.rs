//! A page: rows of titles, before artwork is chosen.

use serde::Serialize;

use crate::ids::{Country, MemberId, TitleId};

/// What a page is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ask {
    /// The member.
    pub member: MemberId,
    /// One of the member's profiles; all of them if none is named.
    pub profile: Option<i32>,
    /// The country as the caller knows it; what the feed `members` says comes first.
    pub country: Option<Country>,
    /// The time of the request, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// Titles a row may have.
    pub per_row: usize,
}

/// How much of the page is the member's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// From the member's history.
    Personal,
    /// What is watched in the member's country.
    Country,
    /// What is watched anywhere, or was when anything was known last.
    Static,
}

impl Rung {
    /// From the best to the last.
    pub const ALL: [Self; 3] = [Self::Personal, Self::Country, Self::Static];

    /// Its name, in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Country => "country",
            Self::Static => "static",
        }
    }
}

/// A row's name, as it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowName {
    /// Begun and not ended.
    ContinueWatching,
    /// Similar to what the member watched lately.
    TopPicks,
    /// Rising in the country.
    Trending,
    /// Similar to a title the member watched.
    BecauseYouWatched,
    /// The ten most popular of the country.
    #[serde(rename = "top_10")]
    Top10,
    /// Released last.
    New,
    /// Watched anywhere.
    Popular,
}

impl RowName {
    /// The name, in answers and impressions.
    pub fn name(self) -> &'static str {
        match self {
            Self::ContinueWatching => "continue_watching",
            Self::TopPicks => "top_picks",
            Self::Trending => "trending",
            Self::BecauseYouWatched => "because_you_watched",
            Self::Top10 => "top_10",
            Self::New => "new",
            Self::Popular => "popular",
        }
    }
}

/// A title on the page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// The title.
    pub title: TitleId,
    /// What it was ranked by, if the row is ranked.
    pub score: Option<f64>,
    /// Its place among the top titles.
    pub rank: Option<u32>,
    /// Where to go on, in seconds, and how much was reached.
    pub resume: Option<(f64, f64)>,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: RowName,
    /// The title that it is because of.
    pub because: Option<TitleId>,
    /// The titles, in order.
    pub titles: Vec<Shown>,
}

/// A page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Who answered.
    pub rung: Rung,
    /// The country that was taken for the member's.
    pub country: Country,
    /// Rows that are not empty; no title is in two.
    pub rows: Vec<Row>,
}
