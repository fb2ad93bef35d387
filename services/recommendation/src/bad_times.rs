//! The titles to show when nothing is known: what was popular when something was, on disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::compose::Composer;
use crate::ids::TitleId;

/// Titles that are kept.
const KEPT: usize = 100;

/// The last resort of pages, written whenever something better is known.
#[derive(Debug)]
pub(crate) struct BadTimes {
    file: Option<PathBuf>,
    titles: Arc<ArcSwap<Vec<TitleId>>>,
}

impl BadTimes {
    /// Reads what was kept. What cannot be read is nothing: this is a last resort.
    pub(crate) fn open(file: Option<PathBuf>) -> Self {
        let kept = file.as_deref().map_or_else(|| Ok(Vec::new()), read);
        let titles = kept.unwrap_or_else(|error| {
            tracing::warn!(%error, "the static titles cannot be read");
            Vec::new()
        });
        Self { file, titles: Arc::new(ArcSwap::from_pointee(titles)) }
    }

    /// The titles, as they are kept from now on.
    pub(crate) fn titles(&self) -> Arc<ArcSwap<Vec<TitleId>>> {
        Arc::clone(&self.titles)
    }

    /// Keeps what is popular now, if anything is.
    pub(crate) fn keep(&self, composer: &Composer) {
        let now = composer.for_bad_times(KEPT);
        if now.is_empty() || now == **self.titles.load() {
            return;
        }
        if let Some(file) = &self.file
            && let Err(error) = write(file, &now)
        {
            tracing::warn!(%error, "the static titles cannot be kept");
        }
        self.titles.store(Arc::new(now));
    }
}

fn read(file: &Path) -> io::Result<Vec<TitleId>> {
    match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whole or not at all.
fn write(file: &Path, titles: &[TitleId]) -> io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(titles).map_err(io::Error::other)?)?;
    std::fs::rename(new, file)
}
