//! Entries of a Delta log: the actions we write, and the parts of anybody's actions we read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Highest protocol a table may demand of us: append-only writing needs no table features.
const READER_VERSION: i32 = 1;
const WRITER_VERSION: i32 = 2;

/// One line of a log entry, as written.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Action {
    CommitInfo(CommitInfo),
    Protocol(Protocol),
    MetaData(MetaData),
    Txn(Txn),
    Add(Add),
}

/// Provenance of a commit; the ids make it recognisable when its outcome was not reported.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommitInfo {
    pub(crate) timestamp: i64,
    pub(crate) operation: &'static str,
    pub(crate) operation_parameters: BTreeMap<String, String>,
    pub(crate) is_blind_append: bool,
    pub(crate) engine_info: &'static str,
    pub(crate) millrace_writer: String,
    pub(crate) millrace_commit: String,
}

/// How far an application got.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Txn {
    pub(crate) app_id: String,
    pub(crate) version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_updated: Option<i64>,
}

/// A data file of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Add {
    pub(crate) path: String,
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
    pub(crate) size: u64,
    pub(crate) modification_time: i64,
    pub(crate) data_change: bool,
    pub(crate) stats: String,
}

/// File format of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Format {
    pub(crate) provider: String,
    #[serde(default)]
    pub(crate) options: BTreeMap<String, Option<String>>,
}

/// Schema and properties of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetaData {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) format: Format,
    pub(crate) schema_string: String,
    #[serde(default)]
    pub(crate) partition_columns: Vec<String>,
    #[serde(default)]
    pub(crate) configuration: BTreeMap<String, Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_time: Option<i64>,
}

/// What a reader and a writer of the table must understand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub(crate) min_reader_version: i32,
    pub(crate) min_writer_version: i32,
}

impl Protocol {
    /// The protocol of tables we create.
    pub(crate) fn ours() -> Self {
        Self { min_reader_version: READER_VERSION, min_writer_version: WRITER_VERSION }
    }

    /// Whether we may write to a table with this protocol.
    pub(crate) fn is_ours(&self) -> bool {
        self.min_reader_version <= READER_VERSION && self.min_writer_version <= WRITER_VERSION
    }
}

/// What we read of one line; everything else a line may hold is skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Line {
    pub(crate) commit_info: Option<SeenCommit>,
    pub(crate) txn: Option<Txn>,
    pub(crate) meta_data: Option<MetaData>,
    pub(crate) protocol: Option<Protocol>,
}

/// The id we gave a commit; another engine's has none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeenCommit {
    #[serde(default)]
    pub(crate) millrace_commit: Option<Value>,
}

/// `actions` as the bytes of a log entry.
pub(crate) fn entry(actions: &[Action]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(actions.len() * 256);
    for action in actions {
        serde_json::to_writer(&mut bytes, action).expect("actions hold only strings and numbers");
        bytes.push(b'\n');
    }
    bytes
}

/// The lines of a log entry.
pub(crate) fn lines(entry: &[u8]) -> Result<Vec<Line>, serde_json::Error> {
    entry
        .split(|b| *b == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .map(serde_json::from_slice)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_other_engines_are_skipped_not_refused() {
        let foreign =
            br#"{"commitInfo":{"timestamp":1,"operation":"MERGE","operationMetrics":{"x":1}}}
{"remove":{"path":"a","deletionTimestamp":1,"dataChange":true}}
{"domainMetadata":{"domain":"d","configuration":"{}","removed":false}}

{"txn":{"appId":"a","version":7}}"#;
        let lines = lines(foreign).expect("parses");
        assert_eq!(lines.len(), 4);
        assert!(lines[0].commit_info.as_ref().expect("present").millrace_commit.is_none());
        assert_eq!(lines[3].txn.as_ref().expect("present").version, 7);
    }

    #[test]
    fn an_entry_is_one_action_a_line() {
        let txn = Txn { app_id: "a\nb".into(), version: 1, last_updated: Some(2) };
        let bytes = entry(&[Action::Protocol(Protocol::ours()), Action::Txn(txn)]);
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(
            text,
            "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n\
             {\"txn\":{\"appId\":\"a\\nb\",\"version\":1,\"lastUpdated\":2}}\n"
        );
    }
}
