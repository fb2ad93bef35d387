//! Writing files of state to the store.

use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload, WriteMultipart};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::encode::{Encoded, Encoder};
use super::format::TableEntry;
use crate::{CheckpointStore, Frozen, KeyGroups, StateError, StateFile};

/// Up to this much is encoded where the caller runs and put in one piece.
const SMALL: usize = 1 << 20;
/// Pieces on their way from the encoder to the store.
const PIECES: usize = 4;
/// Parts of a file under way to the store at once.
const UPLOADS: usize = 4;

impl CheckpointStore {
    /// Writes what changed in the tables of an instance, by operator id and name of the table, to
    /// `path` (below the prefix, of [`Claim::state_path`](crate::Claim::state_path)). `None`, and
    /// no file, if nothing changed.
    pub async fn write_state_file(
        &self,
        path: &str,
        key_groups: KeyGroups,
        tables: Vec<(String, String, Frozen)>,
    ) -> Result<Option<StateFile>, StateError> {
        let (mut entries, mut changes) = (Vec::new(), Vec::new());
        for (operator, table, frozen) in tables {
            if !frozen.is_empty() {
                entries.push(TableEntry { operator, table, dropped: frozen.dropped().to_vec() });
                changes.push(frozen);
            }
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let size = changes.iter().map(Frozen::bytes).sum();
        let encode = move |send: &mut dyn FnMut(Bytes) -> Result<(), StateError>| {
            let mut send = send;
            let mut encoder = Encoder::new(&entries)?;
            for (table, frozen) in changes.into_iter().enumerate() {
                encoder.add(table, frozen, &mut send)?;
            }
            encoder.finish(&mut send)
        };
        self.put_state(path, key_groups, size, encode).await.map(Some)
    }

    /// Stores what `encode` makes of about `size` bytes of state.
    pub(super) async fn put_state(
        &self,
        path: &str,
        key_groups: KeyGroups,
        size: usize,
        encode: impl Encode + Send + 'static,
    ) -> Result<StateFile, StateError> {
        let Encoded { rows, bytes } = if size <= SMALL {
            self.put_small(path, encode).await?
        } else {
            self.put_large(path, encode).await?
        };
        Ok(StateFile { path: path.into(), rows, bytes, key_groups })
    }

    async fn put_small(&self, path: &str, encode: impl Encode) -> Result<Encoded, StateError> {
        let mut pieces = Vec::new();
        let result = encode(&mut |piece| {
            pieces.push(piece);
            Ok(())
        })?;
        let path = self.path(path);
        let put = self.store().put(&path, PutPayload::from_iter(pieces)).await;
        put.map_err(|e| StateError::store(format!("writing {path}"), e))?;
        Ok(result)
    }

    /// Encodes on a thread of its own while what is ready is uploaded.
    async fn put_large(
        &self,
        path: &str,
        encode: impl Encode + Send + 'static,
    ) -> Result<Encoded, StateError> {
        let path = self.path(path);
        let failed = |e| StateError::store(format!("writing {path}"), e);
        let (sender, pieces) = mpsc::channel(PIECES);
        let encoding = spawn_blocking(move || {
            encode(&mut |piece| {
                let gone = |_| StateError::store("encoding state", "the upload failed");
                sender.blocking_send(piece).map_err(gone)
            })
        });
        let upload = self.store().put_multipart(&path).await.map_err(failed)?;
        let uploaded = upload_all(upload, pieces).await;
        let encoded = encoding.await.map_err(|e| StateError::store("encoding state", e))?;
        let writer = uploaded.map_err(failed)?;
        match encoded {
            Ok(result) => writer.finish().await.map_err(failed).map(|_| result),
            Err(error) => {
                if let Err(left) = writer.abort().await {
                    tracing::warn!(%path, error = %left, "an upload could not be taken back");
                }
                Err(error)
            }
        }
    }
}

/// Encodes a file: gives it away piece by piece.
pub(super) trait Encode:
    FnOnce(&mut dyn FnMut(Bytes) -> Result<(), StateError>) -> Result<Encoded, StateError>
{
}

impl<F> Encode for F where
    F: FnOnce(&mut dyn FnMut(Bytes) -> Result<(), StateError>) -> Result<Encoded, StateError>
{
}

async fn upload_all(
    upload: Box<dyn MultipartUpload>,
    mut pieces: mpsc::Receiver<Bytes>,
) -> object_store::Result<WriteMultipart> {
    let mut writer = WriteMultipart::new(upload);
    while let Some(piece) = pieces.recv().await {
        writer.wait_for_capacity(UPLOADS).await?;
        writer.put(piece);
    }
    Ok(writer)
}
