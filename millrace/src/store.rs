//! The tables: where they are, how they are opened, and the table `audit` made of their ledgers.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use url::Url;

use millrace_events::{Probe, TableName};
use millrace_sinks::{Warehouse, WarehouseSettings};
use millrace_spaas::sql::{SourceError, TableSource};

use crate::audit;
use crate::cli::StoreArgs;

/// Environment variables every S3 client understands, and what the object store calls them.
const AWS: [&str; 8] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ALLOW_HTTP",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
];

/// The URL the tables are under.
pub(crate) fn url(args: &StoreArgs) -> anyhow::Result<Url> {
    if let Some(url) = &args.store {
        return Ok(url.clone());
    }
    let folder = std::path::absolute(args.data.join("tables"))
        .with_context(|| format!("the data folder {}", args.data.display()))?;
    Url::from_directory_path(&folder)
        .map_err(|()| anyhow::anyhow!("{} cannot be written as a URL", folder.display()))
}

/// Opens the tables `args` name.
pub(crate) async fn open(args: &StoreArgs, probe: Arc<dyn Probe>) -> anyhow::Result<Warehouse> {
    let url = url(args)?;
    let options: BTreeMap<String, String> = AWS
        .iter()
        .filter_map(|name| Some((name.to_lowercase(), std::env::var(name).ok()?)))
        .collect();
    let what = format!("the tables at {url}");
    let settings = WarehouseSettings { options, probe, ..WarehouseSettings::at(url) };
    Warehouse::open(settings).await.context(what)
}

/// Name of the table made of every ledger.
pub(crate) fn audit_table() -> TableName {
    "audit".parse().expect("a valid name")
}

/// The tables as SQL sees them.
#[derive(Debug, Clone)]
pub(crate) struct Tables(pub(crate) Warehouse);

#[async_trait]
impl TableSource for Tables {
    async fn tables(&self) -> Result<Vec<TableName>, SourceError> {
        let mut tables = self.0.tables().await?;
        // The ledger of sinks that hold none is seen through `audit`.
        tables.retain(|t| t.parts().0 != "system");
        tables.push(audit_table());
        tables.sort();
        Ok(tables)
    }

    async fn open(&self, name: &TableName) -> Result<Arc<dyn TableProvider>, SourceError> {
        if *name == audit_table() {
            let rows = self.0.audit().await?;
            let batch = audit::batch(&rows);
            let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
            return Ok(Arc::new(table));
        }
        Ok(self.0.provider(name).await?)
    }
}
