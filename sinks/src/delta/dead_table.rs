//! `dead_letters`: one table for the dead letters of every route, each kept once.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::ObjectStoreExt;
use tokio::sync::Mutex;
use uuid::Uuid;

use millrace_events::{Budget, DeadLetter, Epoch, Probe, RouteName, TopicPartition};

use super::actions::Add;
use super::commit::{Commit, NotCommitted};
use super::dead_rows;
use super::files::row_group_bytes;
use super::ledgers::LedgerKey;
use super::log::TableLog;
use super::open_file::{FileContext, OpenFile};
use super::partition::Values;
use super::schema::{TableShape, rejected};
use super::want::Want;
use crate::{DeadLetterBook, Ledger, Move, SinkError};

/// Name of the table.
pub(crate) const DEAD_LETTERS: &str = "dead_letters";
/// Attempts to bury the same letters while other writers of the partition come between.
const ATTEMPTS: usize = 5;

/// The table and, per (route, partition), how far its letters are kept: a repeat after a crash
/// between this commit and the route's own writes none twice.
#[derive(Debug)]
pub(crate) struct DeadLetterTable {
    /// A queue of committers: in one process they would only race for the next version.
    log: Mutex<TableLog>,
    context: Arc<FileContext>,
    shape: TableShape,
    writer: String,
    budget: Budget,
}

/// What is left to bury, and the ledger steps that say so.
struct Left<'a> {
    letters: Vec<&'a DeadLetter>,
    steps: Vec<(LedgerKey, Ledger, Ledger)>,
}

impl DeadLetterTable {
    pub(crate) fn new(log: TableLog, probe: Arc<dyn Probe>) -> Self {
        let schema = dead_rows::columns();
        let shape = TableShape::new(&log.place.table, &schema, Vec::new())
            .expect("the columns of dead letters can be stored");
        let context = Arc::new(FileContext {
            table: log.place.table.as_str().to_owned(),
            store: log.place.store.clone(),
            probe,
            clock: log.clock.clone(),
            schema,
            row_group_bytes: row_group_bytes(usize::MAX),
        });
        let writer = Uuid::now_v7().to_string();
        // The callers bound what they bury at once.
        let budget = Budget::new(DEAD_LETTERS, usize::MAX);
        Self { log: Mutex::new(log), context, shape, writer, budget }
    }

    async fn file(&self, route: &RouteName, letters: &[&DeadLetter]) -> Result<Add, SinkError> {
        let now = self.context.clock.now_ms();
        let rows =
            dead_rows::batch(route, letters, now).map_err(|e| rejected(&self.shape.table, e))?;
        let none = || self.budget.try_reserve(0).expect("nothing always fits");
        let mut file = OpenFile::new(&self.context, Values::default(), none());
        file.append(rows, none()).await?;
        file.finish().await
    }

    async fn delete(&self, add: &Add) {
        // Not partitioned: the path holds nothing escaped.
        let path = object_store::path::Path::from(add.path.as_str());
        if let Err(error) = self.context.store.delete(&path).await {
            tracing::debug!(%path, %error, "an orphan file of dead letters stays behind");
        }
    }
}

fn left<'a>(
    log: &TableLog,
    route: &RouteName,
    moves: &[Move],
    dead: &'a [DeadLetter],
) -> Result<Left<'a>, SinkError> {
    let mut by_partition: HashMap<&TopicPartition, Vec<&DeadLetter>> = HashMap::new();
    for letter in dead {
        by_partition.entry(&letter.tp).or_default().push(letter);
    }
    let mut left = Left { letters: Vec::new(), steps: Vec::new() };
    for (tp, epoch, progress) in moves {
        let key = LedgerKey::dead(route, tp);
        let found = log.state.as_ref().map(|s| key.read(&s.txns)).unwrap_or_default();
        if found.epoch > *epoch {
            return Err(fenced(route, tp, *epoch, found.epoch));
        }
        let letters = by_partition.remove(tp).unwrap_or_default();
        let fresh: Vec<_> = letters
            .into_iter()
            .filter(|l| found.next.is_none_or(|next| l.offset >= next))
            .collect();
        if fresh.is_empty() {
            continue;
        }
        let becomes = Ledger {
            epoch: *epoch,
            first: found.first.or(Some(progress.range.from)),
            next: Some(progress.range.next),
            dead: found.dead + fresh.len() as u64,
            ..found
        };
        left.letters.extend(fresh);
        left.steps.push((key, found, becomes));
    }
    assert!(by_partition.is_empty(), "every dead letter belongs to a move: {by_partition:?}");
    Ok(left)
}

fn fenced(route: &RouteName, tp: &TopicPartition, ours: Epoch, theirs: Epoch) -> SinkError {
    SinkError::Fenced { route: route.as_str().to_owned(), tp: tp.clone(), ours, theirs }
}

#[async_trait]
impl DeadLetterBook for DeadLetterTable {
    async fn bury(
        &self,
        route: &RouteName,
        moves: &[Move],
        dead: &[DeadLetter],
    ) -> Result<(), SinkError> {
        if dead.is_empty() {
            return Ok(());
        }
        let mut log = self.log.lock().await;
        if log.head().is_none() || !log.is_fresh() {
            log.refresh(None).await?;
        }
        let mut attempt = 1;
        loop {
            let Left { letters, steps } = left(&log, route, moves, dead)?;
            if letters.is_empty() {
                return Ok(());
            }
            let add = self.file(route, &letters).await?;
            let (change, adds) = (Want::Move(steps), std::slice::from_ref(&add));
            let commit = Commit { change, adds, shape: &self.shape, writer: &self.writer };
            let Err(NotCommitted { error, certain }) = log.commit(&commit).await else {
                return Ok(());
            };
            if certain {
                self.delete(&add).await;
            }
            // Another writer of the partition buried some, or owns it: the ledger says which.
            if !certain || attempt == ATTEMPTS || matches!(error, SinkError::Rejected { .. }) {
                return Err(error);
            }
            attempt += 1;
        }
    }
}
