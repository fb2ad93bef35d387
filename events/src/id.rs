//! Identity of events: what makes a delivery twice recognisable.

use uuid::Uuid;

use crate::Header;

/// Header that carries the id of an event whose bytes do not.
pub const ID_HEADER: &str = "ce_id";

/// A new id (`UUIDv7`: ids of one process sort by time of creation).
pub fn new_event_id() -> String {
    Uuid::now_v7().to_string()
}

/// The id among a record's headers; the last one that is one counts.
pub(crate) fn header_id(headers: &[Header]) -> Option<&str> {
    let ids = headers.iter().rev().filter(|h| h.name == ID_HEADER);
    let mut texts = ids.filter_map(|h| std::str::from_utf8(h.value.as_deref()?).ok());
    texts.find(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_and_sort_by_creation() {
        let ids: Vec<_> = (0..1_000).map(|_| new_event_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(Uuid::parse_str(&ids[0]).expect("a UUID").get_version_num(), 7);
    }
}
