//! Lists, a page at a time.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use millrace_http::Problem;

use super::input::{at_most, bad_request};
use super::problems::store_problem;
use crate::store::{Page, Paged, StoreError};

/// Items of a page when the caller does not say.
const DEFAULT: u32 = 100;
/// Most items of a page.
const MOST: u32 = 500;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    /// What is on the page.
    pub(crate) items: Vec<T>,
    /// `after` of the next page; `null` on the last.
    pub(crate) next: Option<String>,
}

impl<T> From<Paged<T>> for Listed<T> {
    fn from(page: Paged<T>) -> Self {
        Self { items: page.items, next: page.next }
    }
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// Most items of the page.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    pub(crate) after: Option<String>,
}

/// Which page, and of what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Most items of the page.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 1000)]
    #[serde(default, deserialize_with = "at_most::<_, 1000>")]
    pub(crate) after: Option<String>,
    /// Only those with this label: `key=value`, or `key` for any value.
    #[param(max_length = 200)]
    #[serde(default, deserialize_with = "at_most::<_, 200>")]
    pub(crate) label: Option<String>,
}

/// Which events or lines, by number.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeqQuery {
    /// Most items of the page.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<u32>,
    /// Only those with a higher number: `next` of the page before.
    #[param(minimum = 0)]
    pub(crate) after: Option<i64>,
}

impl SeqQuery {
    /// The number to read on from.
    pub(crate) fn from(&self) -> Result<i64, Problem> {
        match self.after.unwrap_or(0) {
            from @ 0.. => Ok(from),
            _ => {
                Err(bad_request("bad-query", "The query is not right")
                    .detail("`after` is not below 0"))
            }
        }
    }
}

/// Why there is no such page.
pub(crate) fn page_problem(error: StoreError) -> Problem {
    match error {
        StoreError::NotFound(_) => bad_request("bad-query", "The query is not right")
            .detail("`after` is not the `next` of a page of this list"),
        other => store_problem(other),
    }
}

/// The page that the store is to give.
pub(crate) fn page(limit: Option<u32>, after: Option<String>) -> Result<Page, Problem> {
    Ok(Page { after, limit: most(limit)? })
}

/// How many items, within what is allowed.
pub(crate) fn most(limit: Option<u32>) -> Result<u32, Problem> {
    match limit {
        None => Ok(DEFAULT),
        Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
        Some(_) => Err(bad_request("bad-query", "The query is not right")
            .detail(format!("`limit` is from 1 to {MOST}"))),
    }
}

/// A page of things that carry growing numbers.
pub(crate) fn by_seq<T>(items: Vec<T>, limit: u32, seq: impl Fn(&T) -> i64) -> Listed<T> {
    let next =
        (items.len() == limit as usize).then(|| items.last().map(|i| seq(i).to_string())).flatten();
    Listed { items, next }
}

/// Whether labels have what `label` asks for.
pub(crate) fn labelled(
    labels: &std::collections::BTreeMap<String, String>,
    label: Option<&str>,
) -> bool {
    let Some(label) = label else { return true };
    match label.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|v| v == value),
        None => labels.contains_key(label),
    }
}
