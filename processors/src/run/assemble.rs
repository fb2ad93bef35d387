//! From a plan and its connectors to tasks, channels and a coordinator: the one place that wires.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use millrace_plan::{JobPlan, NodeId, NodeKind, OperatorId, SinkNode, late_schema};
use millrace_state::{Basis, Claim, KeyGroups, Manifest, StateFile, StateMemory, StateTables};

use super::chain::{Chain, Slot, Target};
use super::chain_task::ChainTask;
use super::channel::{CHANNEL_DEPTH, Channel, Inbox, Message, OutEdge};
use super::command::{COMMAND_DEPTH, JobControl, RunEnd};
use super::coordinator::{Coordinator, commit};
use super::flow::{SinkGauge, SourceGauge};
use super::layout::{Fragment, Layout, Role};
use super::output::Pipeline;
use super::parts::Expected;
use super::report::{REPORT_DEPTH, Report};
use super::sink_task::SinkTask;
use super::source_task::{Order, SourceTask, Split};
use super::state_task::StateTask;
use super::status::{StatusBoard, TaskGauge};
use super::step::JobStep;
use super::tail::Tap;
use super::watermarks::{SplitTime, WatermarkMerge};
use crate::connector::{Position, SinkCommitter, SplitId};
use crate::operators;
use crate::{Job, JobError, NO_WATERMARK, OperatorContext};

/// A task of a run: its name and its work.
pub type TaskFuture = (String, BoxFuture<'static, Result<(), JobError>>);

/// A run that nobody drives yet. Whoever holds it polls every task and the coordinator, each on
/// whatever executor; when one fails, all others are dropped.
pub struct Assembly {
    /// The tasks.
    pub tasks: Vec<TaskFuture>,
    /// Ends when the run has ended.
    pub coordinator: BoxFuture<'static, Result<RunEnd, JobError>>,
    /// To ask things of the run.
    pub control: JobControl,
}

impl std::fmt::Debug for Assembly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.tasks.iter().map(|(name, _)| name).collect();
        f.debug_struct("Assembly").field("tasks", &names).finish_non_exhaustive()
    }
}

/// Claims the job's checkpoints, commits what the last one prepared, restores, and wires.
pub(crate) async fn assemble(job: &Job) -> Result<Assembly, JobError> {
    let (claim, from) = job.claim().await?;
    job.probe.reached(JobStep::Claimed)?;
    let mut committers = BTreeMap::new();
    for (_, sink) in job.plan.sinks() {
        if !committers.contains_key(&sink.name) {
            let committer = job.sink(&sink.name)?.committer(claim.generation()).await?;
            committers.insert(sink.name.clone(), committer);
        }
    }
    if let Some(manifest) = &from
        && manifest.job == job.name
    {
        commit(&mut committers, manifest).await?;
    }
    let wiring = Wiring::new(job, claim.generation(), from);
    wiring.wire(claim, committers).await
}

/// Both ends of the channels of one edge: senders of each upstream instance, receivers of each
/// downstream one.
type Ends = (HashMap<usize, Vec<Sender<Message>>>, HashMap<usize, Vec<Receiver<Message>>>);

struct Wiring<'a> {
    job: &'a Job,
    layout: Layout,
    generation: u64,
    from: Option<Manifest>,
    /// By edge of the layout.
    channels: Vec<Ends>,
    tasks: Vec<TaskFuture>,
    gauges: Vec<Arc<TaskGauge>>,
    flow: (Vec<Arc<SourceGauge>>, Vec<Arc<SinkGauge>>),
    tap: Arc<Tap>,
    orders: Vec<Sender<Order>>,
    reports: (Sender<Report>, Option<Receiver<Report>>),
    expected: Expected,
}

impl<'a> Wiring<'a> {
    fn new(job: &'a Job, generation: u64, from: Option<Manifest>) -> Self {
        let layout = Layout::of(&job.plan, job.settings.parallelism);
        let (report, reports) = channel(REPORT_DEPTH);
        let channels = layout
            .edges
            .iter()
            .map(|edge| channels_of(&edge.exchange, job.settings.parallelism))
            .collect();
        Self {
            job,
            layout,
            generation,
            from,
            channels,
            tasks: Vec::new(),
            gauges: Vec::new(),
            flow: (Vec::new(), Vec::new()),
            tap: Arc::default(),
            orders: Vec::new(),
            reports: (report, Some(reports)),
            expected: Expected { sources: 0, tasks: 0, sinks: 0 },
        }
    }

    async fn wire(
        mut self,
        claim: Claim,
        committers: BTreeMap<String, Box<dyn SinkCommitter>>,
    ) -> Result<Assembly, JobError> {
        for number in 0..self.layout.fragments.len() {
            let fragment = self.layout.fragments[number].clone();
            for instance in 0..self.job.settings.parallelism {
                match fragment.role {
                    Role::Source => self.source(number, &fragment, instance).await?,
                    Role::Chain => self.chain(number, &fragment, instance).await?,
                    Role::Sink => self.sink(&fragment, instance).await?,
                }
            }
        }
        self.job.probe.reached(JobStep::Restored)?;
        let (commands, receiver) = channel(COMMAND_DEPTH);
        let tasks = std::mem::take(&mut self.gauges);
        let (sources, sinks) = std::mem::take(&mut self.flow);
        let board = Arc::new(StatusBoard {
            generation: self.generation,
            tasks,
            sources,
            sinks,
            checkpoint: std::sync::Mutex::default(),
        });
        let coordinator = Coordinator {
            template: self.job.template(self.generation),
            next_checkpoint: self.from.as_ref().map_or(0, |manifest| manifest.checkpoint) + 1,
            claim,
            keep: self.job.settings.keep_checkpoints,
            expected: self.expected,
            orders: self.orders,
            reports: self.reports.1.take().expect("taken once"),
            commands: receiver,
            committers,
            sources: self.job.sources_by_operator()?,
            board: Arc::clone(&board),
            clock: Arc::clone(&self.job.clock),
            probe: Arc::clone(&self.job.probe),
            exhausted: 0,
            pressed: false,
        };
        let control = JobControl { commands, board, tap: Arc::downgrade(&self.tap) };
        Ok(Assembly { tasks: self.tasks, coordinator: coordinator.run().boxed(), control })
    }

    async fn source(
        &mut self,
        number: usize,
        fragment: &Fragment,
        instance: usize,
    ) -> Result<(), JobError> {
        let plan = &self.job.plan;
        let head = plan.node(fragment.nodes[0]);
        let NodeKind::Source(node) = &head.kind else { unreachable!("the head is a source") };
        let factory = self.job.source(&node.name)?;
        let delay = node.watermark.as_ref().map_or(0, |w| micros(w.delay));
        let known = self.from.as_ref().and_then(|m| m.sources.get(&head.operator.0));
        let mut splits = Vec::new();
        for (at, split) in factory.splits().await?.into_iter().enumerate() {
            if at % self.job.settings.parallelism != instance {
                continue;
            }
            let state = known.and_then(|known| known.get(&split.0));
            let watermark = state.map_or(NO_WATERMARK, |state| state.watermark);
            splits.push(Split {
                position: state.and_then(|state| state.position.clone()).map(Position),
                time: SplitTime::new(delay, watermark),
                ended: false,
                id: split,
            });
        }
        let open: Vec<(SplitId, Option<Position>)> =
            splits.iter().map(|split| (split.id.clone(), split.position.clone())).collect();
        let reader = factory.open(open, &node.columns).await?;
        let event_time = node
            .watermark
            .as_ref()
            .and_then(|w| node.columns.iter().position(|column| *column == w.column));
        let ids = splits.iter().map(|split| &split.id);
        let gauge = SourceGauge::new(head.operator.clone(), ids, &reader.meters());
        self.flow.0.push(Arc::clone(&gauge));
        let pipeline = self.pipeline(number, fragment, instance).await?;
        let (order, orders) = channel(1);
        self.orders.push(order);
        self.expected.sources += 1;
        let task = SourceTask {
            source: head.operator.clone(),
            reader,
            splits,
            event_time,
            orders,
            reports: self.reports.0.clone(),
            pipeline,
            gauge,
            probe: Arc::clone(&self.job.probe),
        };
        self.tasks.push((name("source", &head.operator, instance), task.run().boxed()));
        Ok(())
    }

    async fn chain(
        &mut self,
        number: usize,
        fragment: &Fragment,
        instance: usize,
    ) -> Result<(), JobError> {
        let head = self.job.plan.node(fragment.nodes[0]);
        let task = ChainTask {
            inbox: self.inbox(head.id, instance),
            ports: head.inputs.len(),
            pipeline: self.pipeline(number, fragment, instance).await?,
            probe: Arc::clone(&self.job.probe),
        };
        self.tasks.push((name("chain", &head.operator, instance), task.run().boxed()));
        Ok(())
    }

    async fn sink(&mut self, fragment: &Fragment, instance: usize) -> Result<(), JobError> {
        let head = self.job.plan.node(fragment.nodes[0]);
        let NodeKind::Sink(SinkNode { name: sink, .. }) = &head.kind else {
            unreachable!("the head is a sink")
        };
        // Two inserts into one sink have writers of their own.
        let writer_number = self.expected.sinks;
        let writer = self.job.sink(sink)?.writer(writer_number, self.generation).await?;
        let gauge = TaskGauge::new(vec![head.operator.clone()]);
        self.gauges.push(Arc::clone(&gauge));
        let flow = SinkGauge::new(sink);
        self.flow.1.push(Arc::clone(&flow));
        self.expected.sinks += 1;
        let task = SinkTask {
            sink: sink.clone(),
            inbox: self.inbox(head.id, instance),
            writer,
            reports: self.reports.0.clone(),
            probe: Arc::clone(&self.job.probe),
            gauge,
            flow,
            tap: Arc::clone(&self.tap),
        };
        self.tasks.push((name("sink", &head.operator, instance), task.run().boxed()));
        Ok(())
    }

    fn inbox(&mut self, head: NodeId, instance: usize) -> Inbox {
        let mut channels = Vec::new();
        for (edge, ends) in self.layout.edges.iter().zip(&mut self.channels) {
            if edge.to == head {
                let receivers = ends.1.remove(&instance).expect("each end is taken once");
                let port = edge.port;
                channels.extend(receivers.into_iter().map(|receiver| Channel { port, receiver }));
            }
        }
        Inbox::new(channels)
    }

    /// The chain of a task, its edges, and the task that writes its state.
    async fn pipeline(
        &mut self,
        number: usize,
        fragment: &Fragment,
        instance: usize,
    ) -> Result<Pipeline, JobError> {
        let head = self.job.plan.node(fragment.nodes[0]);
        let memory = StateMemory::new(self.state_share(), self.job.settings.spill_dir.clone());
        let (files, mut tables) = self.restore(fragment, instance, &memory).await?;
        let mut edges = Vec::new();
        let mut slots = Vec::new();
        for node in &fragment.nodes {
            slots.push(self.slot(*node, fragment, instance, &memory, &mut tables, &mut edges)?);
        }
        let gauge = TaskGauge::new(slots.iter().map(|slot| slot.id.clone()).collect());
        self.gauges.push(Arc::clone(&gauge));
        self.expected.tasks += 1;
        let (writer, frozen) = channel(1);
        let state = StateTask {
            task: format!("{number}-{instance}"),
            instance,
            generation: self.generation,
            key_groups: KeyGroups::share(instance, self.job.settings.parallelism),
            store: self.job.checkpoints.clone(),
            operators: slots.iter().map(|slot| slot.id.clone()).collect(),
            memory: StateMemory::new(memory.limit(), self.job.settings.spill_dir.clone()),
            files,
            frozen,
            reports: self.reports.0.clone(),
            probe: Arc::clone(&self.job.probe),
        };
        self.tasks.push((name("state", &head.operator, instance), state.run().boxed()));
        let probe = Arc::clone(&self.job.probe);
        let clock = Arc::clone(&self.job.clock);
        let chain = Chain::new(slots);
        let reports = self.reports.0.clone();
        Ok(Pipeline { chain, edges, writer, memory, reports, pressed: false, probe, gauge, clock })
    }

    /// Bytes of memory for the state of one task: those that keep none leave theirs to the others.
    fn state_share(&self) -> usize {
        let keeps = |node: &NodeId| self.job.plan.node(*node).kind.keeps_state();
        let tasks = self.layout.fragments.iter().filter(|f| f.nodes.iter().any(keeps)).count();
        self.job.settings.state_memory / (tasks.max(1) * self.job.settings.parallelism)
    }

    /// State files of a task's key groups, and what they hold.
    async fn restore(
        &self,
        fragment: &Fragment,
        instance: usize,
        memory: &StateMemory,
    ) -> Result<(Vec<StateFile>, StateTables), JobError> {
        let Some(manifest) = &self.from else { return Ok((Vec::new(), StateTables::new())) };
        let groups = KeyGroups::share(instance, self.job.settings.parallelism);
        let mut files: Vec<StateFile> = Vec::new();
        for node in &fragment.nodes {
            let operator = &self.job.plan.node(*node).operator;
            let state = manifest.operators.get(&operator.0);
            for file in state.map(|state| state.files(groups)).unwrap_or_default() {
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        let store = &self.job.checkpoints;
        let tables = store.read_state_files_within(&files, groups, Basis::Changes, memory).await?;
        Ok((files, tables))
    }

    fn slot(
        &mut self,
        node: NodeId,
        fragment: &Fragment,
        instance: usize,
        memory: &StateMemory,
        tables: &mut StateTables,
        edges: &mut Vec<OutEdge>,
    ) -> Result<Slot, JobError> {
        let plan = &self.job.plan;
        let described = plan.node(node);
        let known = self.from.as_ref().and_then(|m| m.operators.get(&described.operator.0));
        let watermark = known.map_or(NO_WATERMARK, |state| state.watermark);
        let operator = if let NodeKind::Source(_) = described.kind {
            None
        } else {
            let mut context =
                self.context(&described.operator, instance, watermark, memory, tables);
            Some(operators::build(described, plan, &mut context)?)
        };
        let (mut targets, mut late_edges) = (Vec::new(), Vec::new());
        for (to, port) in readers(plan, node) {
            if self.layout.is_local(node, to) {
                let slot = fragment.nodes.iter().position(|n| *n == to).expect("in the chain");
                targets.push(Target::Local { slot, port });
            } else {
                targets.push(Target::Remote { edge: edges.len() });
                edges.push(self.out_edge(node, to, port, instance)?);
            }
        }
        for (sink, port) in late_sinks(plan, node) {
            late_edges.push(edges.len());
            edges.push(self.out_edge(node, sink, port, instance)?);
        }
        let time = WatermarkMerge::new(described.inputs.len().max(1), watermark);
        let id = described.operator.clone();
        Ok(Slot {
            id,
            operator,
            time,
            targets,
            late_edges,
            counts: super::chain::Counts::default(),
        })
    }

    fn context(
        &self,
        operator: &OperatorId,
        instance: usize,
        watermark: i64,
        memory: &StateMemory,
        tables: &mut StateTables,
    ) -> OperatorContext {
        let own: Vec<_> =
            tables.keys().filter(|(owner, _)| *owner == operator.0).cloned().collect();
        let restored = own
            .into_iter()
            .filter_map(|key| tables.remove(&key).map(|table| (key.1, table)))
            .collect();
        OperatorContext {
            operator: operator.clone(),
            key_groups: KeyGroups::share(instance, self.job.settings.parallelism),
            watermark,
            restored,
            memory: memory.clone(),
        }
    }

    fn out_edge(
        &mut self,
        from: NodeId,
        to: NodeId,
        port: usize,
        instance: usize,
    ) -> Result<OutEdge, JobError> {
        let at = self
            .layout
            .edges
            .iter()
            .position(|edge| edge.from == from && edge.to == to && edge.port == port)
            .expect("an edge that is not local is in the layout");
        let senders = self.channels[at].0.remove(&instance).expect("each end is taken once");
        let late = matches!(&self.job.plan.node(to).kind,
            NodeKind::Sink(sink) if sink.late_rows_of.contains(&from));
        let schema =
            if late { late_schema() } else { Arc::clone(&self.job.plan.node(from).schema) };
        OutEdge::new(senders, &self.layout.edges[at].exchange, &schema)
    }
}

/// Readers of a node's rows, with the port.
fn readers(plan: &JobPlan, node: NodeId) -> Vec<(NodeId, usize)> {
    inputs_from(plan, node).filter(|(to, _)| !takes_late_rows(plan, *to, node)).collect()
}

/// Sinks of a node's late rows, with the port.
fn late_sinks(plan: &JobPlan, node: NodeId) -> Vec<(NodeId, usize)> {
    inputs_from(plan, node).filter(|(to, _)| takes_late_rows(plan, *to, node)).collect()
}

fn inputs_from(plan: &JobPlan, node: NodeId) -> impl Iterator<Item = (NodeId, usize)> + '_ {
    plan.nodes.iter().flat_map(move |reader| {
        let ports = reader.inputs.iter().enumerate();
        ports.filter(move |(_, input)| input.from == node).map(|(port, _)| (reader.id, port))
    })
}

fn takes_late_rows(plan: &JobPlan, reader: NodeId, of: NodeId) -> bool {
    matches!(&plan.node(reader).kind, NodeKind::Sink(sink) if sink.late_rows_of.contains(&of))
}

fn channels_of(exchange: &millrace_plan::Exchange, parallelism: usize) -> Ends {
    let (mut senders, mut receivers): Ends = (HashMap::new(), HashMap::new());
    for from in 0..parallelism {
        for to in 0..parallelism {
            if *exchange == millrace_plan::Exchange::Forward && from != to {
                continue;
            }
            let (sender, receiver) = channel(CHANNEL_DEPTH);
            senders.entry(from).or_default().push(sender);
            receivers.entry(to).or_default().push(receiver);
        }
    }
    (senders, receivers)
}

fn name(kind: &str, operator: &OperatorId, instance: usize) -> String {
    format!("{kind} {operator} #{instance}")
}

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
