//! Rows of titles with artwork, served from feeds, logged as impressions.
//!
//! ```text
//!  feeds ─► Follower ─► shelves (memory) ◄── compose ◄── ladder: personal → country → static
//!                            ▲                                │ Page
//!                            └───────── dress (bandit) ◄──────┘
//!                                          │ Answer ──► the caller
//!                                          └──► ImpressionLog ─► Emitter ─► impressions
//! ```
//!
//! Duty: answer which rows of titles a member sees, with which image each, and log exactly that;
//! show and delete histories; show statistics of titles; let others read the feeds.
//!
//! Invariants: no request waits for Kafka, for a lock held while feeds are applied, or (but for
//! those who copy feeds) for a disk; no title is on a page twice; a propensity that is logged is
//! the probability that the image was drawn with.
//!
//! Must not know: how a feed was computed.

mod answer;
mod bad_times;
mod compose;
mod hidden;
mod http;
mod ids;
mod impressions;
mod ladder;
mod page;
mod pressure;
mod rank;
mod service;
mod settings;
mod shelves;
mod sources;
mod time;

pub use answer::policy_name;
pub use answer::{Answer, Asker, Because, CandidateImage, Card, CardRow, DEVICES, Dresser};
pub use compose::Composer;
pub use hidden::{Deleted, Hidden};
pub use http::openapi;
pub use ids::{Country, MemberId, TitleId};
pub use impressions::CAMPAIGN;
pub use ladder::{Admit, Breaker, BreakerSettings, Ladder, Open, RungSettings, Source};
pub use page::{Ask, Page, Row, RowName, Rung, Shown};
pub use pressure::{Pass, Pressure, PressureLimits, Priority, Verdict, decide};
pub use rank::Weights;
pub use service::{Parts, Recommendation};
pub use settings::RecommendationSettings;
pub use shelves::{
    Catalogue, Histories, Members, Packed, PackedError, Popularities, Popularity, Poster, Posters,
    Rate, Rates, Shelves, Similar, Title, Watched,
};
pub use sources::{OfCountry, Personal};
