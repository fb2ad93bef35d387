//! The mistakes in a job's text, for people and for programs.

use std::path::Path;

use serde_json::{Value, json};

use millrace_plan::SqlError;

/// All of them for a person, each with its place in the file.
pub(super) fn for_people(job: &Path, mistakes: &[SqlError]) -> String {
    let one = |mistake: &SqlError| {
        let (line, column) = (mistake.line, mistake.column);
        // The first line repeats the place in words; an editor opens `file:line:column`.
        let text = mistake.to_string();
        let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
        format!("{}:{line}:{column}: {}\n{rest}", job.display(), mistake.message)
    };
    mistakes.iter().map(one).collect::<Vec<_>>().join("\n\n")
}

/// All of them for a program.
pub(super) fn for_programs(mistakes: &[SqlError]) -> Value {
    let one = |mistake: &SqlError| {
        json!({
            "line": mistake.line,
            "column": mistake.column,
            "width": mistake.width,
            "source_line": mistake.source_line,
            "message": mistake.message,
            "hint": mistake.hint,
        })
    };
    mistakes.iter().map(one).collect()
}

/// `1 mistake`, `2 mistakes`.
pub(super) fn count(mistakes: &[SqlError]) -> String {
    if mistakes.len() == 1 {
        "1 mistake".to_owned()
    } else {
        format!("{} mistakes", mistakes.len())
    }
}
