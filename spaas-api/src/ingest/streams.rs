//! The streams that take events now; they may be replaced while requests are served.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use millrace_events::{StreamName, StreamSchema};

use super::door::Door;
use super::settings::IngestLimits;

/// One stream, ready to take events.
pub(super) struct Stream {
    pub(super) name: StreamName,
    /// Never given to another stream, so that rates of clients can be kept by it.
    pub(super) number: usize,
    pub(super) door: Arc<Door>,
    schema: Arc<StreamSchema>,
}

type ByName = HashMap<String, Arc<Stream>>;

/// A set of streams, shared by whoever declares them and the endpoint.
#[derive(Clone)]
pub struct StreamSet(Arc<Shared>);

struct Shared {
    max_depth: usize,
    numbers: AtomicUsize,
    current: RwLock<Arc<ByName>>,
}

impl std::fmt::Debug for StreamSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.current().keys()).finish()
    }
}

impl StreamSet {
    /// A set of `streams`, whose events may nest as deep as `limits` say.
    pub fn new(limits: &IngestLimits, streams: BTreeMap<StreamName, Arc<StreamSchema>>) -> Self {
        let set = Self(Arc::new(Shared {
            max_depth: limits.max_depth,
            numbers: AtomicUsize::new(0),
            current: RwLock::default(),
        }));
        set.replace(streams);
        set
    }

    /// Takes these streams from the next request on; requests under way end with what they began.
    pub fn replace(&self, streams: BTreeMap<StreamName, Arc<StreamSchema>>) {
        let before = self.current();
        let stream = |(name, schema): (StreamName, Arc<StreamSchema>)| {
            let known = before.get(name.as_str());
            let stream = match known {
                Some(known) if known.schema == schema => Arc::clone(known),
                known => Arc::new(Stream {
                    number: known.map_or_else(|| self.next_number(), |known| known.number),
                    door: Arc::new(Door::new(&schema, self.0.max_depth)),
                    name: name.clone(),
                    schema,
                }),
            };
            (name.as_str().to_owned(), stream)
        };
        let next = Arc::new(streams.into_iter().map(stream).collect());
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn next_number(&self) -> usize {
        self.0.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn current(&self) -> Arc<ByName> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}
