//! Things to put into a store.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use millrace_control::model::{JobPhase, JobStatus, Kind, RunRecord, RunState, Trouble};
use millrace_control::store::{Put, Removal};

/// A put by `ann` at time 1000.
pub(crate) fn put(kind: Kind, name: &str, spec: Value) -> Put {
    Put {
        ns: if kind == Kind::Namespace { name.to_owned() } else { "default".to_owned() },
        kind,
        name: name.to_owned(),
        spec,
        labels: BTreeMap::new(),
        author: "ann".to_owned(),
        reason: None,
        now_ms: 1000,
        expect: None,
        goal: None,
    }
}

/// A put of a job whose SQL is `sql`.
pub(crate) fn job(name: &str, sql: &str) -> Put {
    put(Kind::Job, name, json!({"sql": sql}))
}

pub(crate) fn removal(kind: Kind, name: &str) -> Removal {
    Removal {
        ns: if kind == Kind::Namespace { name.to_owned() } else { "default".to_owned() },
        kind,
        name: name.to_owned(),
        expect: None,
        author: "bob".to_owned(),
        reason: Some("not needed".to_owned()),
        now_ms: 2000,
    }
}

/// A run that is starting.
pub(crate) fn run(id: &str, job: &str, uid: &str) -> RunRecord {
    RunRecord {
        id: id.to_owned(),
        namespace: "default".to_owned(),
        job: job.to_owned(),
        uid: uid.to_owned(),
        version: 1,
        parallelism: 1,
        restarts: 0,
        goal: 1,
        state: RunState::Starting,
        started_ms: 1000,
        stopping_ms: None,
        ended_ms: None,
        end: None,
        savepoint: None,
        running_ms: None,
        checkpointed: false,
        attempt: 1,
        trouble: Trouble::default(),
        next_start_ms: None,
    }
}

pub(crate) fn status(phase: JobPhase) -> JobStatus {
    JobStatus {
        phase,
        reason: None,
        observed_goal: 1,
        observed_generation: None,
        run: None,
        restarts: 0,
        failures: 0,
        next_start_ms: None,
        worker: None,
    }
}
