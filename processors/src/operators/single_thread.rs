//! Runs all operators of a plan in one thread, for tests.

use std::collections::{BTreeMap, HashMap};

use arrow::array::RecordBatch;

use millrace_nexmark::normalise;
use millrace_plan::{JobPlan, NodeId, NodeKind};
use millrace_state::Table;

use super::build;
use super::columns::micros;
use super::testing::{checkpoint, restored};
use crate::{Batch, END_OF_TIME, Micros, NO_WATERMARK, Operator, Output, RowKind};

/// All operators of a plan, in one thread.
pub(crate) struct Run {
    plan: JobPlan,
    operators: Vec<Option<Box<dyn Operator>>>,
    /// Watermark of each port of each node.
    ports: Vec<Vec<Micros>>,
    /// Watermark that each node was told.
    told: Vec<Micros>,
    /// What came to the sink.
    sunk: Vec<Batch>,
}

impl Run {
    pub(crate) fn new(plan: JobPlan) -> Self {
        let ports = plan.nodes.iter().map(|node| vec![NO_WATERMARK; node.inputs.len()]).collect();
        let told = vec![NO_WATERMARK; plan.nodes.len()];
        let mut run = Self { plan, operators: Vec::new(), ports, told, sunk: Vec::new() };
        let none = (0..run.plan.nodes.len()).map(|_| HashMap::new()).collect();
        run.start(none);
        run
    }

    fn start(&mut self, tables: Vec<HashMap<String, Table>>) {
        let made = self.plan.nodes.iter().zip(tables).map(|(node, tables)| match node.kind {
            NodeKind::Source(_) | NodeKind::Sink(_) => None,
            _ => {
                let mut ctx = restored(tables, self.told[node.id.0]);
                Some(build(node, &self.plan, &mut ctx).unwrap())
            }
        });
        self.operators = made.collect();
    }

    /// Keeps only what a checkpoint keeps.
    fn crash(&mut self) {
        let keep = |operator: &mut Option<Box<dyn Operator>>| match operator {
            Some(operator) => checkpoint(operator.as_mut()),
            None => HashMap::new(),
        };
        let tables = self.operators.iter_mut().map(keep).collect();
        self.start(tables);
    }

    fn readers(&self, node: NodeId) -> Vec<(usize, usize)> {
        let ports = |reader: &millrace_plan::Node| {
            let at = reader.id.0;
            let ports = reader.inputs.iter().enumerate().filter(|(_, input)| input.from == node);
            ports.map(|(port, _)| (at, port)).collect::<Vec<_>>()
        };
        self.plan.nodes.iter().flat_map(ports).collect()
    }

    fn rows(&mut self, from: NodeId, batch: &Batch) {
        for (reader, port) in self.readers(from) {
            match &mut self.operators[reader] {
                Some(operator) => {
                    let mut out = Output::default();
                    operator.process(port, batch.clone(), &mut out).unwrap();
                    assert!(out.late.is_empty(), "no row is late");
                    for made in out.batches {
                        assert_eq!(made.rows.schema(), self.plan.nodes[reader].schema);
                        self.rows(NodeId(reader), &made);
                    }
                }
                None => self.sunk.push(batch.clone()),
            }
        }
    }

    fn watermark(&mut self, from: NodeId, watermark: Micros) {
        for (reader, port) in self.readers(from) {
            self.ports[reader][port] = watermark;
            let least = *self.ports[reader].iter().min().unwrap();
            if least <= self.told[reader] {
                continue;
            }
            self.told[reader] = least;
            let Some(operator) = &mut self.operators[reader] else { continue };
            let mut out = Output::default();
            let next = operator.watermark(least, &mut out).unwrap();
            for made in out.batches {
                self.rows(NodeId(reader), &made);
            }
            self.watermark(NodeId(reader), next);
        }
    }

    /// Reads the streams side by side, with a crash now and then; no row may be late.
    pub(crate) fn read(&mut self, streams: &HashMap<&str, Vec<RecordBatch>>, crash_every: usize) {
        let sources: Vec<_> =
            self.plan.sources().map(|(node, source)| (node.id, source.clone())).collect();
        let longest = streams.values().map(Vec::len).max().unwrap_or(0);
        let mut latest = vec![Micros::MIN; sources.len()];
        for step in 0..longest {
            for ((id, source), latest) in sources.iter().zip(&mut latest) {
                let Some(batch) = streams[source.name.as_str()].get(step) else { continue };
                let watermark = source.watermark.as_ref().expect("every stream has event time");
                let times = micros(batch, watermark.column).unwrap();
                *latest = times.iter().copied().fold(*latest, Micros::max);
                let rows = batch.project(&source.columns).unwrap();
                self.rows(*id, &Batch::append(rows));
                let delay = i64::try_from(watermark.delay.as_micros()).unwrap();
                self.watermark(*id, *latest - delay);
            }
            if step % crash_every == crash_every - 1 {
                self.crash();
            }
        }
        for (id, _) in sources {
            self.watermark(id, END_OF_TIME);
        }
    }

    /// What the sink holds in the end.
    pub(crate) fn result(&self) -> Vec<RecordBatch> {
        let (_, sink) = self.plan.sinks().next().unwrap();
        let Some(key) = &sink.key else {
            assert!(self.sunk.iter().all(|batch| batch.kinds.is_none()), "only new rows");
            return self.sunk.iter().map(|batch| batch.rows.clone()).collect();
        };
        let mut held: BTreeMap<Vec<String>, RecordBatch> = BTreeMap::new();
        for batch in &self.sunk {
            let key = normalise_each(&batch.rows.project(key).unwrap());
            for (row, key) in key.into_iter().enumerate() {
                match batch.kind(row) {
                    RowKind::Insert | RowKind::UpdateAfter => {
                        held.insert(key, batch.rows.slice(row, 1));
                    }
                    RowKind::Delete => {
                        held.remove(&key);
                    }
                    RowKind::UpdateBefore => {}
                }
            }
        }
        held.into_values().collect()
    }
}

fn normalise_each(rows: &RecordBatch) -> Vec<Vec<String>> {
    (0..rows.num_rows()).map(|row| normalise(&[rows.slice(row, 1)])).collect()
}
