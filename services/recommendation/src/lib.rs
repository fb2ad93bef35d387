//! Rows of titles with artwork, served from feeds, logged as impressions.
