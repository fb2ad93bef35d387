//! Streams come and go while the endpoint serves.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use millrace_events::Budget;
use millrace_spaas::ingest::{IngestSettings, StreamSet, router};
use tower::ServiceExt;

use crate::support::{Log, schema};

#[tokio::test]
async fn a_stream_takes_events_from_its_declaration_until_its_removal() {
    let settings = IngestSettings::new(Budget::new("test", 1 << 20));
    let set = StreamSet::new(&settings.limits, BTreeMap::new());
    let app = router(settings, Arc::new(Log::accepting()), set.clone());
    let schema = schema();
    let uri = format!("/v1/streams/{}/events", schema.name);
    let post = async || {
        let request = Request::post(&uri).header("content-type", "application/x-ndjson");
        let request = request.body(Body::from(r#"{"member":7}"#)).expect("a request");
        app.clone().oneshot(request).await.expect("infallible").status().as_u16()
    };
    assert_eq!(post().await, 404);
    set.replace(BTreeMap::from([(schema.name.clone(), Arc::new(schema))]));
    assert_eq!(post().await, 202);
    set.replace(BTreeMap::new());
    assert_eq!(post().await, 404);
}
