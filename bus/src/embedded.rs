//! A Kafka-protocol broker inside this process, on a local folder.
//!
//! ```text
//!  listener ─► routes ─┬► requests: produce, fetch, offsets, producer ids ─► store ─► log (files)
//!                      ├► coordinator: join, sync, heartbeat, leave ──────► group (memory)
//!                      └► tansu: topics, metadata, group offsets ─────────► slatedb
//! ```
//!
//! tansu speaks the protocol. Records and group members are not left to it: its stores lose records
//! when reading starts inside a batch, its coordinator loses members. See `docs/decisions/0001`.
//!
//! A topic's configuration is kept and told, but nothing is done about it yet: no record is
//! compacted away or deleted for its age.

mod batch;
mod coordinator;
mod group;
mod listener;
mod log;
mod producers;
mod requests;
mod routes;
mod store;
mod topics;

use std::fs::{File, TryLockError};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use slatedb::object_store::local::LocalFileSystem;
use tansu_storage::slate::Engine;
use tansu_storage::{BrokerRegistrationRequest, Storage as _, StorageContainer};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::BusError;

use coordinator::Groups;
use store::Store;

/// Threads of the broker's own runtime: a consumer that blocks the caller's threads cannot stall
/// it.
const THREADS: usize = 2;
/// A write is acknowledged after the flush that made it durable; flushes are this far apart.
const FLUSH_EVERY: Duration = Duration::from_millis(5);

/// A running broker.
///
/// It has its own runtime. [`stop`](Self::stop) closes connections, then the store, then the lock
/// on the folder is released. Dropping it instead is a crash as far as the store is concerned:
/// everything acknowledged is there at the next start.
pub struct EmbeddedBroker {
    address: SocketAddr,
    stopping: CancellationToken,
    serving: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
    _lock: File,
}

impl EmbeddedBroker {
    /// Starts on `dir`, which is created if need be, and listens on `listen`; port 0 picks a free
    /// one.
    pub async fn start(dir: &Path, listen: SocketAddr) -> Result<Self, BusError> {
        let lock = lock(dir)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("millrace-broker")
            .enable_all()
            .build()
            .map_err(|e| BusError::fatal("start the embedded broker's threads", e))?;
        let stopping = CancellationToken::new();
        let opening = runtime.spawn(open(dir.to_owned(), listen, stopping.clone()));
        let opened = opening.await.map_err(|e| BusError::fatal("start the embedded broker", e))?;
        let (address, serve) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let serving = Some(runtime.spawn(serve));
        Ok(Self { address, stopping, serving, runtime: Some(runtime), _lock: lock })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes connections and the store. Unacknowledged requests get no answer.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        if let Some(serving) = self.serving.take()
            && let Err(error) = serving.await
        {
            tracing::warn!(target: "broker", %error, "the embedded broker did not stop cleanly");
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.stopping.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Keeps a second broker out of the folder.
fn lock(dir: &Path) -> Result<File, BusError> {
    let what = || format!("open the broker's folder {}", dir.display());
    std::fs::create_dir_all(dir).map_err(|e| BusError::fatal(what(), e))?;
    let file = File::create(dir.join("lock")).map_err(|e| BusError::fatal(what(), e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BusError::refused(format!(
            "{} is in use by another embedded broker; stop it or choose another folder",
            dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(BusError::fatal(what(), error)),
    }
}

type Serve = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn open(
    dir: PathBuf,
    listen: SocketAddr,
    stopping: CancellationToken,
) -> Result<(SocketAddr, Serve), BusError> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|e| BusError::refused(format!("cannot listen on {listen}: {e}")))?;
    let address =
        listener.local_addr().map_err(|e| BusError::fatal("ask for the broker's address", e))?;
    let what = || format!("open the broker's store in {}", dir.display());
    let store = LocalFileSystem::new_with_prefix(&dir).map_err(|e| BusError::fatal(what(), e))?;
    let settings =
        slatedb::config::Settings { flush_interval: Some(FLUSH_EVERY), ..Default::default() };
    let db = slatedb::Db::builder("meta", Arc::new(store))
        .with_settings(settings)
        .build()
        .await
        .map_err(|e| BusError::fatal(what(), e))?;
    let db = Arc::new(db);
    let engine = Engine::builder()
        .cluster(listener::CLUSTER)
        .node(listener::NODE)
        .advertised_listener(advertised(address))
        .db(Arc::clone(&db))
        .build();
    let registration = BrokerRegistrationRequest {
        broker_id: listener::NODE,
        cluster_id: listener::CLUSTER.to_owned(),
        incarnation_id: uuid::Uuid::new_v4(),
        rack: None,
    };
    engine.register_broker(registration).await.map_err(|e| BusError::fatal(what(), e))?;
    let store = Store::open(engine.clone(), &dir.join("logs"));
    let store = Arc::new(store.map_err(|e| BusError::fatal(what(), e))?);
    let tansu = StorageContainer::Slate(engine);
    let groups = Groups::new(tansu.clone());
    let routes = routes::routes(store, &tansu, groups).map_err(|e| BusError::fatal(what(), e))?;
    let serve = async move {
        listener::serve(listener, routes, stopping).await;
        if let Err(error) = db.close().await {
            tracing::warn!(target: "broker", %error, "the broker's store was not closed cleanly");
        }
    };
    Ok((address, Box::pin(serve)))
}

/// Where clients are told to connect: a listener on every address is reached through loopback.
fn advertised(address: SocketAddr) -> Url {
    let host =
        if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    let url = format!("tcp://{}", SocketAddr::new(host, address.port()));
    url.parse().expect("a socket address makes a URL")
}
