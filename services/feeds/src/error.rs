//! Errors of feeds, by what the caller can do about them.

use std::io;
use std::path::{Path, PathBuf};

use millrace_bus::BusError;

/// Why a feed could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Another process has the store open.
    #[error("{} is in use by another process", dir.display())]
    InUse {
        /// The store's folder.
        dir: PathBuf,
    },
    /// The folder cannot be used: rights, space, or a disk that fails.
    #[error("cannot use {}: {source}", dir.display())]
    Folder {
        /// The store's folder.
        dir: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The store did not do what it was asked; a restart may find it unreadable and begin it again.
    #[error("{what}: {source}")]
    Store {
        /// What was being done, with which feed.
        what: String,
        /// What the store said.
        source: fjall::Error,
    },
    /// What was read is not what was written.
    #[error("{what} is damaged")]
    Damaged {
        /// Which entry, of which feed.
        what: String,
    },
    /// A name that no feed can have.
    #[error("`{name}` is no name of a feed: 1 to 200 of letters, digits, `.`, `_` and `-`")]
    Name {
        /// The name.
        name: String,
    },
    /// Kafka's settings are not accepted, or the thread cannot be started.
    #[error("cannot follow feeds: {0}")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl FeedError {
    pub(crate) fn store(what: impl Into<String>) -> impl FnOnce(fjall::Error) -> Self {
        let what = what.into();
        move |source| Self::Store { what, source }
    }

    pub(crate) fn folder(dir: &Path, source: io::Error) -> Self {
        Self::Folder { dir: dir.to_owned(), source }
    }

    /// Whether beginning the store again would help.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Store { source: fjall::Error::Locked, .. } => false,
            Self::Store { source: fjall::Error::Io(source), .. } => !matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::StorageFull
                    | io::ErrorKind::ReadOnlyFilesystem
            ),
            Self::Damaged { .. } | Self::Store { .. } => true,
            _ => false,
        }
    }
}

impl From<BusError> for FeedError {
    fn from(error: BusError) -> Self {
        Self::Start(Box::new(error))
    }
}
