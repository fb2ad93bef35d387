//! A scheduler that decides by a seed which task is polled next.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;
use rand::Rng;
use rand::rngs::StdRng;

use millrace_processors::{Assembly, JobControl, JobError, RunEnd, Stop};

use super::probe::Trace;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Task {
    name: String,
    work: Option<BoxFuture<'static, Result<Option<RunEnd>, JobError>>>,
    woken: Arc<Flag>,
    waker: Waker,
}

impl Task {
    fn new(name: String, work: BoxFuture<'static, Result<Option<RunEnd>, JobError>>) -> Self {
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        Self { name, work: Some(work), waker: Waker::from(Arc::clone(&woken)), woken }
    }

    fn is_ready(&self) -> bool {
        self.work.is_some() && self.woken.0.load(Ordering::SeqCst)
    }
}

/// Polls one future to its end; it must not wait for anybody else.
pub(crate) fn finish<T>(work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    let woken = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        assert!(woken.0.swap(false, Ordering::SeqCst), "it waits for something that never comes");
        if let Poll::Ready(value) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
    }
}

/// Polls a run's parts in the order of `rng` until it ends or a part of it fails; then all of it is
/// dropped, as a crash would. Checkpoints are asked for at moments `rng` chooses. When every task
/// waits, the run is told to stop, if `stop` says how.
pub(crate) fn drive(
    assembly: Assembly,
    rng: &mut StdRng,
    trace: &Trace,
    mut stop: Option<Stop>,
) -> Result<RunEnd, JobError> {
    let control = assembly.control;
    let mut tasks: Vec<Task> = assembly
        .tasks
        .into_iter()
        .map(|(name, work)| Task::new(name, Box::pin(async { work.await.map(|()| None) })))
        .collect();
    let coordinator = assembly.coordinator;
    tasks
        .push(Task::new("coordinator".to_owned(), Box::pin(async { coordinator.await.map(Some) })));
    let mut asked: Option<Task> = None;
    loop {
        if asked.is_none() && rng.random_ratio(1, 60) {
            asked = Some(ask(control.clone()));
        }
        let mut ready: Vec<&mut Task> = tasks.iter_mut().filter(|task| task.is_ready()).collect();
        ready.extend(asked.iter_mut().filter(|task| task.is_ready()));
        if ready.is_empty() {
            assert!(asked.is_none(), "every task waits for another: {:?}", trace.tail());
            // Sources without news wait for an order: that is how it should be.
            asked = Some(match stop.take() {
                Some(stop) => ask_to_stop(control.clone(), stop),
                None => ask(control.clone()),
            });
            continue;
        }
        let at = rng.random_range(0..ready.len());
        let task = &mut *ready[at];
        task.woken.0.store(false, Ordering::SeqCst);
        trace.note(format!("poll {}", task.name));
        let work: Pin<&mut _> = task.work.as_mut().expect("ready").as_mut();
        if let Poll::Ready(result) = work.poll(&mut Context::from_waker(&task.waker)) {
            task.work = None;
            if let Some(end) = result? {
                return Ok(end);
            }
        }
        if asked.as_ref().is_some_and(|task| task.work.is_none()) {
            asked = None;
        }
    }
}

fn ask(control: JobControl) -> Task {
    let work = async move {
        // The run may end first: then nobody answers.
        let _ = control.checkpoint().await;
        Ok(None)
    };
    Task::new("ask".to_owned(), Box::pin(work))
}

fn ask_to_stop(control: JobControl, stop: Stop) -> Task {
    let work = async move {
        control.stop(stop).await.expect("the run waits for orders");
        Ok(None)
    };
    Task::new("ask to stop".to_owned(), Box::pin(work))
}
