//! Feeds, materialised: an embedded store that follows compacted topics.
