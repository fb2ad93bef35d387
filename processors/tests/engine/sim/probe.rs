//! What happened in a simulation, and crashes at named steps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use millrace_processors::{JobError, JobProbe, JobStep};

/// Everything that happened, in order. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    pub(crate) fn note(&self, what: String) {
        self.0.lock().expect("nobody panics with it").push(what);
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics with it").clone()
    }

    pub(crate) fn tail(&self) -> Vec<String> {
        let all = self.all();
        all[all.len().saturating_sub(30)..].to_vec()
    }
}

/// Notes every step, and fails at the n-th.
#[derive(Debug)]
pub(crate) struct CrashAt {
    pub(crate) trace: Trace,
    pub(crate) left: AtomicU64,
}

impl CrashAt {
    /// The n-th step from now is the last; 0 is never.
    pub(crate) fn new(trace: &Trace, n: u64) -> Arc<Self> {
        Arc::new(Self { trace: trace.clone(), left: AtomicU64::new(n) })
    }
}

impl JobProbe for CrashAt {
    fn reached(&self, step: JobStep) -> Result<(), JobError> {
        self.trace.note(format!("step {step}"));
        let left = self.left.load(Ordering::SeqCst);
        if left > 0 {
            self.left.store(left - 1, Ordering::SeqCst);
            if left == 1 {
                self.trace.note(format!("crash at {step}"));
                return Err(JobError::Stopped);
            }
        }
        Ok(())
    }
}
