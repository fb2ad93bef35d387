//! A database of its own for every test.

use std::error::Error;

use sqlx::{AnyPool, AssertSqlSafe};
use tempfile::TempDir;
use uuid::Uuid;

use millrace_control::store::Store;

/// Where the URL of a PostgreSQL server is that tests may make databases in.
const POSTGRES: &str = "MILLRACE_TEST_POSTGRES";

pub(crate) type Tested = Result<(), Box<dyn Error>>;

/// An empty database.
pub(crate) struct Database {
    pub(crate) url: String,
    folder: Option<TempDir>,
}

impl Database {
    pub(crate) fn sqlite() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite:{}/goals.db?mode=rwc", folder.path().display());
        Ok(Self { url, folder: Some(folder) })
    }

    /// `None`, and a word about it, where no server is given.
    pub(crate) async fn postgres() -> Result<Option<Self>, Box<dyn Error>> {
        let Ok(server) = std::env::var(POSTGRES) else {
            println!("{POSTGRES} is not set: on SQLite only");
            return Ok(None);
        };
        sqlx::any::install_default_drivers();
        let name = format!("t_{}", Uuid::new_v4().simple());
        let pool = AnyPool::connect(&server).await?;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await?;
        pool.close().await;
        let (base, _) = server.rsplit_once('/').ok_or("the URL names no database")?;
        Ok(Some(Self { url: format!("{base}/{name}"), folder: None }))
    }

    /// Of a server: takes up no more room there.
    pub(crate) async fn remove(&self) -> Tested {
        let (server, name) = (std::env::var(POSTGRES)?, self.url.rsplit('/').next());
        let drop = format!("DROP DATABASE {} WITH (FORCE)", name.ok_or("a name")?);
        let pool = AnyPool::connect(&server).await?;
        sqlx::query(AssertSqlSafe(drop)).execute(&pool).await?;
        Ok(())
    }

    pub(crate) async fn open(&self) -> Result<Store, Box<dyn Error>> {
        Ok(Store::open_at(&self.url, 1).await?)
    }

    /// Past the store, to damage it or to look at it.
    pub(crate) async fn raw(&self) -> Result<AnyPool, Box<dyn Error>> {
        sqlx::any::install_default_drivers();
        Ok(AnyPool::connect(&self.url).await?)
    }

    /// The file's path; `None` on a server.
    pub(crate) fn file(&self) -> Option<std::path::PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join("goals.db"))
    }
}

/// Makes of each function a test on either database.
macro_rules! on_every_database {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> crate::database::Tested {
                super::$name(&crate::database::Database::sqlite()?).await
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> crate::database::Tested {
                let Some(database) = crate::database::Database::postgres().await? else {
                    return Ok(());
                };
                let tested = super::$name(&database).await;
                database.remove().await?;
                tested
            })+
        }
    };
}
pub(crate) use on_every_database;
