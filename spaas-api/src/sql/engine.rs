//! From SQL text to rows.

use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::parser::Statement;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use millrace_events::TableName;

use super::describe::{self, INFORMATION_SCHEMA};
use super::error::{SqlError, SqlErrorKind};
use super::guard::check_plan;
use super::parse::{Named, Question, parse};
use super::rows::{Bounds, Rows, too_slow};
use super::session::{self, CATALOG, Opened, SCHEMA};
use super::{SqlLimits, TableSource};
use crate::suggest;

/// Answers questions about tables. Cheap to clone; clones share limits and memory.
#[derive(Clone)]
pub struct SqlEngine {
    source: Arc<dyn TableSource>,
    limits: SqlLimits,
    pool: Arc<dyn MemoryPool>,
    slots: Arc<Semaphore>,
}

impl std::fmt::Debug for SqlEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlEngine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl SqlEngine {
    /// An engine over the tables of `source`.
    pub fn new(source: Arc<dyn TableSource>, limits: SqlLimits) -> Self {
        let pool = Arc::new(GreedyMemoryPool::new(limits.memory_bytes));
        let slots = Arc::new(Semaphore::new(limits.queries));
        Self { source, limits, pool, slots }
    }

    /// What questions may use.
    pub fn limits(&self) -> &SqlLimits {
        &self.limits
    }

    /// Plans and starts one question. Rows come as they are found; dropping them stops the work.
    ///
    /// # Errors
    /// With line and column: not SQL, not a question, no such table or column, over a limit.
    pub async fn run(&self, sql: &str) -> Result<Rows, SqlError> {
        if sql.len() > self.limits.sql_bytes {
            let message = format!("the text is longer than {} bytes", self.limits.sql_bytes);
            return Err(SqlError::new(SqlErrorKind::TooLong, message));
        }
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            let message = format!("{} questions are being answered", self.limits.queries);
            SqlError::new(SqlErrorKind::Busy, message).hint("try again in a moment")
        })?;
        let time = self.limits.time;
        let deadline = Instant::now() + time;
        let bounds = Bounds { deadline, time, rows: self.limits.rows, slot };
        match timeout_at(deadline, self.start(sql, bounds)).await {
            Ok(rows) => rows,
            Err(_) => Err(too_slow(time)),
        }
    }

    async fn start(&self, sql: &str, bounds: Bounds) -> Result<Rows, SqlError> {
        match parse(sql)? {
            Question::ShowTables => {
                Ok(Rows::of_batch(describe::tables(&self.list().await?), bounds))
            }
            Question::Describe(named) => {
                let opened = self.open_all(vec![named]).await?;
                let batch = match opened.first() {
                    Some(table) => describe::columns(&table.provider.schema()),
                    None => describe::tables(&[]),
                };
                Ok(Rows::of_batch(batch, bounds))
            }
            Question::Query { statement, tables } => {
                let tables = self.open_all(tables).await?;
                let result = self.plan_and_start(statement, tables).await;
                let answer = result.map_err(|e| e.into_sql_error(sql))?;
                Ok(Rows::new(sql, answer, bounds))
            }
        }
    }

    async fn plan_and_start(
        &self,
        statement: Statement,
        tables: Vec<Opened>,
    ) -> Result<datafusion::execution::SendableRecordBatchStream, StartError> {
        let state = session::state(tables, Arc::clone(&self.pool))?;
        let plan = state.statement_to_plan(statement).await?;
        check_plan(&plan)?;
        let plan = match plan {
            plan @ (LogicalPlan::Explain(_) | LogicalPlan::Analyze(_)) => plan,
            // One row more than wanted tells whether rows were cut off.
            plan => LogicalPlanBuilder::from(plan)
                .limit(0, Some(self.limits.rows.saturating_add(1)))?
                .build()?,
        };
        Ok(DataFrame::new(state, plan).execute_stream().await?)
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

    async fn open(
        &self,
        table: &TableName,
    ) -> Result<Arc<dyn datafusion::catalog::TableProvider>, SqlError> {
        let failed = |e| SqlError::source(&format!("table `{table}` cannot be read now"), &e);
        self.source.open(table).await.map_err(failed)
    }

    async fn all_columns(
        &self,
        known: &[TableName],
    ) -> Result<Arc<dyn datafusion::catalog::TableProvider>, SqlError> {
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
