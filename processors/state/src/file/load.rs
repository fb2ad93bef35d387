//! The bytes of files to tables.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{Int64Type, UInt16Type, UInt32Type};
use arrow::ipc::reader::StreamDecoder;
use bytes::Bytes;

use super::format;
use crate::{Key, KeyGroup, KeyGroups, StateError, StateFile, StateMemory, Table, spill_if_needed};

/// Rows whose entries are looked up together, before the first of them is changed: as many as stay
/// in the nearest cache.
const LOOKED_UP: usize = 64;

/// Tables by operator id and name.
pub type StateTables = HashMap<(String, String), Table>;

/// What the next checkpoint of restored tables has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// What changes from now on: it names the files that were restored as well.
    Changes,
    /// Everything: the files are not its own (a savepoint, another job).
    Everything,
}

/// Builds tables from files, given in order.
pub(super) struct Loader {
    basis: Basis,
    memory: StateMemory,
    names: BTreeMap<(String, String), usize>,
    tables: Vec<Table>,
}

/// A file that is being read.
pub(super) struct Reading {
    path: String,
    key_groups: KeyGroups,
    decoder: StreamDecoder,
    /// Rows still to come: a stream that was cut between two batches looks whole.
    missing: u64,
    /// Where its tables are among those of the loader; unknown before its schema was read.
    tables: Option<Vec<usize>>,
}

impl Reading {
    pub(super) fn new(file: &StateFile) -> Self {
        Self {
            path: file.path.clone(),
            key_groups: file.key_groups,
            decoder: StreamDecoder::new(),
            missing: file.rows,
            tables: None,
        }
    }

    /// The file has ended.
    pub(super) fn end(mut self) -> Result<(), StateError> {
        if self.tables.is_none() {
            return Err(self.damaged("has no schema"));
        }
        self.decoder.finish().map_err(|e| self.damaged(e))?;
        if self.missing > 0 {
            return Err(self.damaged(format_args!("lacks {} rows", self.missing)));
        }
        Ok(())
    }

    fn damaged(&self, why: impl std::fmt::Display) -> StateError {
        StateError::Damaged(format!("{}: {why}", self.path))
    }
}

impl Loader {
    pub(super) fn new(basis: Basis, memory: &StateMemory) -> Self {
        let memory = memory.clone();
        Self { basis, memory, names: BTreeMap::new(), tables: Vec::new() }
    }

    /// Takes the next bytes of a file.
    pub(super) fn take(&mut self, file: &mut Reading, bytes: Bytes) -> Result<(), StateError> {
        let mut buffer = Buffer::from(bytes);
        while !buffer.is_empty() {
            let batch = file.decoder.decode(&mut buffer).map_err(|e| file.damaged(e))?;
            self.begin(file)?;
            if let Some(batch) = batch {
                file.missing = file.missing.saturating_sub(batch.num_rows() as u64);
                self.load(file, &batch)?;
                let mut tables: Vec<_> = self.tables.iter_mut().collect();
                spill_if_needed(&self.memory, &mut tables)?;
            }
        }
        Ok(())
    }

    /// All tables.
    pub(super) fn finish(self) -> StateTables {
        let mut tables: Vec<_> = self.tables.into_iter().map(Some).collect();
        let named = self.names.into_iter();
        named.map(|(name, at)| (name, tables[at].take().expect("each has one name"))).collect()
    }

    /// Once the schema is there: finds the tables, and drops what was dropped before the rows.
    fn begin(&mut self, file: &mut Reading) -> Result<(), StateError> {
        let (None, Some(schema)) = (&file.tables, file.decoder.schema()) else { return Ok(()) };
        let mut places = Vec::new();
        for entry in format::tables(&file.path, &schema)? {
            let name = entry.table.clone();
            let place = *self.names.entry((entry.operator, entry.table)).or_insert_with(|| {
                self.tables.push(Table::with_memory(name, self.memory.clone()));
                self.tables.len() - 1
            });
            for namespace in entry.dropped {
                self.tables[place].load_drop(namespace, file.key_groups)?;
            }
            places.push(place);
        }
        file.tables = Some(places);
        Ok(())
    }

    fn load(&mut self, file: &Reading, batch: &RecordBatch) -> Result<(), StateError> {
        let places = file.tables.as_ref().expect("the schema comes before the rows");
        if batch.num_columns() != 5 {
            return Err(file.damaged("has other columns than files of state have"));
        }
        let wrong = || file.damaged("has columns of other types than files of state have");
        let column = |i: usize| batch.column(i);
        let tables = column(0).as_primitive_opt::<UInt32Type>().ok_or_else(wrong)?.values();
        let namespaces = column(1).as_primitive_opt::<Int64Type>().ok_or_else(wrong)?.values();
        let groups = column(2).as_primitive_opt::<UInt16Type>().ok_or_else(wrong)?.values();
        let keys = column(3).as_binary_opt::<i32>().ok_or_else(wrong)?;
        let values = column(4).as_binary_opt::<i32>().ok_or_else(wrong)?;
        let mut rows = Vec::with_capacity(LOOKED_UP);
        for begin in (0..batch.num_rows()).step_by(LOOKED_UP) {
            rows.clear();
            for row in begin..batch.num_rows().min(begin + LOOKED_UP) {
                let group = KeyGroup(groups[row]);
                if file.key_groups.contains(group) {
                    let place = places.get(tables[row] as usize);
                    let place = *place.ok_or_else(|| file.damaged("names no table"))?;
                    rows.push((row, place, Key::within(group, keys.value(row))));
                }
            }
            // Rows come in no order that helps: each waits for memory several times. Looked up
            // together, they wait together.
            for same in rows.chunk_by(|left, right| left.1 == right.1) {
                let looked_up = same.iter().map(|(row, _, key)| (namespaces[*row], *key));
                self.tables[same[0].1].look_ahead(looked_up);
            }
            for &(row, place, key) in &rows {
                let (table, namespace) = (&mut self.tables[place], namespaces[row]);
                match (self.basis, values.is_valid(row)) {
                    (Basis::Changes, true) => table.load(namespace, key, values.value(row))?,
                    (Basis::Changes, false) => table.load_removal(namespace, key)?,
                    (Basis::Everything, true) => table.put(namespace, key, values.value(row))?,
                    (Basis::Everything, false) => table.remove(namespace, key)?,
                }
            }
        }
        Ok(())
    }
}
