//! Which windows fire, and their panes merged.

use std::collections::BTreeSet;

use hashbrown::HashTable;

use millrace_plan::{WindowKind, Windows};
use millrace_state::{Key, Table, hash};

use super::emit::Fired;
use crate::operators::aggregate::AggregateSet;
use crate::{JobError, Micros};

/// Windows with rows that end after `from` and not after `to`, as (end, start), by end.
pub(crate) fn due(
    window: &WindowKind,
    panes: &[Micros],
    from: Micros,
    to: Micros,
) -> BTreeSet<(Micros, Micros)> {
    let windows = panes.iter().flat_map(|pane| window.windows_of_pane(*pane));
    windows.filter(|(_, end)| *end > from && *end <= to).map(|(start, end)| (end, start)).collect()
}

/// The last end of a window with the rows of a namespace.
pub(crate) fn last_end(windows: &Windows, namespace: Micros) -> Micros {
    match windows {
        Windows::Attached { .. } => namespace,
        Windows::Assigned { window, .. } => match *window {
            WindowKind::Tumble { size, .. } | WindowKind::Hop { size, .. } => namespace + size,
            WindowKind::Cumulate { size, offset, .. } => {
                (namespace - offset).div_euclid(size) * size + offset + size
            }
            WindowKind::Session { .. } => namespace,
        },
    }
}

/// The first end after `watermark` of a window with the rows of a namespace.
pub(crate) fn next_end(windows: &Windows, namespace: Micros, watermark: Micros) -> Option<Micros> {
    match windows {
        Windows::Attached { .. } => Some(namespace),
        Windows::Assigned { window, .. } => {
            let windows = window.windows_of_pane(namespace);
            windows.into_iter().map(|(_, end)| end).find(|end| *end > watermark)
        }
    }
}

/// Adds the groups of one namespace as they are.
pub(crate) fn take_single(
    table: &mut Table,
    namespace: Micros,
    windows: &Windows,
    fired: &mut Fired,
) -> Result<(), JobError> {
    let end = last_end(windows, namespace);
    let attached = matches!(windows, Windows::Attached { .. });
    table.scan(namespace, |_, key, state| {
        if attached {
            let (key, start) = key.split_at(key.len() - 8);
            let start = i64::from_le_bytes(start.try_into().expect("split off 8 bytes"));
            fired.push(key, (start, end), state);
        } else {
            fired.push(key, (namespace, end), state);
        }
    })?;
    Ok(())
}

/// Adds the groups of a window, each merged of its panes.
pub(crate) fn take_merged(
    table: &mut Table,
    set: &AggregateSet,
    (start, end): (Micros, Micros),
    fired: &mut Fired,
) -> Result<(), JobError> {
    let mut known: HashTable<(u64, usize)> = HashTable::new();
    let before = fired.states.len();
    let mut failure = Ok(());
    for pane in table.namespaces(start, end)? {
        table.scan(pane, |_, key, state| {
            let hash = hash(key);
            let same = |(of, group): &(u64, usize)| *of == hash && fired.keys.get(*group) == key;
            if let Some((_, group)) = known.find(hash, same) {
                let merged = set.merge_from(&mut fired.states, *group, state);
                failure = std::mem::replace(&mut failure, Ok(())).and(merged);
                return;
            }
            known.insert_unique(hash, (hash, fired.states.len()), |(hash, _)| *hash);
            fired.push(key, (start, end), state);
        })?;
    }
    debug_assert!(fired.states.len() >= before, "windows only add groups");
    failure
}

/// Moves the states of pane `from` into pane `to`.
pub(crate) fn merge_panes(
    table: &mut Table,
    set: &AggregateSet,
    from: Micros,
    to: Micros,
) -> Result<(), JobError> {
    let mut moved = set.states();
    let mut keys = Vec::new();
    table.scan(from, |group, key, state| {
        keys.push((group, key.to_vec()));
        moved.push(state);
    })?;
    for (at, (group, key)) in keys.iter().enumerate() {
        table.update(to, Key::within(*group, key), |into| set.merge_into(into, &moved, at))??;
    }
    Ok(table.drop_namespace(from)?)
}
