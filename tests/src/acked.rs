//! The ledger of acknowledged events, and whether a table holds exactly them.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

/// Count, distinct ids and a checksum that does not depend on the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contents {
    /// Rows.
    pub rows: usize,
    /// Distinct ids.
    pub distinct: usize,
    /// Sum of the ids' FNV-1a hashes, modulo 2⁶⁴.
    pub checksum: u64,
}

impl Contents {
    /// The contents of a list of ids.
    pub fn of<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let mut seen = BTreeSet::new();
        let mut contents = Self::default();
        for id in ids {
            seen.insert(id);
            contents.rows += 1;
            contents.checksum = contents.checksum.wrapping_add(fnv1a(id.as_bytes()));
        }
        contents.distinct = seen.len();
        contents
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What a producer was told: which ids must be in the table, and how many events elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Acked {
    /// Acknowledged, and let through by the route.
    pub written: BTreeSet<String>,
    /// Acknowledged, and left out by the route's filter.
    pub filtered: u64,
    /// Acknowledged, and not decodable.
    pub dead: u64,
}

impl Acked {
    /// Events acknowledged.
    pub fn total(&self) -> u64 {
        self.written.len() as u64 + self.filtered + self.dead
    }

    /// Count, distinct and checksum of the ids that must be in the table.
    pub fn contents(&self) -> Contents {
        Contents::of(self.written.iter().map(String::as_str))
    }

    /// Takes over what another producer was told.
    pub fn merge(&mut self, other: Self) {
        self.written.extend(other.written);
        self.filtered += other.filtered;
        self.dead += other.dead;
    }

    /// Fails unless `ids` are the acknowledged ones, each once; says which are not.
    pub fn must_be(&self, ids: &[String]) -> Result<()> {
        let contents = Contents::of(ids.iter().map(String::as_str));
        if contents == self.contents() {
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        let doubled: Vec<_> = ids.iter().filter(|id| !seen.insert(id.as_str())).take(5).collect();
        let lost: Vec<_> =
            self.written.iter().filter(|id| !seen.contains(id.as_str())).take(5).collect();
        let strange: Vec<_> =
            ids.iter().filter(|id| !self.written.contains(id.as_str())).take(5).collect();
        bail!(
            "the table holds {contents:?}, acknowledged were {:?}\n  lost: {lost:?} …\n  \
             doubled: {doubled:?} …\n  never sent: {strange:?} …",
            self.contents(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acked(ids: &[&str]) -> Acked {
        Acked { written: ids.iter().map(ToString::to_string).collect(), ..Acked::default() }
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let acked = acked(&["a", "b", "c"]);
        let check =
            |ids: &[&str]| acked.must_be(&ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(check(&["c", "a", "b"]).is_ok());
        let says = |ids: &[&str]| check(ids).expect_err("not the same").to_string();
        assert!(says(&["a", "b"]).contains("lost: [\"c\"]"));
        assert!(says(&["a", "b", "c", "a"]).contains("doubled: [\"a\"]"));
        assert!(says(&["a", "b", "d"]).contains("never sent: [\"d\"]"));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
