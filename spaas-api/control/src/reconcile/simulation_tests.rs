//! Jobs through goal changes, deaths of workers and crashes of the control plane between any two
//! effects: never two living runs, and in the end what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::reconcile::testing::{goal, worker};
use crate::reconcile::{Effect, effects};

/// What happens next to the world.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The reconciler takes a step and is cut off after so many effects.
    Step(usize),
    /// The control plane starts again and knows no processes.
    Crash,
    /// Time passes for processes.
    Pass,
    /// The living worker is gone.
    Die,
    /// The living worker ends by itself.
    End(u8),
    /// Somebody wants something else.
    Want(u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..4_usize).prop_map(Act::Step),
        1 => Just(Act::Crash),
        4 => Just(Act::Pass),
        1 => Just(Act::Die),
        1 => (0..3_u8).prop_map(Act::End),
        2 => (0..7_u8).prop_map(Act::Want),
    ];
    prop::collection::vec(act, 1..120)
}

/// A process of a worker.
#[derive(Debug)]
struct Process {
    run: String,
    /// How often time has to pass before it takes the lock.
    dawdles: usize,
}

/// One job, its store and its machine, after the rules of the launcher's contract.
#[derive(Debug)]
struct World {
    goal: JobGoal,
    deleting: bool,
    removed: bool,
    record: Option<RunRecord>,
    closed: BTreeSet<String>,
    ids: usize,
    now: i64,
    /// Processes that have not taken the lock yet.
    pending: Vec<Process>,
    /// Who holds the lock, and whether it was told to stop.
    living: Option<(String, bool)>,
    begun: BTreeSet<String>,
    ends: BTreeMap<String, RunEnd>,
    /// The process that this control plane has started and waits for.
    child: Option<String>,
}

impl World {
    fn new() -> Self {
        Self {
            goal: goal(),
            deleting: false,
            removed: false,
            record: None,
            closed: BTreeSet::new(),
            ids: 0,
            now: 1_000,
            pending: Vec::new(),
            living: None,
            begun: BTreeSet::new(),
            ends: BTreeMap::new(),
            child: None,
        }
    }

    fn is_pending(&self, run: &str) -> bool {
        self.pending.iter().any(|process| process.run == run)
    }

    fn observe(&self, run: &str) -> Observed {
        if let Some((alive, stopping)) = &self.living {
            let phase = if *stopping { WorkerPhase::Stopping } else { WorkerPhase::Running };
            let status = Some(Box::new(worker(alive, phase, 0)));
            return Observed::Alive { run: alive.clone(), status, silent: Duration::ZERO };
        }
        if let Some(end) = self.ends.get(run) {
            return Observed::Ended(end.clone());
        }
        let begun = self.begun.contains(run);
        let child = self.child.as_deref() == Some(run);
        if !begun && child && self.is_pending(run) {
            return Observed::Alive { run: run.into(), status: None, silent: Duration::ZERO };
        }
        let trace = (child && !begun).then(|| "exit status: 90".to_owned());
        Observed::Absent { begun, trace }
    }

    /// Carries out one effect.
    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::AddRun => {
                let last = self.record.take();
                assert!(last.as_ref().is_none_or(|run| run.state == RunState::Ended));
                self.ids += 1;
                let id = format!("r{}", self.ids);
                let names = (id.as_str(), "default", "j", "u");
                let parallelism = self.goal.parallelism.unwrap_or(1);
                self.record =
                    Some(next_run(&self.goal, last.as_ref(), names, parallelism, self.now));
            }
            Effect::Launch => {
                let run = self.record.as_ref().expect("there is a record").id.clone();
                let child_pending = self.child.as_ref().is_some_and(|run| self.is_pending(run));
                if !self.begun.contains(&run) && self.living.is_none() && !child_pending {
                    let dawdles = self.ids % 4;
                    self.pending.push(Process { run: run.clone(), dawdles });
                    self.child = Some(run);
                }
            }
            Effect::UpdateRun(record) => {
                if record.state == RunState::Ended {
                    self.closed.insert(record.id.clone());
                }
                self.record = Some(*record);
            }
            Effect::AskStop { .. } => {
                let run = self.record.as_ref().map(|run| run.id.clone());
                if let Some((living, stopping)) = &mut self.living
                    && Some(&*living) == run.as_ref()
                {
                    *stopping = true;
                }
            }
            Effect::Kill(run) => {
                let lost = RunEnd::Lost { reason: "killed".into() };
                if !self.begun.insert(run.clone())
                    && self.living.as_ref().is_some_and(|(living, _)| *living == run)
                {
                    self.living = None;
                }
                self.ends.entry(run).or_insert(lost);
            }
            Effect::ForgetRuns => assert!(self.living.is_none(), "a living run is not forgotten"),
            Effect::ForgetState => {}
            Effect::RemoveJob => self.removed = true,
        }
        self.check();
    }

    /// A run that is recorded as ended does not live and cannot begin.
    fn check(&self) {
        for run in &self.closed {
            assert!(self.living.as_ref().is_none_or(|(living, _)| living != run), "{self:?}");
            assert!(self.begun.contains(run), "{run} may still begin: {self:?}");
        }
    }

    fn step(&mut self, cut: usize) -> Step {
        if self.removed {
            return Step::Rest;
        }
        let policy = Policy::default();
        let seen = self.record.as_ref().map(|run| self.observe(&run.id));
        let want = Want { goal: &self.goal, deleting: self.deleting, endless: false };
        let actual = Actual { run: self.record.as_ref(), seen: seen.as_ref() };
        let step = decide(&want, &actual, self.now, &policy);
        let effects = effects(step.clone(), self.record.as_ref(), self.now, &policy);
        for effect in effects.into_iter().take(cut) {
            self.apply(effect);
        }
        step
    }

    fn pass(&mut self) {
        self.now += 100;
        for process in std::mem::take(&mut self.pending) {
            if process.dawdles > 0 {
                self.pending.push(Process { dawdles: process.dawdles - 1, ..process });
            } else if self.living.is_none() && self.begun.insert(process.run.clone()) {
                self.living = Some((process.run, false));
            }
        }
        if let Some((run, true)) = &self.living {
            self.ends.insert(run.clone(), RunEnd::Stopped { checkpoint: 1 });
            self.living = None;
        }
        self.check();
    }

    fn end(&mut self, how: u8) {
        let Some((run, _)) = self.living.take() else { return };
        let reason = "why".to_owned();
        let end = match how {
            0 => RunEnd::Finished,
            1 => RunEnd::Failed { reason, retryable: false },
            _ => RunEnd::Failed { reason, retryable: true },
        };
        self.ends.insert(run, end);
    }

    fn want(&mut self, what: u8) {
        if self.deleting {
            return;
        }
        match what {
            0 | 1 => self.goal.desired = Desired::Stopped,
            2 | 3 => self.goal.desired = Desired::Running,
            4 => self.goal.version += 1,
            5 => self.goal.restarts += 1,
            _ => self.goal.parallelism = Some(self.goal.parallelism.unwrap_or(1) % 3 + 1),
        }
        self.goal.goal += 1;
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Step(cut) => {
                let _ = self.step(cut);
            }
            Act::Crash => self.child = None,
            Act::Pass => self.pass(),
            Act::Die => self.living = None,
            Act::End(how) => self.end(how),
            Act::Want(what) => self.want(what),
        }
    }

    /// Leaves the world in peace until nothing changes any more.
    fn settle(&mut self) {
        let mut calm = 0;
        for _ in 0..200 {
            match self.step(usize::MAX) {
                Step::Rest => calm += 1,
                Step::WaitUntil(due) => {
                    self.now = self.now.max(due);
                    calm = 0;
                }
                _ => calm = 0,
            }
            self.pass();
            if calm > 8 {
                return;
            }
        }
        panic!("it never comes to rest: {self:?}");
    }

    fn is_as_wanted(&self) -> bool {
        if self.deleting {
            return self.removed && self.living.is_none();
        }
        let Some(run) = &self.record else {
            return self.goal.desired == Desired::Stopped && self.living.is_none();
        };
        if self.goal.desired == Desired::Stopped {
            return run.state == RunState::Ended && self.living.is_none();
        }
        let runs = run.state == RunState::Running
            && self.living == Some((run.id.clone(), false))
            && serves(run, &self.goal);
        let rested =
            matches!(run.end, Some(RunEnd::Finished | RunEnd::Failed { retryable: false, .. }))
                && self.living.is_none();
        run.goal == self.goal.goal && (runs || rested)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_happens_there_is_one_run_and_in_the_end_what_is_wanted(
        acts in acts(),
        delete in any::<bool>(),
    ) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
        }
        world.settle();
        prop_assert!(world.is_as_wanted(), "{:?}", world);
        if delete {
            world.deleting = true;
            world.settle();
            prop_assert!(world.is_as_wanted(), "{:?}", world);
        }
    }
}

#[test]
fn a_finished_job_rests_until_its_goal_changes() {
    let mut world = World::new();
    world.settle();
    world.end(0);
    world.settle();
    let runs = world.ids;
    world.now += 1_000_000;
    world.settle();
    assert_eq!(world.ids, runs);
    world.want(5);
    world.settle();
    assert_eq!(world.ids, runs + 1);
    assert!(world.is_as_wanted());
}
