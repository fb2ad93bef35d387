//! Opens the object store a warehouse lives in and finds its tables there.

use std::sync::Arc;

use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use futures::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use url::Url;

use millrace_events::TableName;

use super::settings::WarehouseSettings;
use crate::SinkError;

/// Folder of a table's log.
pub(crate) const LOG: &str = "_delta_log";

/// The store, decorated, and the warehouse's place in it.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Ends with a slash.
    url: Url,
}

/// One table's place.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) table: TableName,
    /// Paths are relative to the table's folder.
    pub(crate) store: Arc<dyn ObjectStore>,
    root: Arc<dyn ObjectStore>,
    url: Url,
}

impl Place {
    /// The table as deltalake sees it, through the same decorated store.
    pub(crate) fn log_store(&self) -> LogStoreRef {
        let options = StorageConfig::default();
        default_logstore(self.store.clone(), self.root.clone(), &self.url, &options)
    }
}

impl Root {
    pub(crate) async fn open(settings: &WarehouseSettings) -> Result<Self, SinkError> {
        let (store, prefix, url) = match settings.url.scheme() {
            "file" => local(settings).await?,
            "s3" | "s3a" => s3(settings)?,
            other => return Err(refuse(settings, format!("`{other}` is neither file nor s3"))),
        };
        let store = match &settings.wrap {
            Some(wrap) => wrap(store),
            None => store,
        };
        Ok(Self { store, prefix, url })
    }

    pub(crate) fn place(&self, table: &TableName) -> Place {
        let (schema, name) = table.parts();
        let prefix = self.prefix.clone().join(schema).join(name);
        // Table names hold only characters that need no escape in a URL.
        let url = self.url.join(&format!("{schema}/{name}/")).expect("table names are URL-safe");
        let store = Arc::new(PrefixStore::new(self.store.clone(), prefix));
        Place { table: table.clone(), store, root: self.store.clone(), url }
    }

    /// A folder beside the tables.
    pub(crate) fn folder(&self, name: &str) -> (Arc<dyn ObjectStore>, Path) {
        let parts = name.split('/').filter(|part| !part.is_empty());
        (self.store.clone(), parts.fold(self.prefix.clone(), Path::join))
    }

    /// Every folder `<schema>/<table>` that holds a Delta log, sorted by name.
    pub(crate) async fn tables(&self) -> Result<Vec<TableName>, SinkError> {
        let mut tables = Vec::new();
        for schema in self.folders(&self.prefix).await? {
            for table in self.folders(&schema).await? {
                let (Some(s), Some(t)) = (schema.filename(), table.filename()) else { continue };
                let name = if s == "public" { t.to_owned() } else { format!("{s}.{t}") };
                let Ok(name) = name.parse::<TableName>() else { continue };
                let mut log = self.store.list(Some(&table.clone().join(LOG)));
                if found(log.try_next().await)
                    .map_err(|e| failed("list tables", e))?
                    .flatten()
                    .is_some()
                {
                    tables.push(name);
                }
            }
        }
        tables.sort();
        Ok(tables)
    }

    async fn folders(&self, under: &Path) -> Result<Vec<Path>, SinkError> {
        let listed = self.store.list_with_delimiter(Some(under)).await;
        let listed = found(listed).map_err(|e| failed("list tables", e))?;
        Ok(listed.map(|l| l.common_prefixes).unwrap_or_default())
    }
}

async fn local(settings: &WarehouseSettings) -> Result<Opened, SinkError> {
    let url = &settings.url;
    let folder =
        url.to_file_path().map_err(|()| refuse(settings, "not a folder on this machine"))?;
    let made = async {
        tokio::fs::create_dir_all(&folder).await?;
        tokio::fs::canonicalize(&folder).await
    };
    let folder = made.await.map_err(|e| SinkError::retry(format!("open folder {url}"), e))?;
    let prefix = Path::from_absolute_path(&folder).map_err(|e| refuse(settings, e))?;
    let url = Url::from_directory_path(&folder).map_err(|()| refuse(settings, "not absolute"))?;
    Ok((Arc::new(LocalFileSystem::new()), prefix, url))
}

type Opened = (Arc<dyn ObjectStore>, Path, Url);

fn s3(settings: &WarehouseSettings) -> Result<Opened, SinkError> {
    let mut builder = AmazonS3Builder::from_env().with_url(settings.url.as_str());
    for (key, value) in &settings.options {
        let key: AmazonS3ConfigKey =
            key.parse().map_err(|_| refuse(settings, format!("unknown option `{key}`")))?;
        builder = builder.with_config(key, value);
    }
    let store = builder.build().map_err(|e| refuse(settings, e))?;
    let prefix = Path::from_url_path(settings.url.path()).map_err(|e| refuse(settings, e))?;
    let mut url = settings.url.clone();
    url.set_path(&format!("{}/", url.path().trim_end_matches('/')));
    Ok((Arc::new(store), prefix, url))
}

fn refuse(settings: &WarehouseSettings, why: impl std::fmt::Display) -> SinkError {
    SinkError::Rejected { what: format!("cannot keep tables at {}: {why}", settings.url) }
}

/// `None` when the object is not there.
pub(crate) fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The bytes at `path`, `None` when it is not there.
pub(crate) async fn read(
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<Option<bytes::Bytes>, Error> {
    match found(store.get(path).await)? {
        Some(object) => found(object.bytes().await),
        None => Ok(None),
    }
}

/// Whether trying again cannot help.
pub(crate) fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::InvalidPath { .. }
            | Error::UnknownConfigurationKey { .. }
    )
}

/// A store's failure as a sink's.
pub(crate) fn failed(what: impl Into<String>, error: Error) -> SinkError {
    let what = what.into();
    if is_final(&error) {
        SinkError::Rejected { what: format!("{what}: {error}") }
    } else {
        SinkError::retry(what, error)
    }
}
