//! Reading tables without the process that wrote them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use arrow::array::{Array, AsArray, RecordBatch};
use datafusion::prelude::SessionContext;
use url::Url;

use millrace_events::TableName;
use millrace_sinks::{Warehouse, WarehouseSettings};

use crate::{Acked, eventually};

/// The tables at one address.
#[derive(Clone)]
pub struct Tables {
    warehouse: Warehouse,
    store: Url,
}

impl Tables {
    /// Opens the tables at `store`.
    pub async fn open(store: &str, options: &BTreeMap<String, String>) -> Result<Self> {
        let store = Url::parse(store)?;
        let options = options.clone();
        let settings = WarehouseSettings { options, ..WarehouseSettings::at(store.clone()) };
        Ok(Self { warehouse: Warehouse::open(settings).await?, store })
    }

    /// The address of a table, for readers that know nothing of Millrace.
    pub fn url(&self, table: &str) -> Result<Url> {
        let name: TableName = table.parse()?;
        let (schema, table) = name.parts();
        Ok(Url::parse(&format!("{}/{schema}/{table}", self.store))?)
    }

    /// Runs `sql` over the newest snapshot of `table`, which it calls `t`.
    pub async fn sql(&self, table: &str, sql: &str) -> Result<Vec<RecordBatch>> {
        let name: TableName = table.parse()?;
        let context = SessionContext::new();
        context.register_table("t", self.warehouse.provider(&name).await?)?;
        Ok(context.sql(sql).await?.collect().await?)
    }

    /// Every id of `table`; none when the table is not there yet.
    pub async fn ids(&self, table: &str) -> Result<Vec<String>> {
        let name: TableName = table.parse()?;
        if !self.warehouse.tables().await?.contains(&name) {
            return Ok(Vec::new());
        }
        let mut ids = Vec::new();
        for batch in self.sql(table, "SELECT CAST(event_id AS VARCHAR) AS id FROM t").await? {
            let column = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8)?;
            let column = column.as_string::<i32>();
            ensure!(column.null_count() == 0, "a row of {table} has no id");
            ids.extend(column.iter().flatten().map(str::to_owned));
        }
        Ok(ids)
    }

    /// Waits until `table` has at least as many rows as were acknowledged; then they must be those.
    pub async fn will_hold(&self, table: &str, acked: &Acked) -> Result<()> {
        let ids = eventually(&format!("{} rows in {table}", acked.written.len()), async || {
            let ids = self.ids(table).await?;
            Ok((ids.len() >= acked.written.len()).then_some(ids))
        })
        .await?;
        acked.must_be(&ids)
    }

    /// Fails unless `table` holds what was acknowledged, and the ledgers of `route` count the rest.
    pub async fn must_hold(&self, table: &str, route: &str, acked: &Acked) -> Result<()> {
        acked.must_be(&self.ids(table).await?)?;
        let rows = self.warehouse.audit().await.context("read the audit")?;
        let mut counted = (0, 0, 0);
        for row in rows.iter().filter(|row| row.route.as_str() == route) {
            let ledger = row.ledger;
            ensure!(ledger.adds_up(), "{route}: {ledger:?} does not add up");
            counted.0 += ledger.written;
            counted.1 += ledger.filtered;
            counted.2 += ledger.dead;
        }
        let expected = (acked.written.len() as u64, acked.filtered, acked.dead);
        ensure!(counted == expected, "{route}: audit {counted:?}, acknowledged {expected:?}");
        Ok(())
    }

    /// How many dead letters `route` left.
    pub async fn dead_letters(&self, route: &str) -> Result<u64> {
        let name: TableName = "dead_letters".parse()?;
        if !self.warehouse.tables().await?.contains(&name) {
            return Ok(0);
        }
        let sql = format!("SELECT count(*) FROM t WHERE route = '{route}'");
        let batches = self.sql("dead_letters", &sql).await?;
        let count = batches[0].column(0).as_primitive::<arrow::datatypes::Int64Type>().value(0);
        Ok(u64::try_from(count)?)
    }
}
