//! Ledgers and dead letters: those of a warehouse, and some in memory that can fail and be watched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use millrace_events::{DeadLetter, Epoch, Offset, RouteName, TopicPartition};
use millrace_sinks::{DeadLetterBook, Ledger, LedgerBook, Move, SinkError};

use crate::table::Tables;

/// The books a sink is given, and what is in them.
pub(crate) enum Books {
    Memory(MemoryBooks),
    Tables(Tables),
}

impl Books {
    pub(crate) fn ledgers(&self) -> Arc<dyn LedgerBook> {
        match self {
            Self::Memory(books) => Arc::new(books.clone()),
            Self::Tables(tables) => tables.warehouse.ledger_book(),
        }
    }

    pub(crate) fn dead_letters(&self) -> Arc<dyn DeadLetterBook> {
        match self {
            Self::Memory(books) => Arc::new(books.clone()),
            Self::Tables(tables) => tables.warehouse.dead_letter_book(),
        }
    }

    pub(crate) async fn letters(&self) -> Vec<DeadLetter> {
        match self {
            Self::Memory(books) => books.letters(),
            Self::Tables(tables) => tables.letters().await,
        }
    }
}

/// Both books in memory; clones share their content.
#[derive(Clone, Default)]
pub(crate) struct MemoryBooks(Arc<Mutex<Pages>>);

#[derive(Default)]
pub(crate) struct Pages {
    ledgers: BTreeMap<(RouteName, TopicPartition), Ledger>,
    letters: BTreeMap<(RouteName, TopicPartition, Offset), DeadLetter>,
    /// The next calls that fail, by name.
    pub(crate) failing: Vec<&'static str>,
    /// Whether stale epochs pass: what a book must not do.
    pub(crate) lenient: bool,
    /// Every call that got through, in order.
    pub(crate) calls: Vec<&'static str>,
}

impl Pages {
    fn call(&mut self, name: &'static str) -> Result<(), SinkError> {
        if let Some(at) = self.failing.iter().position(|failing| *failing == name) {
            self.failing.remove(at);
            return Err(SinkError::retry(name, "told to fail"));
        }
        self.calls.push(name);
        Ok(())
    }

    fn fence(&self, route: &RouteName, moves: &[Move]) -> Result<(), SinkError> {
        for (tp, ours, _) in moves {
            let theirs = self.ledgers.get(&(route.clone(), tp.clone())).map(|l| l.epoch);
            let theirs = theirs.unwrap_or_default();
            if *ours != theirs && !self.lenient {
                let (route, tp, ours) = (route.to_string(), tp.clone(), *ours);
                return Err(SinkError::Fenced { route, tp, ours, theirs });
            }
        }
        Ok(())
    }
}

impl MemoryBooks {
    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().expect("no test panics while holding it")
    }

    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        self.pages().letters.values().cloned().collect()
    }
}

#[async_trait]
impl LedgerBook for MemoryBooks {
    async fn claim(
        &self,
        route: &RouteName,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        let mut pages = self.pages();
        pages.call("claim")?;
        let claim = |tp: &TopicPartition| {
            let ledger = pages.ledgers.entry((route.clone(), tp.clone())).or_default();
            ledger.epoch = Epoch(ledger.epoch.0 + 1);
            (tp.clone(), *ledger)
        };
        Ok(partitions.iter().map(claim).collect())
    }

    async fn advance(
        &self,
        route: &RouteName,
        moves: &[Move],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        let mut pages = self.pages();
        pages.call("advance")?;
        pages.fence(route, moves)?;
        let advance = |(tp, _, progress): &Move| {
            let ledger = pages.ledgers.entry((route.clone(), tp.clone())).or_default();
            *ledger = ledger.after(progress);
            (tp.clone(), *ledger)
        };
        Ok(moves.iter().map(advance).collect())
    }
}

#[async_trait]
impl DeadLetterBook for MemoryBooks {
    async fn bury(
        &self,
        route: &RouteName,
        _: &[Move],
        dead: &[DeadLetter],
    ) -> Result<(), SinkError> {
        let mut pages = self.pages();
        pages.call("bury")?;
        for letter in dead {
            let key = (route.clone(), letter.tp.clone(), letter.offset);
            pages.letters.insert(key, letter.clone());
        }
        Ok(())
    }
}
