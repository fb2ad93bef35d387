//! An object store in memory that fails as a seed says: requests are lost, or their answers are.

use std::fmt;
use std::sync::Mutex;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// One request in so many fails.
const FAULTS: u32 = 25;

/// See above. Lists and deletions do not fail: what they do is tried again by the next checkpoint.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: InMemory,
    rng: Mutex<StdRng>,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Lost,
    Unanswered,
}

impl FaultyStore {
    pub(crate) fn new(seed: u64) -> Self {
        Self { inner: InMemory::new(), rng: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    fn fault(&self) -> Fault {
        let mut rng = self.rng.lock().expect("nobody panics with it");
        match (rng.random_ratio(1, FAULTS), rng.random_bool(0.5)) {
            (false, _) => Fault::None,
            (true, false) => Fault::Lost,
            (true, true) => Fault::Unanswered,
        }
    }
}

fn reset() -> Error {
    Error::Generic { store: "faulty", source: "connection reset".into() }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty store")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, to: &Path, what: PutPayload, how: PutOptions) -> Result<PutResult> {
        match self.fault() {
            Fault::None => self.inner.put_opts(to, what, how).await,
            Fault::Lost => Err(reset()),
            Fault::Unanswered => {
                self.inner.put_opts(to, what, how).await?;
                Err(reset())
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(to, how).await
    }

    async fn get_opts(&self, from: &Path, how: GetOptions) -> Result<GetResult> {
        match self.fault() {
            Fault::None => self.inner.get_opts(from, how).await,
            Fault::Lost | Fault::Unanswered => Err(reset()),
        }
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, how).await
    }
}
