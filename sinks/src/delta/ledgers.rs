//! Ledgers as Delta transaction identifiers: `millrace:{route}:{topic}:{partition}` and siblings.

use std::collections::HashMap;

use millrace_events::{Epoch, Offset, PartitionId, RouteName, TopicPartition};

use crate::Ledger;

/// Whose ledger it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum LedgerKind {
    /// A route's, in the table the route writes (or in `system.ledger`).
    Route,
    /// A route's dead letters, in `dead_letters`.
    Dead,
}

/// Name of one ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LedgerKey {
    pub(crate) kind: LedgerKind,
    pub(crate) route: RouteName,
    pub(crate) tp: TopicPartition,
}

/// A number of a ledger beside the next offset, which is the plain identifier's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Epoch,
    First,
    Written,
    Filtered,
    Dead,
    Gaps,
}

impl Field {
    const SIBLINGS: [(Self, &'static str); 6] = [
        (Self::Epoch, "epoch"),
        (Self::First, "first"),
        (Self::Written, "written"),
        (Self::Filtered, "filtered"),
        (Self::Dead, "dead"),
        (Self::Gaps, "gaps"),
    ];
}

impl LedgerKey {
    pub(crate) fn route(route: &RouteName, tp: &TopicPartition) -> Self {
        Self { kind: LedgerKind::Route, route: route.clone(), tp: tp.clone() }
    }

    pub(crate) fn dead(route: &RouteName, tp: &TopicPartition) -> Self {
        Self { kind: LedgerKind::Dead, route: route.clone(), tp: tp.clone() }
    }

    /// The plain identifier.
    pub(crate) fn app_id(&self) -> String {
        let dead = if self.kind == LedgerKind::Dead { "dead:" } else { "" };
        format!("millrace:{dead}{}:{}:{}", self.route, self.tp.topic, self.tp.partition)
    }

    /// The ledger a plain identifier names. Neither route nor topic names can hold a colon, and a
    /// partition is a number, so a route called `dead` is not mistaken for a dead-letter ledger.
    pub(crate) fn parse(app_id: &str) -> Option<Self> {
        let parts: Vec<_> = app_id.split(':').collect();
        let (kind, route, topic, partition) = match parts[..] {
            ["millrace", "dead", route, topic, partition] => {
                (LedgerKind::Dead, route, topic, partition)
            }
            ["millrace", route, topic, partition] => (LedgerKind::Route, route, topic, partition),
            _ => return None,
        };
        let partition = partition.parse().ok()?;
        let tp = TopicPartition { topic: topic.into(), partition: PartitionId(partition) };
        Some(Self { kind, route: route.parse().ok()?, tp })
    }

    /// The ledger an identifier of any of its numbers belongs to.
    pub(crate) fn owner(app_id: &str) -> Option<Self> {
        Self::parse(app_id).or_else(|| {
            let (plain, sibling) = app_id.rsplit_once(':')?;
            Field::SIBLINGS.iter().any(|(_, name)| *name == sibling).then(|| Self::parse(plain))?
        })
    }

    /// The ledger as the table's transaction identifiers tell it.
    pub(crate) fn read(&self, txns: &HashMap<String, i64>) -> Ledger {
        let id = self.app_id();
        let mut ledger = Ledger { next: txns.get(&id).copied().map(Offset), ..Ledger::default() };
        for (field, name) in Field::SIBLINGS {
            let Some(value) = txns.get(&format!("{id}:{name}")).copied() else { continue };
            let count = u64::try_from(value).unwrap_or(0);
            match field {
                Field::Epoch => ledger.epoch = Epoch(value),
                Field::First => ledger.first = Some(Offset(value)),
                Field::Written => ledger.written = count,
                Field::Filtered => ledger.filtered = count,
                Field::Dead => ledger.dead = count,
                Field::Gaps => ledger.gaps = count,
            }
        }
        ledger
    }

    /// The identifiers that say `ledger`. Before the first commit there is only the epoch.
    pub(crate) fn write(&self, ledger: &Ledger) -> Vec<(String, i64)> {
        let id = self.app_id();
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut txns = vec![(format!("{id}:epoch"), ledger.epoch.0)];
        if let (Some(first), Some(next)) = (ledger.first, ledger.next) {
            txns.push((format!("{id}:first"), first.0));
            txns.push((format!("{id}:written"), count(ledger.written)));
            txns.push((format!("{id}:filtered"), count(ledger.filtered)));
            txns.push((format!("{id}:dead"), count(ledger.dead)));
            txns.push((format!("{id}:gaps"), count(ledger.gaps)));
            txns.push((id, next.0));
        }
        txns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: LedgerKind, route: &str, topic: &str, partition: i32) -> LedgerKey {
        let route = route.parse().expect("valid");
        LedgerKey { kind, route, tp: TopicPartition::new(topic, partition) }
    }

    #[test]
    fn identifiers_say_whose_they_are() {
        for k in [
            key(LedgerKind::Route, "r", "t", 0),
            key(LedgerKind::Dead, "r", "t", 0),
            key(LedgerKind::Route, "dead", "3", 5),
            key(LedgerKind::Dead, "dead", "3", 5),
            key(LedgerKind::Route, "r-1", "a.b_c-d", 12),
        ] {
            assert_eq!(LedgerKey::parse(&k.app_id()), Some(k.clone()));
            for (_, name) in Field::SIBLINGS {
                let id = format!("{}:{name}", k.app_id());
                assert_eq!(LedgerKey::parse(&id), None, "{id}");
                assert_eq!(LedgerKey::owner(&id), Some(k.clone()));
            }
        }
        for foreign in ["", "millrace", "spark-app", "millrace:r:t:x", "millrace:r:t:0:what"] {
            assert_eq!(LedgerKey::owner(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_ledger_survives_the_table() {
        let k = key(LedgerKind::Route, "r", "t", 1);
        let claimed = Ledger { epoch: Epoch(3), ..Ledger::default() };
        let (first, next) = (Some(Offset(5)), Some(Offset(15)));
        let full = Ledger { first, next, written: 4, filtered: 3, dead: 2, gaps: 1, ..claimed };
        for ledger in [claimed, full] {
            assert_eq!(k.read(&k.write(&ledger).into_iter().collect()), ledger);
        }
        assert_eq!(k.read(&HashMap::new()), Ledger::default());
    }
}
