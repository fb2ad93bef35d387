//! What a commit of the data path does to ledgers of (route, partition).

use super::commit::{Change, Next};
use super::decide::{Standing, Verdict, decide};
use super::ledgers::LedgerKey;
use super::log::LogState;
use crate::{Ledger, SinkError};

/// What a commit does to ledgers.
#[derive(Debug, Clone)]
pub(crate) enum Want {
    /// Take ownership: each epoch becomes one more than the table's, whatever that is.
    Claim(Vec<LedgerKey>),
    /// Move ledgers from what they are believed to be to what they become.
    Move(Vec<(LedgerKey, Ledger, Ledger)>),
}

/// Ledgers as a commit leaves them.
pub(crate) type Ledgers = Vec<(LedgerKey, Ledger)>;

impl Change for Want {
    type Outcome = Ledgers;

    fn next(&self, visible: bool, state: Option<&LogState>) -> Next<Ledgers> {
        let standings = self.standings(state);
        let checked = match self {
            // A claim expects nothing of the ledgers it raises.
            Self::Claim(_) => &[][..],
            Self::Move(_) => &standings[..],
        };
        match decide(visible, state.map(|s| s.version), checked) {
            Verdict::AlreadyDone => Next::Done(pairs(&standings)),
            Verdict::Put { version } => {
                let changed = standings.iter().filter(|s| s.becomes != s.found);
                let txns = changed.flat_map(|s| s.key.write(&s.becomes)).collect();
                Next::Put { version, txns, becomes: pairs(&standings) }
            }
            Verdict::Fenced { key, ours, theirs } => {
                let route = key.route.as_str().to_owned();
                Next::Refused(SinkError::Fenced { route, tp: key.tp, ours, theirs })
            }
            Verdict::Moved { key, ours, theirs } => {
                let what = format!("commit `{}`", key.app_id());
                let why = format!("its ledger is at {theirs:?}, not at {ours:?}");
                Next::Refused(SinkError::retry(what, why))
            }
        }
    }
}

impl Want {
    fn standings(&self, state: Option<&LogState>) -> Vec<Standing> {
        let found = |key: &LedgerKey| state.map(|s| key.read(&s.txns)).unwrap_or_default();
        match self {
            Self::Claim(keys) => {
                let claim = |key: &LedgerKey| {
                    let found = found(key);
                    let mut becomes = found;
                    becomes.epoch.0 += 1;
                    Standing { key: key.clone(), believed: found, found, becomes }
                };
                keys.iter().map(claim).collect()
            }
            Self::Move(moves) => {
                let standing = |(key, believed, becomes): &(LedgerKey, Ledger, Ledger)| Standing {
                    key: key.clone(),
                    believed: *believed,
                    found: found(key),
                    becomes: *becomes,
                };
                moves.iter().map(standing).collect()
            }
        }
    }
}

fn pairs(standings: &[Standing]) -> Ledgers {
    standings.iter().map(|s| (s.key.clone(), s.becomes)).collect()
}
