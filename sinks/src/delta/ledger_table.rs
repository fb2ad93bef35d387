//! `system.ledger`: ledgers of sinks whose destination can hold none.

use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use tokio::sync::Mutex;
use uuid::Uuid;

use millrace_events::{RouteName, TopicPartition};

use super::commit::Commit;
use super::ledgers::LedgerKey;
use super::log::TableLog;
use super::schema::TableShape;
use super::want::Want;
use crate::{Ledger, LedgerBook, Move, SinkError};

/// Name of the table.
pub(crate) const LEDGER_TABLE: &str = "system.ledger";

/// A Delta table without rows: its log is the book.
#[derive(Debug)]
pub(crate) struct LedgerTable {
    /// A queue of committers: in one process they would only race for the next version.
    log: Mutex<TableLog>,
    shape: TableShape,
    writer: String,
}

impl LedgerTable {
    pub(crate) fn new(log: TableLog) -> Self {
        // A Delta table needs a column.
        let columns = Schema::new(vec![Field::new("note", DataType::Utf8, true)]);
        let shape = TableShape::new(&log.place.table, &columns, Vec::new())
            .expect("one string column can be stored");
        Self { log: Mutex::new(log), shape, writer: Uuid::now_v7().to_string() }
    }

    async fn commit(
        &self,
        log: &mut TableLog,
        change: Want,
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        let commit = Commit { change, adds: &[], shape: &self.shape, writer: &self.writer };
        let ledgers = log.commit(&commit).await?;
        Ok(ledgers.into_iter().map(|(key, ledger)| (key.tp, ledger)).collect())
    }
}

#[async_trait]
impl LedgerBook for LedgerTable {
    async fn claim(
        &self,
        route: &RouteName,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        let keys = partitions.iter().map(|tp| LedgerKey::route(route, tp)).collect();
        self.commit(&mut *self.log.lock().await, Want::Claim(keys)).await
    }

    async fn advance(
        &self,
        route: &RouteName,
        moves: &[Move],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        let mut log = self.log.lock().await;
        let keys: Vec<_> = moves.iter().map(|(tp, ..)| LedgerKey::route(route, tp)).collect();
        let known = |log: &TableLog| {
            let state = log.state.as_ref();
            let ledger = |key: &LedgerKey| state.map(|s| key.read(&s.txns)).unwrap_or_default();
            keys.iter().map(ledger).collect::<Vec<_>>()
        };
        let mut ledgers = known(&log);
        if ledgers.iter().zip(moves).any(|(ledger, (_, epoch, _))| ledger.epoch != *epoch) {
            // Another book of this table may have raised the epoch, for us or for somebody else.
            log.refresh(None).await?;
            ledgers = known(&log);
        }
        let mut steps = Vec::with_capacity(moves.len());
        for ((key, found), (_, epoch, progress)) in keys.into_iter().zip(ledgers).zip(moves) {
            let believed = Ledger { epoch: *epoch, ..found };
            if found.next.is_some_and(|next| next != progress.range.from) {
                let what = format!("move ledger `{}`", key.app_id());
                let why = format!("it is at {:?}, not at {}", found.next, progress.range.from);
                return Err(SinkError::retry(what, why));
            }
            steps.push((key, believed, believed.after(progress)));
        }
        self.commit(&mut log, Want::Move(steps)).await
    }
}
