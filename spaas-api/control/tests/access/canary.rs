//! No secret is anywhere but where it was handed out.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::any;
use http_body_util::BodyExt;
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;

use millrace_control::access::{Access, protect};
use millrace_control::model::Role;
use millrace_control::store::Store;
use millrace_events::SystemClock;

use crate::support::{Tested, bearer, role};

/// What a body and a query string hold.
const CANARY: &str = "canary7f3a";

/// All that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_logged_stored_or_answered() -> Tested {
    let log = Log::default();
    // For all threads: the database has its own.
    tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .try_init()
        .map_err(|e| e.to_string())?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("goals.db");
    let url = format!("sqlite:{}?mode=rwc", file.display());
    let store = Store::open(&url).await?;
    let access = Access::new(store.clone(), Arc::new(SystemClock::default()));
    let token = access.create_token("ci", role("a", Role::Viewer), None).await?;
    let gone = access.create_token("gone", role("a", Role::Viewer), None).await?;
    store.remove_token(gone.text.id()).await?;

    let mut seen = vec![format!("{store:?} {access:?} {token:?} {gone:?}")];
    seen.push(format!("{:?}", store.token_by_id(token.text.id()).await?));
    let app = Router::new().fallback(any(async || "fine"));
    let app = protect(app, access.clone(), &[]);
    let texts = [token.text.reveal(), gone.text.reveal()];
    for (method, text) in ["GET", "PUT"].into_iter().flat_map(|m| texts.iter().map(move |t| (m, t)))
    {
        // Also where it does not belong: in the path and in the query.
        let uri = format!("/v1/{text}?token={text}&reason={text}&x={CANARY}");
        let mut request = Request::builder().method(method).uri(uri).body(Body::from(CANARY))?;
        *request.headers_mut() = bearer(text);
        let answer = app.clone().oneshot(request).await?;
        seen.push(format!("{:?}", answer.headers()));
        seen.push(String::from_utf8(answer.into_body().collect().await?.to_bytes().to_vec())?);
    }
    let audit = store.audit(0, 100).await?;
    assert_eq!(audit.len(), 3, "two changes, and a refused look");
    seen.push(format!("{audit:?}"));
    let admin = folder.path().join("admin.token");
    seen.push(format!("{:?}", access.ensure_admin(&admin).await?));
    let admin_text = std::fs::read_to_string(&admin)?.trim().to_owned();
    store.close().await;
    std::fs::remove_file(&admin)?;
    for entry in std::fs::read_dir(folder.path())? {
        seen.push(String::from_utf8_lossy(&std::fs::read(entry?.path())?).into_owned());
    }
    let logged = log.text();
    assert!(logged.contains("SELECT"), "statements are logged at this level:\n{logged}");
    seen.push(logged);
    let seen = seen.concat();
    for text in texts.iter().chain([&admin_text]) {
        let secret = text.rsplit('_').next().ok_or("a secret")?;
        assert_eq!(secret.len(), 64);
        assert!(!seen.contains(secret), "a secret is in:\n{seen}");
    }
    assert!(!seen.contains(CANARY), "what was sent is in:\n{seen}");
    Ok(())
}
