//! Streams and routes as they are declared at this moment: for the ingest endpoint and the router.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use millrace_control::admission::Admission;
use millrace_control::reconcile::BuiltInWork;
use millrace_control::store::Store;
use millrace_control::worker::{RouterWork, Work};
use millrace_spaas::ingest::StreamSet;
use millrace_spec::load_texts;

use crate::manifests::Compiler;

/// Keeps both up to date.
pub(crate) struct Declared {
    pub(crate) store: Store,
    pub(crate) admission: Arc<Admission>,
    pub(crate) streams: StreamSet,
    /// What the router is to do; nothing while there are no routes.
    pub(crate) router: watch::Sender<Option<BuiltInWork>>,
    /// Memory of the router in bytes.
    pub(crate) memory_bytes: u64,
}

impl Declared {
    /// Follows the store until `stop`. The first look is over when this is first polled to a wait.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        let mut changed = self.store.changed();
        loop {
            changed.mark_unchanged();
            if let Err(error) = self.look().await {
                warn!(%error, "streams and routes stay as they were");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                result = changed.changed() => if result.is_err() { return },
            }
        }
    }

    async fn look(&self) -> anyhow::Result<()> {
        let work = self.admission.data_path().await?;
        self.streams.replace(streams(&work)?);
        let wanted = has_routes(&work)
            .then_some(BuiltInWork { work: Work::Router(work), memory_bytes: self.memory_bytes });
        self.router.send_if_modified(|current| {
            let differs = *current != wanted;
            if differs {
                *current = wanted;
            }
            differs
        });
        Ok(())
    }
}

type Streams = BTreeMap<millrace_events::StreamName, Arc<millrace_events::StreamSchema>>;

fn streams(work: &RouterWork) -> anyhow::Result<Streams> {
    let text = |(n, text): (usize, &String)| (PathBuf::from(format!("declared/{n}")), text.clone());
    let texts: Vec<_> = work.documents.iter().enumerate().map(text).collect();
    let manifests = load_texts(&texts, &Compiler).map_err(|mistakes| {
        let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
        anyhow::anyhow!("what is declared cannot be read: {first}")
    })?;
    Ok(manifests.streams)
}

fn has_routes(work: &RouterWork) -> bool {
    work.documents.iter().any(|text| {
        let document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        document["kind"] == "Route"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_is_wanted_once_there_is_a_route() {
        let stream = r#"{"kind":"Stream","metadata":{"name":"s"},"spec":{"format":"json",
            "columns":[{"name":"id","type":"string"}]}}"#;
        let route = r#"{"kind":"Route","metadata":{"name":"r"},"spec":{"from":"s",
            "to":{"table":"raw.r"}}}"#;
        let work = |texts: &[&str]| RouterWork {
            documents: texts.iter().map(ToString::to_string).collect(),
        };
        assert!(!has_routes(&work(&[stream])));
        assert!(has_routes(&work(&[stream, route])));
        let declared = streams(&work(&[stream, route])).unwrap();
        assert_eq!(declared.keys().map(ToString::to_string).collect::<Vec<_>>(), ["s"]);
    }
}
