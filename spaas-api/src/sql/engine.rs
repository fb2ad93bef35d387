//! From SQL text to rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use millrace_events::TableName;

use super::deadline::bound;
use super::describe::{self, INFORMATION_SCHEMA};
use super::error::{SqlError, SqlErrorKind, stopped, too_slow};
use super::guard::check_plan;
use super::parse::{Named, Question, parse};
use super::rows::{Piece, Rows};
use super::session::{self, CATALOG, Opened, SCHEMA};
use super::{SqlLimits, TableSource};
use millrace_spec::suggest;

/// Stack of a thread that plans and computes: expressions nest, and so do the calls that walk them.
const STACK_BYTES: usize = 8 << 20;
/// Batches found but not yet read by whoever asked.
const QUEUED_BATCHES: usize = 2;

/// Answers questions about tables. Cheap to clone; clones share limits, memory and threads.
///
/// Work runs on threads of its own, so that a question can keep neither the caller's timers nor its
/// connections waiting. Each question is a task that ends when its [`Rows`] are dropped; the
/// threads end with the last clone of the engine.
#[derive(Clone)]
pub struct SqlEngine(pub(super) Arc<Inner>);

pub(super) struct Inner {
    source: Arc<dyn TableSource>,
    limits: SqlLimits,
    pool: Arc<dyn MemoryPool>,
    pub(super) slots: Arc<Semaphore>,
    threads: Threads,
}

/// A runtime that ends without waiting: its owner may itself be a task.
struct Threads(Option<Runtime>);

impl Threads {
    fn start(queries: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(queries.clamp(1, cores))
            .thread_name("sql")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build();
        Self(runtime.inspect_err(|error| tracing::error!(%error, "no threads for SQL")).ok())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for SqlEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlEngine").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl SqlEngine {
    /// An engine over the tables of `source`.
    pub fn new(source: Arc<dyn TableSource>, limits: SqlLimits) -> Self {
        let pool = Arc::new(GreedyMemoryPool::new(limits.memory_bytes));
        let slots = Arc::new(Semaphore::new(limits.queries));
        let threads = Threads::start(limits.queries);
        Self(Arc::new(Inner { source, limits, pool, slots, threads }))
    }

    /// What questions may use.
    pub fn limits(&self) -> &SqlLimits {
        &self.0.limits
    }

    /// Plans and starts one question. Rows come as they are found; dropping them stops the work.
    ///
    /// # Errors
    /// With line and column: not SQL, not a question, no such table or column, over a limit.
    pub async fn run(&self, sql: &str) -> Result<Rows, SqlError> {
        let limits = &self.0.limits;
        if sql.len() > limits.sql_bytes {
            let message = format!("the text is longer than {} bytes", limits.sql_bytes);
            return Err(SqlError::new(SqlErrorKind::TooLong, message));
        }
        let slot = Arc::clone(&self.0.slots).try_acquire_owned().map_err(|_| {
            let message = format!("{} questions are being answered", limits.queries);
            SqlError::new(SqlErrorKind::Busy, message).hint("try again in a moment")
        })?;
        let Some(threads) = &self.0.threads.0 else {
            return Err(SqlError::internal("there are no threads to answer with", &"see above"));
        };
        let deadline = Instant::now() + limits.time;
        let (head, schema) = oneshot::channel();
        let (pieces, batches) = mpsc::channel(QUEUED_BATCHES);
        let (inner, text) = (Arc::clone(&self.0), sql.to_owned());
        let task = threads.spawn(async move {
            // Held by the work itself: a question counts until its work has really ended.
            let _slot = slot;
            inner.answer(&text, deadline, head, &pieces).await;
        });
        let task = AbortOnDropHandle::new(task);
        match timeout_at(deadline, schema).await {
            Err(_) => Err(too_slow(limits.time)),
            Ok(Err(_)) => Err(stopped()),
            Ok(Ok(schema)) => Ok(Rows::new(&schema?, batches, task, deadline, limits)),
        }
    }
}

type Batches = BoxStream<'static, Result<RecordBatch, SqlError>>;

impl Inner {
    /// Sends the schema, then batches, then the mark that says they were all; or the error.
    async fn answer(
        &self,
        sql: &str,
        deadline: Instant,
        head: oneshot::Sender<Result<SchemaRef, SqlError>>,
        pieces: &mpsc::Sender<Piece>,
    ) {
        let (schema, mut batches) = match self.start(sql, deadline).await {
            Ok(started) => started,
            Err(error) => {
                // Nobody listens any more when the receiver is gone.
                let _ = head.send(Err(error));
                return;
            }
        };
        if head.send(Ok(schema)).is_err() {
            return;
        }
        while let Some(batch) = batches.next().await {
            let failed = batch.is_err();
            if pieces.send(batch.map(Some)).await.is_err() || failed {
                return;
            }
        }
        let _ = pieces.send(Ok(None)).await;
    }

    async fn start(&self, sql: &str, deadline: Instant) -> Result<(SchemaRef, Batches), SqlError> {
        let one = |batch: RecordBatch| (batch.schema(), stream::iter([Ok(batch)]).boxed());
        match parse(sql)? {
            Question::ShowTables => Ok(one(describe::tables(&self.list().await?))),
            Question::Describe(named) => {
                let opened = self.open_all(vec![named]).await?;
                Ok(one(match opened.first() {
                    Some(table) => describe::columns(&table.provider.schema()),
                    None => describe::tables(&[]),
                }))
            }
            Question::Query { statement, tables } => {
                let tables = self.open_all(tables).await?;
                let result = self.plan_and_start(statement, tables, deadline).await;
                let answer = result.map_err(|e| e.into_sql_error(sql))?;
                let (schema, sql) = (answer.schema(), sql.to_owned());
                let batches =
                    answer.map(move |batch| batch.map_err(|e| SqlError::from_datafusion(&sql, &e)));
                Ok((schema, batches.boxed()))
            }
        }
    }

    async fn plan_and_start(
        &self,
        statement: Statement,
        tables: Vec<Opened>,
        deadline: Instant,
    ) -> Result<SendableRecordBatchStream, StartError> {
        let state = session::state(tables, Arc::clone(&self.pool))?;
        let plan = state.statement_to_plan(statement).await?;
        check_plan(&plan)?;
        let plan = match plan {
            plan @ (LogicalPlan::Explain(_) | LogicalPlan::Analyze(_)) => state.optimize(&plan)?,
            // One row more than wanted tells whether rows were cut off.
            plan => {
                let rows = self.limits.rows.saturating_add(1);
                state.optimize(&LogicalPlanBuilder::from(plan).limit(0, Some(rows))?.build()?)?
            }
        };
        let plan = match plan {
            plan @ LogicalPlan::Explain(_) => plan,
            plan => bound(plan, deadline.into_std())?,
        };
        let physical = state.query_planner().create_physical_plan(&plan, &state).await?;
        Ok(execute_stream(physical, state.task_ctx())?)
    }

    async fn list(&self) -> Result<Vec<TableName>, SqlError> {
        let mut names = self
            .source
            .tables()
            .await
            .map_err(|e| SqlError::source("the tables could not be listed", &e))?;
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Opens the tables named, and no other.
    async fn open_all(&self, named: Vec<Named>) -> Result<Vec<Opened>, SqlError> {
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.list().await?;
        let mut opened: Vec<Opened> = Vec::new();
        for table in named {
            let (schema, name) = split(&table, &known)?;
            if opened.iter().any(|o| o.schema == schema && o.name == name) {
                continue;
            }
            let provider = match (schema, name) {
                (INFORMATION_SCHEMA, "tables") => describe::table(describe::tables(&known))?,
                (INFORMATION_SCHEMA, "columns") => self.all_columns(&known).await?,
                _ => {
                    let found = known.iter().find(|k| k.parts() == (schema, name));
                    self.open(found.ok_or_else(|| unknown(&table, &known))?).await?
                }
            };
            opened.push(Opened { schema: schema.to_owned(), name: name.to_owned(), provider });
        }
        Ok(opened)
    }

    async fn open(&self, table: &TableName) -> Result<Arc<dyn TableProvider>, SqlError> {
        let failed = |e| SqlError::source(&format!("table `{table}` cannot be read now"), &e);
        self.source.open(table).await.map_err(failed)
    }

    async fn all_columns(&self, known: &[TableName]) -> Result<Arc<dyn TableProvider>, SqlError> {
        let mut schemas = Vec::with_capacity(known.len());
        for table in known {
            schemas.push((table.clone(), self.open(table).await?.schema()));
        }
        describe::table(describe::all_columns(&schemas)?)
    }
}

/// Schema and name of a table reference; `millrace.` before them is accepted.
fn split<'a>(table: &'a Named, known: &[TableName]) -> Result<(&'a str, &'a str), SqlError> {
    match &table.reference {
        TableReference::Bare { table } => Ok((SCHEMA, table)),
        TableReference::Partial { schema, table } => Ok((schema, table)),
        TableReference::Full { catalog, schema, table } if catalog.as_ref() == CATALOG => {
            Ok((schema, table))
        }
        TableReference::Full { .. } => Err(unknown(table, known)),
    }
}

fn unknown(table: &Named, known: &[TableName]) -> SqlError {
    let name = table.reference.to_string();
    let hint = suggest::hint(&name, "tables", known.iter().map(TableName::as_str));
    SqlError::new(SqlErrorKind::Invalid, format!("there is no table `{name}`"))
        .hint(hint)
        .at(table.at)
}

enum StartError {
    Sql(SqlError),
    DataFusion(DataFusionError),
}

impl StartError {
    fn into_sql_error(self, sql: &str) -> SqlError {
        match self {
            Self::Sql(error) => error,
            Self::DataFusion(error) => SqlError::from_datafusion(sql, &error),
        }
    }
}

impl From<SqlError> for StartError {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<DataFusionError> for StartError {
    fn from(error: DataFusionError) -> Self {
        Self::DataFusion(error)
    }
}
