//! Identity of events: what makes a delivery twice recognisable.

use uuid::Uuid;

/// Header that carries the id of an event whose bytes do not.
pub const ID_HEADER: &str = "ce_id";

/// A new id (`UUIDv7`: ids of one process sort by time of creation).
pub fn new_event_id() -> String {
    Uuid::now_v7().to_string()
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
