//! Pages of a list, from one key on.

use super::error::{Result, StoreError};

/// Most items of a page.
const MOST: u32 = 1000;

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// [`Paged::next`] of the page before; `None` for the first.
    pub after: Option<String>,
    /// Most items; 1000 at most.
    pub limit: u32,
}

impl Default for Page {
    /// The first hundred.
    fn default() -> Self {
        Self { after: None, limit: 100 }
    }
}

impl Page {
    /// As much as one page may hold, from the beginning.
    pub fn largest() -> Self {
        Self { after: None, limit: MOST }
    }

    /// Rows to ask for: one more than the page holds tells whether there is a next one.
    pub(super) fn rows(&self) -> i64 {
        i64::from(self.size()) + 1
    }

    fn size(&self) -> u32 {
        self.limit.clamp(1, MOST)
    }

    /// The number to read on from, below any if there is none.
    pub(super) fn after_number(&self, first: i64) -> Result<i64> {
        match &self.after {
            None => Ok(first),
            Some(text) => text.parse().map_err(|_| no_page(text)),
        }
    }

    /// The page of `items`, which are all that [`Page::rows`] brought.
    pub(super) fn cut<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Paged<T> {
        let size = self.size() as usize;
        let more = items.len() > size;
        items.truncate(size);
        let next = if more { items.last().map(key) } else { None };
        Paged { items, next }
    }
}

pub(super) fn no_page(after: &str) -> StoreError {
    StoreError::NotFound(format!("page after {after:?}"))
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// [`Page::after`] of the next page; `None` if this is the last.
    pub next: Option<String>,
}

impl<T> Paged<T> {
    /// The same page of other things.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Paged<U> {
        Paged { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}
