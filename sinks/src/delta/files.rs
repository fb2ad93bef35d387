//! The open files of one sink: memory from the budget, the largest file closed when it runs out.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::{StreamExt, stream};
use object_store::path::Path;
use tokio::task::JoinSet;

use millrace_events::{Budget, Reservation};

use super::actions::Add;
use super::open_file::{FileContext, OpenFile, bytes_of};
use super::partition::Values;
use crate::SinkError;

/// Files being completed at once.
const MAX_UPLOADS: usize = 8;
/// Largest row group, encoded.
const ROW_GROUP_BYTES: usize = 32 << 20;
/// Part of the budget a row group may take; encoder and upload each hold some at once.
const ROW_GROUP_SHARE: usize = 8;
/// Part of the budget that is freed in one go when it is used up.
const EVICT_SHARE: usize = 8;

/// Encoded size at which a row group is closed under a budget of `limit` bytes.
pub(crate) fn row_group_bytes(limit: usize) -> usize {
    (limit / ROW_GROUP_SHARE).clamp(64 << 10, ROW_GROUP_BYTES)
}

/// Complete files. Whoever holds them commits them; dropped, they stay on the store, for a commit
/// in doubt may still refer to them.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) adds: Vec<Add>,
    paths: Vec<Path>,
}

/// Open files by partition, files being completed, and files completed since the last commit.
///
/// Dropping it stops the uploads; [`Self::abort`] also removes what they left behind.
#[derive(Debug)]
pub(crate) struct Files {
    context: Arc<FileContext>,
    budget: Budget,
    max_open: usize,
    open: HashMap<Box<[u8]>, OpenFile>,
    /// Each returns its file and the memory it held at first.
    uploads: JoinSet<(Result<Add, SinkError>, usize)>,
    /// Memory of the files in `uploads`.
    leaving: usize,
    done: Vec<Add>,
    /// Every path a file may be at since the last commit.
    touched: Vec<Path>,
    /// Sizes of all open files.
    open_bytes: usize,
    /// Sizes of all files closed since the last commit.
    closed_bytes: usize,
}

impl Files {
    pub(crate) fn new(context: FileContext, budget: Budget, max_open: usize) -> Self {
        Self {
            context: Arc::new(context),
            budget,
            max_open: max_open.max(1),
            open: HashMap::new(),
            uploads: JoinSet::new(),
            leaving: 0,
            done: Vec::new(),
            touched: Vec::new(),
            open_bytes: 0,
            closed_bytes: 0,
        }
    }

    /// Number of open files.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Bytes of all files since the last commit, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.open_bytes + self.closed_bytes
    }

    /// Adds `rows` to the file of their partition. Waits while memory is used up.
    pub(crate) async fn append(
        &mut self,
        key: Box<[u8]>,
        values: Values,
        rows: RecordBatch,
    ) -> Result<(), SinkError> {
        let granted = self.room(bytes_of(&rows)).await?;
        if self.open.len() >= self.max_open && !self.open.contains_key(&key) {
            self.evict().await?;
        }
        let file = self.open.entry(key).or_insert_with(|| {
            let held = self.budget.try_reserve(0).expect("nothing always fits");
            let file = OpenFile::new(&self.context, values, held);
            self.touched.push(file.path.clone());
            file
        });
        let before = file.size();
        file.append(rows, granted).await?;
        self.open_bytes = self.open_bytes + file.size() - before;
        Ok(())
    }

    /// Reserves memory, from our own files if need be: first waits for parts on their way, then
    /// closes the largest files, and only then waits for others who share the budget.
    async fn room(&mut self, bytes: usize) -> Result<Reservation, SinkError> {
        loop {
            if let Some(granted) = self.budget.try_reserve(bytes) {
                return Ok(granted);
            }
            let enough = bytes.max(self.budget.limit() / EVICT_SHARE);
            if let Some(file) = self.open.values_mut().find(|f| f.is_sending()) {
                file.wait().await?;
            } else if self.leaving < enough && self.open.values().any(|f| f.held() > 0) {
                self.evict().await?;
            } else if !self.uploads.is_empty() {
                self.join().await?;
            } else {
                return Ok(self.budget.reserve(bytes).await);
            }
        }
    }

    /// Starts completing the largest file.
    async fn evict(&mut self) -> Result<(), SinkError> {
        let largest = self.open.iter().max_by_key(|(_, f)| f.held()).map(|(key, _)| key.clone());
        match largest.and_then(|key| self.open.remove(&key)) {
            Some(file) => self.close(file).await,
            None => Ok(()),
        }
    }

    async fn close(&mut self, file: OpenFile) -> Result<(), SinkError> {
        while self.uploads.len() >= MAX_UPLOADS {
            self.join().await?;
        }
        let (size, held) = (file.size(), file.held());
        self.open_bytes -= size;
        self.closed_bytes += size;
        self.leaving += held;
        self.uploads.spawn(async move { (file.finish().await, held) });
        Ok(())
    }

    async fn join(&mut self) -> Result<(), SinkError> {
        let Some(joined) = self.uploads.join_next().await else { return Ok(()) };
        let (add, held) = joined.map_err(|e| self.context.failed(e))?;
        self.leaving -= held;
        self.done.push(add?);
        Ok(())
    }

    /// Completes every file and hands over all since the last commit.
    pub(crate) async fn finish(&mut self) -> Result<Finished, SinkError> {
        for (_, file) in std::mem::take(&mut self.open) {
            self.close(file).await?;
        }
        while !self.uploads.is_empty() {
            self.join().await?;
        }
        self.closed_bytes = 0;
        self.open_bytes = 0;
        let (adds, paths) = (std::mem::take(&mut self.done), std::mem::take(&mut self.touched));
        Ok(Finished { adds, paths })
    }

    /// Takes back files that certainly did not become part of the table.
    pub(crate) fn take_back(&mut self, finished: Finished) {
        self.touched.extend(finished.paths);
    }

    /// Drops everything since the last commit and deletes what is on the store, as far as possible.
    pub(crate) async fn abort(&mut self) {
        self.uploads.shutdown().await;
        self.leaving = 0;
        for (_, file) in std::mem::take(&mut self.open) {
            file.abort().await;
        }
        let touched = stream::iter(std::mem::take(&mut self.touched).into_iter().map(Ok)).boxed();
        let mut deleted = self.context.store.delete_stream(touched);
        while let Some(result) = deleted.next().await {
            if let Err(error) = result
                && !matches!(error, object_store::Error::NotFound { .. })
            {
                tracing::debug!(table = self.context.table, %error, "an orphan file stays behind");
            }
        }
        self.done.clear();
        self.closed_bytes = 0;
        self.open_bytes = 0;
    }
}
