//! What requests read, filled by the follower's thread: one file a feed.
//!
//! A request takes a lock of one of many shards for the time it takes to clone an `Arc`; what is
//! behind it never changes.

mod catalogue;
mod history;
mod members;
mod packed;
mod popularity;
mod posters;
mod rates;
mod sharded;
mod similar;
mod typed;

use std::sync::{Arc, Mutex};

use millrace_bandit::Policy;
use millrace_feeds::View;

pub use catalogue::{Catalogue, Title};
pub use history::{Histories, Watched};
pub use members::Members;
pub use packed::{Packed, PackedError};
pub(crate) use popularity::Scale;
pub use popularity::{Popularities, Popularity};
pub use posters::{Poster, Posters};
pub use rates::{Rate, Rates};
pub use similar::Similar;

use typed::Typed;

/// Everything that requests read. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Shelves {
    /// Names, lengths, dates, images.
    pub catalogue: Arc<Catalogue>,
    /// Where members are.
    pub members: Arc<Members>,
    /// The live part of histories.
    pub histories: Arc<Histories>,
    /// The packed part of histories.
    pub packed: Arc<Packed>,
    /// Popularity and the top titles of each country.
    pub popularities: Arc<Popularities>,
    /// Plays per impression.
    pub rates: Arc<Rates>,
    /// Titles that are watched by the same members.
    pub similar: Arc<Similar>,
    /// Images and what the policy knows of them.
    pub posters: Arc<Posters>,
}

impl Shelves {
    /// The views that fill the shelves; `policy` is what chooses images.
    pub fn views(&self, policy: Policy) -> Vec<Box<dyn View>> {
        let artist = Arc::new(Mutex::new(posters::Artist::new(policy, self.posters.clone())));
        vec![
            Typed::boxed(catalogue::Titles::new(self.catalogue.clone(), artist.clone())),
            Typed::boxed(posters::Parameters::new(artist)),
            Typed::boxed(members::MemberRows::new(self.members.clone())),
            Typed::boxed(history::HistoryRows::new(self.histories.clone())),
            Typed::boxed(packed::PackedRows::new(self.packed.clone())),
            Typed::boxed(popularity::PopularityRows::new(self.popularities.clone())),
            Typed::boxed(popularity::TopRows::new(self.popularities.clone())),
            Typed::boxed(rates::RateRows::new(self.rates.clone())),
            Typed::boxed(similar::SimilarRows::new(self.similar.clone())),
        ]
    }
}
