//! A session that reaches the tables handed to it and nothing else.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::catalog::memory::{MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::catalog::{CatalogProvider, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::object_store::ObjectStore;
use datafusion::prelude::SessionConfig;
use url::Url;

use super::guard::UNBOUNDED;

/// The name tables may be given before their schema: `millrace.raw.playback`.
pub(crate) const CATALOG: &str = "millrace";
/// Schema of tables with a one-part name.
pub(crate) const SCHEMA: &str = "public";

/// A table under the schema and name it is asked for.
pub(crate) struct Opened {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) provider: Arc<dyn TableProvider>,
}

/// A fresh session over `tables`, charging `pool`.
pub(crate) fn state(
    tables: Vec<Opened>,
    pool: Arc<dyn MemoryPool>,
) -> Result<SessionState, DataFusionError> {
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .with_disk_manager_builder(disk)
        .with_object_store_registry(Arc::new(TableStores::default()))
        .build_arc()?;
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    options.execution.enable_recursive_ctes = false;

    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features();
    // Table functions, file formats and table factories are how SQL reaches files.
    *builder.table_functions() = None;
    *builder.file_formats() = None;
    *builder.table_factories() = None;
    if let Some(functions) = builder.scalar_functions() {
        functions.retain(|f| {
            let named = |n: &str| UNBOUNDED.contains(&n);
            !named(f.name()) && !f.aliases().iter().any(|n| named(n))
        });
    }
    let state = builder.build();
    let catalog = MemoryCatalogProvider::new();
    for Opened { schema, name, provider } in tables {
        if catalog.schema(&schema).is_none() {
            catalog.register_schema(&schema, Arc::new(MemorySchemaProvider::new()))?;
        }
        if let Some(schema) = catalog.schema(&schema) {
            schema.register_table(name, provider)?;
        }
    }
    state.catalog_list().register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    Ok(state)
}

/// Object stores the opened tables bring along. Unlike DataFusion's registry it starts empty: there
/// is no local file system in it, and none is made up for an address nobody registered.
#[derive(Default)]
struct TableStores(Mutex<HashMap<String, Arc<dyn ObjectStore>>>);

impl TableStores {
    fn key(url: &Url) -> String {
        format!("{}://{}", url.scheme(), url.authority())
    }
}

impl fmt::Debug for TableStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TableStores")
    }
}

impl ObjectStoreRegistry for TableStores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stores.insert(Self::key(url), store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>, DataFusionError> {
        let stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stores.get(&Self::key(url)).cloned().ok_or_else(|| {
            DataFusionError::Internal(format!("no object store for {}", Self::key(url)))
        })
    }
}
