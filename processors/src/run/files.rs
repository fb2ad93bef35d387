//! State files, until the state crate writes its own.

use std::collections::HashMap;
use std::path::PathBuf;

use object_store::{ObjectStoreExt, PutPayload};

use millrace_state::{
    CheckpointStore, Frozen, Key, KeyGroup, KeyGroups, StateError, StateFile, Table, hash,
};

#[derive(Debug, Clone, Default)]
pub struct StateMemory;

impl StateMemory {
    pub(crate) fn new(_: usize, _: Option<PathBuf>) -> Self {
        Self
    }
}

pub(crate) fn when_to_merge(_: &[StateFile]) -> bool {
    false
}

pub(crate) async fn merge_state_files(
    _: &CheckpointStore,
    files: &[StateFile],
    _: &str,
) -> Result<StateFile, StateError> {
    Ok(files[0].clone())
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).expect("short").to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let len = u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes")) as usize;
    let value = &bytes[4..4 + len];
    *bytes = &bytes[4 + len..];
    value
}

pub(crate) async fn write_state_file(
    store: &CheckpointStore,
    path: &str,
    tables: Vec<(String, String, Frozen)>,
) -> Result<Option<StateFile>, StateError> {
    let (mut out, mut rows) = (Vec::new(), 0);
    for (operator, table, frozen) in tables {
        for namespace in frozen.dropped() {
            put(&mut out, operator.as_bytes());
            put(&mut out, table.as_bytes());
            out.push(0);
            out.extend_from_slice(&namespace.to_le_bytes());
        }
        for change in frozen.changes() {
            rows += 1;
            put(&mut out, operator.as_bytes());
            put(&mut out, table.as_bytes());
            out.push(1);
            out.extend_from_slice(&change.namespace.to_le_bytes());
            out.extend_from_slice(&change.group.0.to_le_bytes());
            put(&mut out, change.key);
            put(&mut out, change.value.unwrap_or_default());
        }
    }
    if out.is_empty() {
        return Ok(None);
    }
    let bytes = out.len() as u64;
    let put = store.store().put(&store.path(path), PutPayload::from(out)).await;
    put.map_err(|e| StateError::store(format!("writing {path}"), e))?;
    Ok(Some(StateFile { path: path.to_owned(), rows, bytes, key_groups: KeyGroups::ALL }))
}

pub(crate) async fn read_state_files(
    store: &CheckpointStore,
    files: &[StateFile],
    groups: KeyGroups,
    _: &StateMemory,
) -> Result<HashMap<(String, String), Table>, StateError> {
    let mut tables: HashMap<(String, String), Table> = HashMap::new();
    for file in files {
        let failed = |e| StateError::store(format!("reading {}", file.path), e);
        let bytes = store.store().get(&store.path(&file.path)).await.map_err(failed)?;
        let bytes = bytes.bytes().await.map_err(failed)?;
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            let operator = String::from_utf8_lossy(take(&mut rest)).into_owned();
            let name = String::from_utf8_lossy(take(&mut rest)).into_owned();
            let table = tables.entry((operator, name.clone())).or_insert_with(|| Table::new(name));
            let kind = rest[0];
            let namespace = i64::from_le_bytes(rest[1..9].try_into().expect("8 bytes"));
            rest = &rest[9..];
            if kind == 0 {
                table.drop_namespace(namespace)?;
                continue;
            }
            let group = KeyGroup(u16::from_le_bytes(rest[..2].try_into().expect("2 bytes")));
            rest = &rest[2..];
            let key = take(&mut rest);
            let value = take(&mut rest);
            if groups.contains(group) && file.key_groups.contains(group) {
                table.put(namespace, Key { group, hash: hash(key), bytes: key }, value)?;
            }
        }
    }
    for table in tables.values_mut() {
        table.freeze();
    }
    Ok(tables)
}
