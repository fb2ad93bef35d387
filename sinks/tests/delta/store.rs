//! An object store that fails on demand, before or after doing what it was asked.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// How a put goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is written.
    Before,
    /// It is written, and the answer is a timeout.
    After,
    /// It is written, and then found to exist: a client retried for us.
    Exists,
}

struct Rule {
    path: &'static str,
    fault: Fault,
    times: usize,
    /// What others do before the caller hears of the fault.
    then: Option<BoxFuture<'static, ()>>,
}

/// Faults to come.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Vec<Rule>>>);

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}

impl Faults {
    /// The next `times` puts to a path that holds `path` go wrong.
    pub(crate) fn add(&self, path: &'static str, fault: Fault, times: usize) {
        self.0.lock().expect("unpoisoned").push(Rule { path, fault, times, then: None });
    }

    /// The next such put goes wrong after `then` happened.
    pub(crate) fn add_then(&self, path: &'static str, fault: Fault, then: BoxFuture<'static, ()>) {
        self.0.lock().expect("unpoisoned").push(Rule { path, fault, times: 1, then: Some(then) });
    }

    /// No more faults.
    pub(crate) fn clear(&self) {
        self.0.lock().expect("unpoisoned").clear();
    }

    /// Whether every fault happened.
    pub(crate) fn are_spent(&self) -> bool {
        self.0.lock().expect("unpoisoned").is_empty()
    }

    /// A store with these faults over `inner`.
    pub(crate) fn over(&self, inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(Faulty { inner, faults: self.clone() })
    }

    fn next(&self, path: &Path) -> Option<(Fault, Option<BoxFuture<'static, ()>>)> {
        let mut rules = self.0.lock().expect("unpoisoned");
        let found = rules.iter().position(|r| path.as_ref().contains(r.path))?;
        let rule = &mut rules[found];
        rule.times -= 1;
        let (fault, then) = (rule.fault, rule.then.take());
        if rule.times == 0 {
            rules.remove(found);
        }
        Some((fault, then))
    }
}

fn timeout() -> Error {
    Error::Generic { store: "test", source: "timed out".into() }
}

async fn outcome(fault: Fault, then: Option<BoxFuture<'static, ()>>, path: &Path) -> Error {
    if let Some(then) = then {
        then.await;
    }
    match fault {
        Fault::Before | Fault::After => timeout(),
        Fault::Exists => Error::AlreadyExists { path: path.to_string(), source: "exists".into() },
    }
}

#[derive(Debug)]
struct Faulty {
    inner: Arc<dyn ObjectStore>,
    faults: Faults,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let Some((fault, then)) = self.faults.next(path) else {
            return self.inner.put_opts(path, payload, options).await;
        };
        if fault != Fault::Before {
            self.inner.put_opts(path, payload, options).await?;
        }
        Err(outcome(fault, then, path).await)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(path, options).await?;
        let (path, faults) = (path.clone(), self.faults.clone());
        Ok(Box::new(FaultyUpload { upload, path, faults, parts: 0 }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
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

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Its first part is sent, then faults strike.
#[derive(Debug)]
struct FaultyUpload {
    upload: Box<dyn MultipartUpload>,
    path: Path,
    faults: Faults,
    parts: usize,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts += 1;
        if self.parts > 1 && self.faults.next(&self.path).is_some() {
            return Box::pin(async { Err(timeout()) });
        }
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
