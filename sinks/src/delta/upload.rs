//! Puts one data file on the store: whole when small, in parts while it grows when large.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures::poll;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStore, ObjectStoreExt};
use tokio::task::JoinSet;

use millrace_events::{Probe, Reservation, Step};

/// Size of every part but the last, and of the largest file sent whole. S3 takes no part below 5
/// MiB.
pub(crate) const PART_BYTES: usize = 8 << 20;

/// A file on its way.
#[derive(Debug)]
pub(crate) struct Upload {
    store: Arc<dyn ObjectStore>,
    probe: Arc<dyn Probe>,
    path: Path,
    parts: Option<Parts>,
}

#[derive(Debug)]
struct Parts {
    upload: Box<dyn MultipartUpload>,
    sending: JoinSet<Result<(), Error>>,
    first: bool,
}

impl Upload {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, probe: Arc<dyn Probe>, path: Path) -> Self {
        Self { store, probe, path, parts: None }
    }

    /// Whether parts are being sent; their memory comes back when they are.
    pub(crate) fn is_sending(&self) -> bool {
        self.parts.as_ref().is_some_and(|p| !p.sending.is_empty())
    }

    /// Sends `part` beside whatever the caller does next; `held` is the memory it takes until sent.
    pub(crate) async fn send(&mut self, part: Bytes, held: Reservation) -> Result<(), Error> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let upload = self.store.put_multipart(&self.path).await?;
                none.insert(Parts { upload, sending: JoinSet::new(), first: true })
            }
        };
        let probe = std::mem::take(&mut parts.first).then(|| self.probe.clone());
        let sent = parts.upload.put_part(part.into());
        parts.sending.spawn(async move {
            let result = sent.await;
            drop(held);
            if let (Some(probe), true) = (probe, result.is_ok()) {
                probe.reached(Step::MidUpload);
            }
            result
        });
        Ok(())
    }

    /// Waits until one of the parts being sent is.
    pub(crate) async fn wait(&mut self) -> Result<(), Error> {
        match &mut self.parts {
            Some(parts) => parts.sending.join_next().await.map_or(Ok(()), joined),
            None => Ok(()),
        }
    }

    /// Sends the rest of the file and completes it.
    pub(crate) async fn finish(mut self, rest: Bytes, mut held: Reservation) -> Result<(), Error> {
        if self.parts.is_none() && rest.len() <= PART_BYTES {
            return put_whole(&self.store, &self.probe, &self.path, rest).await;
        }
        let sent = self.finish_parts(rest, &mut held).await;
        if sent.is_err() {
            self.abort().await;
        }
        sent
    }

    async fn finish_parts(&mut self, rest: Bytes, held: &mut Reservation) -> Result<(), Error> {
        let mut from = 0;
        while from < rest.len() {
            let part = rest.slice(from..rest.len().min(from + PART_BYTES));
            from += part.len();
            let held = held.split(part.len());
            self.send(part, held).await?;
        }
        let parts = self.parts.as_mut().expect("a part was sent");
        while let Some(sent) = parts.sending.join_next().await {
            joined(sent)?;
        }
        parts.upload.complete().await.map(|_| ())
    }

    /// Gives up; what was sent is removed as far as the store lets us.
    pub(crate) async fn abort(mut self) {
        if let Some(parts) = &mut self.parts {
            parts.sending.shutdown().await;
            if let Err(error) = parts.upload.abort().await {
                tracing::debug!(path = %self.path, %error, "parts of an upload stay behind");
            }
        }
    }
}

async fn put_whole(
    store: &Arc<dyn ObjectStore>,
    probe: &Arc<dyn Probe>,
    path: &Path,
    file: Bytes,
) -> Result<(), Error> {
    let mut put = std::pin::pin!(store.put(path, file.into()));
    let done = poll!(put.as_mut());
    // The store has the bytes in its hands and has not answered.
    probe.reached(Step::MidUpload);
    match done {
        Poll::Ready(result) => result.map(|_| ()),
        Poll::Pending => put.await.map(|_| ()),
    }
}

fn joined(sent: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<(), Error> {
    sent.unwrap_or_else(|source| Err(Error::JoinError { source }))
}
