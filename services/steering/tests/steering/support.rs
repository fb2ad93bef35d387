//! Fleets for tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use millrace_events::Clock;
use millrace_http::server;
use millrace_steering::api::{Admin, ApiSettings, Parts, router};
use millrace_steering::feeds::{Desk, Freshness};
use millrace_steering::fleet::{AsnTable, Draft, Position, Report};
use millrace_steering::sign::SigningKey;

/// Files of real ranges of addresses.
pub(crate) fn asn_files() -> Vec<PathBuf> {
    let data = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../jobs/data/ip-asn"));
    ["asn-ipv4.csv.gz", "asn-ipv6.csv.gz"].map(|file| data.join(file)).into()
}

/// A report of an appliance that may serve.
pub(crate) fn report(asn: u32, degrees: (f64, f64)) -> Report {
    Report {
        healthy: true,
        score: Some(1.0),
        headroom_mbps: 5_000.0,
        capacity_mbps: Some(10_000.0),
        site: Some("a site".into()),
        asn: Some(asn),
        country: Some("NL".into()),
        position: Position::new(degrees.0, degrees.1),
        base_url: Some("https://oca.example".into()),
        last_report_ms: Some(1_000),
    }
}

/// A fleet without ranges of addresses that asks for any headroom at all.
pub(crate) fn draft() -> Draft {
    Draft::new(Arc::new(AsnTable::default()), 0.0)
}

/// Time that stands still until it is told otherwise.
#[derive(Debug, Default)]
pub(crate) struct StillClock(pub(crate) AtomicI64);

impl Clock for StillClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

pub(crate) const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// The time of tests: reports of [`report`] are 500 ms old then.
pub(crate) const NOW_MS: i64 = 1_500;

/// A service over HTTP without feeds, on a port of its own.
pub(crate) struct Site {
    pub(crate) desk: Arc<Desk>,
    pub(crate) clock: Arc<StillClock>,
    pub(crate) url: String,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Site {
    pub(crate) async fn start(admin: Admin, settings: ApiSettings) -> Self {
        let desk = Arc::new(Desk::new(Arc::default(), 100.0));
        let fresh = Freshness { heard_ms: Some(NOW_MS), exists: true };
        desk.set_freshness(fresh);
        let clock = Arc::new(StillClock(AtomicI64::new(NOW_MS)));
        let app = router(Parts {
            desk: Arc::clone(&desk),
            feeds: None,
            key: SigningKey::new(KEY).unwrap(),
            admin,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            settings,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(server::serve(listener, app, stop.clone()));
        Self { desk, clock, url, stop, serving }
    }

    /// A fleet of three appliances of AS 1 that hold `film`; `oca-0` announces 198.51.100.0/24.
    pub(crate) fn fill(&self) {
        let mut draft = self.desk.draft();
        for no in 0..3 {
            let id = format!("oca-{no}");
            let base_url = Some(format!("https://{id}.example/oca").into());
            draft.report(&id, Some(Report { base_url, ..report(1, (0.0, 0.0)) })).unwrap();
            draft.add_file(&id, "film").unwrap();
        }
        draft.announce("oca-0", "198.51.100.0/24".parse().unwrap()).unwrap();
        drop(draft);
        assert!(self.desk.publish());
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.serving.join_next().await.is_some() {}
    }
}
