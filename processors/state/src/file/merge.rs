//! Rewriting a chain of files as one.

use bytes::Bytes;

use super::encode::Encoder;
use super::format::TableEntry;
use super::load::Basis;
use crate::{CheckpointStore, KeyGroups, StateError, StateFile, StateMemory};

/// Length of a chain from which on it is rewritten whatever is in it: each file costs a request.
const LONGEST: usize = 64;
/// Length of a chain from which on it is rewritten if that removes a third of its rows.
const SHORTEST: usize = 4;
/// Rows that are not worth rewriting anything.
const FEW_ROWS: u64 = 10_000;

/// Whether to rewrite a chain of files as one, where `live` rows are left of all its rows: when
/// reading it back would read too many files, or half as many rows that are out of date as others:
/// a change costs more to read back than an entry that is new, as it looks for the one before.
#[must_use]
pub fn when_to_merge(files: &[StateFile], live: u64) -> bool {
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    files.len() >= LONGEST || files.len() >= SHORTEST && rows > FEW_ROWS + live + live / 2
}

impl CheckpointStore {
    /// Rewrites a chain of files, from its beginning, as one file at `path` (below the prefix) that
    /// makes the same tables. `None`, and no file, if these are empty. The files stay where they
    /// are, for the checkpoints that name them.
    pub async fn merge_state_files(
        &self,
        files: &[StateFile],
        path: &str,
    ) -> Result<Option<StateFile>, StateError> {
        let memory = StateMemory::unlimited();
        self.merge_state_files_within(files, path, &memory, |_| true).await
    }

    /// The same for the operators that `keep` names, within `memory`.
    pub async fn merge_state_files_within(
        &self,
        files: &[StateFile],
        path: &str,
        memory: &StateMemory,
        keep: impl Fn(&str) -> bool,
    ) -> Result<Option<StateFile>, StateError> {
        let key_groups = KeyGroups {
            start: files.iter().map(|file| file.key_groups.start).min().unwrap_or(0),
            end: files.iter().map(|file| file.key_groups.end).max().unwrap_or(0),
        };
        let basis = Basis::Changes;
        let tables = self.read_state_files_within(files, key_groups, basis, memory).await?;
        let mut tables: Vec<_> = tables
            .into_iter()
            .filter(|((operator, _), table)| keep(operator) && table.entries() > 0)
            .collect();
        if tables.is_empty() {
            return Ok(None);
        }
        tables.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let size = tables.iter().map(|(_, table)| table.bytes()).sum();
        let encode = move |send: &mut dyn FnMut(Bytes) -> Result<(), StateError>| {
            let mut send = send;
            let (names, tables): (Vec<_>, Vec<_>) = tables.into_iter().unzip();
            let entry = |(operator, table)| TableEntry { operator, table, dropped: Vec::new() };
            let entries: Vec<_> = names.into_iter().map(entry).collect();
            let mut encoder = Encoder::new(&entries)?;
            for (number, table) in (0..).zip(tables) {
                table.export(|change| encoder.push(number, &change, &mut send))?;
            }
            encoder.finish(&mut send)
        };
        self.put_state(path, key_groups, size, encode).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_rewritten_when_it_is_long_or_mostly_dead() {
        let chain = |length: usize, rows| {
            let file =
                StateFile { path: String::new(), rows, bytes: 1, key_groups: KeyGroups::ALL };
            vec![file; length]
        };
        for (length, rows, live, expected) in [
            (1, 1_000_000, 0, false),
            (4, 100_000, 150_000, true),
            (4, 100_000, 259_000, true),
            (4, 100_000, 260_000, false),
            (10, 100, 0, false),
            (63, 1, 63, false),
            (64, 1, 64, true),
        ] {
            let merged = when_to_merge(&chain(length, rows), live);
            assert_eq!(merged, expected, "{length} files of {rows} rows, {live} live");
        }
    }
}
