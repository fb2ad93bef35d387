//! What ends a server: SIGTERM, or Ctrl-C.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What ends a server.
pub(crate) struct Signals {
    term: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listening comes first, so that a signal during the start ends it in order as well.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let (term, interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { term, interrupt })
    }

    /// Returns when one came.
    pub(crate) async fn came(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
