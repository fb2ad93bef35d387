//! The commit loop: decide, put the log entry at exactly the next version, read back when in doubt.

use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::actions::{Action, Add, CommitInfo, Line, Protocol, Txn, entry};
use super::log::{LogState, Put, TableLog};
use super::schema::{TableShape, rejected};
use super::store::failed;
use crate::SinkError;

/// Attempts whose outcome stayed unknown before the commit is given up.
const DOUBTS: u32 = 5;
/// Wait after the first such attempt; doubles.
const BACK_OFF: Duration = Duration::from_millis(20);

/// What a commit does to a table's transaction identifiers, decided from what they are, without
/// I/O.
pub(crate) trait Change: Sync {
    /// What the committer learns.
    type Outcome: Send;

    /// The next step. `visible`: the commit's own entry was seen in the log.
    fn next(&self, visible: bool, state: Option<&LogState>) -> Next<Self::Outcome>;
}

/// The next step of a commit.
#[must_use]
pub(crate) enum Next<T> {
    /// The table holds it.
    Done(T),
    /// Write the log entry of exactly this version.
    Put {
        version: i64,
        /// Transaction identifiers the entry sets.
        txns: Vec<(String, i64)>,
        /// What the committer learns if the entry gets there.
        becomes: T,
    },
    /// It must not happen; nothing of it is or will be visible.
    Refused(SinkError),
}

/// One commit to be made.
#[derive(Debug)]
pub(crate) struct Commit<'a, C> {
    pub(crate) change: C,
    pub(crate) adds: &'a [Add],
    pub(crate) shape: &'a TableShape,
    /// The writer's id, for people who read the log.
    pub(crate) writer: &'a str,
}

/// A commit that was not made, or of which that is not known.
#[derive(Debug)]
pub(crate) struct NotCommitted {
    pub(crate) error: SinkError,
    /// The log entry cannot appear any more: the data files may be deleted.
    pub(crate) certain: bool,
}

impl NotCommitted {
    fn certain(error: SinkError) -> Self {
        Self { error, certain: true }
    }
}

impl From<NotCommitted> for SinkError {
    fn from(n: NotCommitted) -> Self {
        n.error
    }
}

/// How far one commit got.
struct Attempt<T> {
    /// Written into the log entry: how we recognise our own.
    id: String,
    visible: bool,
    doubts: u32,
    /// Version of the newest put.
    sent: Option<i64>,
    /// What the newest put would achieve.
    becomes: Option<T>,
    /// Why the newest put is in doubt.
    why: Option<object_store::Error>,
}

impl TableLog {
    /// Commits, and says what that came to.
    pub(crate) async fn commit<C: Change>(
        &mut self,
        commit: &Commit<'_, C>,
    ) -> Result<C::Outcome, NotCommitted> {
        let id = Uuid::now_v7().to_string();
        let mut attempt =
            Attempt { id, visible: false, doubts: 0, sent: None, becomes: None, why: None };
        loop {
            if !self.look(&mut attempt).await? {
                continue;
            }
            match commit.change.next(attempt.visible, self.state.as_ref()) {
                Next::Done(found) => return Ok(attempt.becomes.unwrap_or(found)),
                Next::Refused(error) => return Err(NotCommitted::certain(error)),
                Next::Put { version, txns, becomes } => {
                    attempt.becomes = Some(becomes);
                    if self.send(commit, txns, version, &mut attempt).await? {
                        return Ok(attempt.becomes.expect("set above"));
                    }
                }
            }
        }
    }

    /// Brings the state up to date when it may not be. `false`: it could not be read, try again.
    async fn look<T>(&mut self, attempt: &mut Attempt<T>) -> Result<bool, NotCommitted> {
        let Some(sent) = attempt.sent else {
            if !self.is_fresh() {
                // Nothing was sent yet: the caller may try again from the start.
                self.refresh(None).await.map_err(NotCommitted::certain)?;
            }
            return Ok(true);
        };
        match self.refresh(Some(&attempt.id)).await {
            Ok(seen) => attempt.visible |= seen,
            Err(error) => {
                doubt(&mut attempt.doubts, error).await?;
                return Ok(false);
            }
        }
        if self.head().is_none_or(|head| head < sent) {
            // Whatever the put said, its version is still free.
            let missing = || SinkError::retry(self.what(), "the log entry did not appear");
            let error = attempt.why.take().map_or_else(missing, |e| failed(self.what(), e));
            doubt(&mut attempt.doubts, error).await?;
        }
        Ok(true)
    }

    /// Puts the log entry of `version`; says whether it is certainly ours.
    async fn send<C: Change>(
        &mut self,
        commit: &Commit<'_, C>,
        txns: Vec<(String, i64)>,
        version: i64,
        attempt: &mut Attempt<C::Outcome>,
    ) -> Result<bool, NotCommitted> {
        let actions = self
            .actions(commit, txns, &attempt.id)
            .map_err(|error| NotCommitted { error, certain: attempt.sent.is_none() })?;
        let first = attempt.sent.replace(version).is_none();
        match self.put(version, entry(&actions).into()).await {
            Put::Won if !self.is_the_end(version).await => Ok(false),
            Put::Won => {
                self.advance(version, actions.into_iter().map(Line::from).collect());
                Ok(true)
            }
            Put::Unknown(error) => {
                let table = &self.place.table;
                tracing::debug!(%table, version, %error, "commit in doubt, reading back");
                attempt.why = Some(error);
                Ok(false)
            }
            Put::Refused(e) => Err(NotCommitted { error: failed(self.what(), e), certain: first }),
        }
    }

    fn what(&self) -> String {
        format!("commit to table `{}`", self.place.table)
    }

    fn actions<C>(
        &self,
        commit: &Commit<'_, C>,
        txns: Vec<(String, i64)>,
        id: &str,
    ) -> Result<Vec<Action>, SinkError> {
        let now = self.clock.now_ms();
        let mut actions = vec![Action::CommitInfo(CommitInfo {
            timestamp: now,
            operation: if commit.adds.is_empty() { "STREAMING UPDATE" } else { "WRITE" },
            operation_parameters: [("mode".to_owned(), "Append".to_owned())].into(),
            is_blind_append: true,
            engine_info: concat!("millrace/", env!("CARGO_PKG_VERSION")),
            millrace_writer: commit.writer.to_owned(),
            millrace_commit: id.to_owned(),
        })];
        let state = self.state.as_ref();
        if let Some(protocol) = state.and_then(|s| s.protocol.as_ref()) {
            if !protocol.is_ours() {
                let what = "its protocol demands features Millrace does not write; see \
                            minReaderVersion and minWriterVersion in its log";
                return Err(rejected(&self.place.table, what));
            }
        } else {
            actions.push(Action::Protocol(Protocol::ours()));
        }
        let existing = state.and_then(|s| s.metadata.as_ref());
        let table_id = Uuid::new_v4().to_string();
        if let Some(metadata) = commit.shape.merge_into(existing, &table_id, now)? {
            actions.push(Action::MetaData(metadata));
        }
        for (app_id, version) in txns {
            actions.push(Action::Txn(Txn { app_id, version, last_updated: Some(now) }));
        }
        actions.extend(commit.adds.iter().cloned().map(Action::Add));
        Ok(actions)
    }
}

/// Waits before the log is looked at again; gives up after too many doubts, without certainty.
async fn doubt(doubts: &mut u32, error: SinkError) -> Result<(), NotCommitted> {
    *doubts += 1;
    if *doubts > DOUBTS || matches!(error, SinkError::Rejected { .. }) {
        return Err(NotCommitted { error, certain: false });
    }
    sleep(BACK_OFF * 2_u32.pow(*doubts - 1)).await;
    Ok(())
}

impl From<Action> for Line {
    fn from(action: Action) -> Self {
        match action {
            Action::Txn(txn) => Self { txn: Some(txn), ..Self::default() },
            Action::MetaData(metadata) => Self { meta_data: Some(metadata), ..Self::default() },
            Action::Protocol(protocol) => Self { protocol: Some(protocol), ..Self::default() },
            Action::CommitInfo(_) | Action::Add(_) => Self::default(),
        }
    }
}
