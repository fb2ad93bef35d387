//! The rules for one file.

use std::fmt;

use super::lexer::{blank, functions};

/// A broken rule: where, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// File, relative to the repository.
    pub path: String,
    /// Line, counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong and what to do.
    pub what: String,
}

impl Fault {
    /// A fault in `line` of `path`.
    pub fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Lines of code a file may have, without comments and without its unit tests.
const CODE_LINES: usize = 500;
/// Lines a file may have, whatever they are.
const ALL_LINES: usize = 800;
/// Lines a function may have.
const FUNCTION_LINES: usize = 70;
/// Columns a line may have.
const COLUMNS: usize = 100;
/// Columns of a line with a text literal in it, which no formatter breaks.
const COLUMNS_WITH_TEXT: usize = 120;

/// Code that says work was left undone or a test does not run. Split, or this file would say so
/// too.
const UNFINISHED: [&str; 4] = ["todo!(", "unimplemented!(", "#[ignore", "dbg!("];
/// Words that say the same in comments.
const UNFINISHED_WORDS: [&str; 3] =
    [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X:")];

/// Faults of a Rust file.
pub fn rust_faults(path: &str, source: &str) -> Vec<Fault> {
    let blanked = blank(source);
    let mut faults = size_faults(path, source, &blanked);
    if !source.starts_with("//! ") {
        faults.push(Fault::new(path, 1, "the file does not open with a `//!` sentence"));
    }
    for (number, line) in (1..).zip(blanked.lines()) {
        for mark in UNFINISHED.iter().filter(|mark| line.contains(*mark)) {
            faults.push(Fault::new(path, number, format!("`{mark}` is not for this repository")));
        }
    }
    // A crate of one file has nothing to map.
    let has_rooms = blanked.lines().any(|line| line.starts_with("mod "));
    if path.ends_with("/src/lib.rs") && has_rooms {
        faults.extend(map_faults(path, &blanked));
    }
    faults.extend(silent_faults(path, source, &blanked));
    faults
}

/// Lints that are switched off without saying why.
fn silent_faults(path: &str, source: &str, blanked: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (number, (line, code)) in (1..).zip(source.lines().zip(blanked.lines())) {
        let switches = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
        if !switches.iter().any(|switch| code.contains(switch)) {
            continue;
        }
        let rest = source.lines().skip(number - 1);
        let ends = |line: &&str| !line.contains(")]");
        let gives_reason =
            line.contains("reason =") || rest.take_while(ends).any(|l| l.contains("reason ="));
        if !gives_reason {
            faults.push(Fault::new(path, number, "a lint is switched off without a `reason`"));
        }
    }
    faults
}

fn size_faults(path: &str, source: &str, blanked: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let all = source.lines().count();
    if all > ALL_LINES {
        faults.push(Fault::new(path, 0, format!("{all} lines, {ALL_LINES} at most: split it")));
    }
    let tests = blanked.find("#[cfg(test)]\nmod ").unwrap_or(blanked.len());
    let code = blanked[..tests].lines().filter(|line| !line.trim().is_empty()).count();
    if code > CODE_LINES {
        let what = format!("{code} lines of code, {CODE_LINES} at most: split it");
        faults.push(Fault::new(path, 0, what));
    }
    for f in functions(blanked) {
        let lines = f.last + 1 - f.first;
        if lines > FUNCTION_LINES {
            let what = format!("`{}` has {lines} lines, {FUNCTION_LINES} at most", f.name);
            faults.push(Fault::new(path, f.first, what));
        }
    }
    for (number, (line, code)) in (1..).zip(source.lines().zip(blanked.lines())) {
        let has_text = line.chars().zip(code.chars()).any(|(was, is)| is == 'x' && was != 'x');
        let most = if has_text { COLUMNS_WITH_TEXT } else { COLUMNS };
        let columns = line.chars().count();
        if columns > most {
            faults.push(Fault::new(path, number, format!("{columns} columns, {most} at most")));
        }
    }
    faults
}

/// `lib.rs` is only a map: docs, `mod`, `pub use`.
fn map_faults(path: &str, blanked: &str) -> Vec<Fault> {
    let items = ["fn ", "struct ", "enum ", "impl ", "trait ", "static ", "const "];
    let is_item = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let line = line.strip_prefix("async ").unwrap_or(line);
        items.iter().any(|item| line.starts_with(item))
    };
    (1..)
        .zip(blanked.lines())
        .filter(|(_, line)| is_item(line))
        .map(|(number, _)| Fault::new(path, number, "lib.rs is only a map: move the item out"))
        .collect()
}

/// Places that mean something on one machine only.
const PRIVATE: [&str; 8] = [
    concat!("/wo", "rk/"),
    concat!("/fa", "rm"),
    concat!("/ro", "ot/"),
    concat!("index.", "crates.io"),
    concat!("pypi", ".org"),
    concat!("files.pythonhosted", ".org"),
    concat!("repo", "1.maven.org"),
    concat!("repo.maven", ".apache.org"),
];

/// Faults any text file can have.
pub fn text_faults(path: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for place in PRIVATE.iter().filter(|place| line.contains(*place)) {
            faults.push(Fault::new(path, number, format!("`{place}` is not for this repository")));
        }
        for word in UNFINISHED_WORDS.iter().filter(|word| line.contains(*word)) {
            faults.push(Fault::new(path, number, format!("`{word}`: finish it or file an issue")));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        faults.push(Fault::new(path, 0, "the last line does not end"));
    }
    faults
}

/// Faults of the `Cargo.toml` of a member of the workspace.
pub fn manifest_faults(path: &str, manifest: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !manifest.contains("[lints]\nworkspace = true") {
        faults.push(Fault::new(path, 0, "the workspace's lints are not taken over"));
    }
    let mut in_dependencies = false;
    for (number, line) in (1..).zip(manifest.lines()) {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
        } else if in_dependencies && line.contains('=') && !line.contains("workspace = true") {
            let what = "the version belongs into the root Cargo.toml";
            faults.push(Fault::new(path, number, what));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(faults: Vec<Fault>) -> String {
        faults.into_iter().map(|f| f.to_string() + "\n").collect()
    }

    #[test]
    fn a_tidy_file_has_no_faults() {
        let source = "//! Does one thing.\n\n/// Adds.\npub fn add(a: u8) -> u8 {\n    a + 1\n}\n";
        assert_eq!(rust_faults("events/src/add.rs", source), []);
    }

    #[test]
    fn every_rule_finds_its_breach() {
        let long = "x".repeat(101);
        let function = "    work();\n".repeat(69);
        let source = format!("use a;\nfn f() {{\n{function}}}\nfn g() {{ todo!() }}\n// {long}\n");
        let faults = whats(rust_faults("a/src/b.rs", &source));
        for what in ["does not open with", "`f` has 71 lines", "`todo!(`", "104 columns"] {
            assert!(faults.contains(what), "{what} in\n{faults}");
        }
        let code = format!("//! Long.\n{}", "a();\n".repeat(501));
        assert!(whats(rust_faults("a/src/b.rs", &code)).contains("501 lines of code"));
        let tests =
            format!("//! Tested.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "a();\n".repeat(600));
        assert_eq!(rust_faults("a/src/b.rs", &tests), []);
    }

    #[test]
    fn a_lint_is_switched_off_with_a_reason_only() {
        let file = |switch: &str| format!("//! Doc.\n\n{switch}\nfn f() {{}}\n");
        let silent = file("#[allow(dead_code)]");
        assert!(whats(rust_faults("a/src/b.rs", &silent)).contains("b.rs:3: a lint"));
        for spoken in [
            "#[expect(dead_code, reason = \"r\")]",
            "#![allow(\n    dead_code,\n    reason = \"r\"\n)]",
        ] {
            assert_eq!(rust_faults("a/src/b.rs", &file(spoken)), [], "{spoken}");
        }
    }

    #[test]
    fn a_map_holds_no_items() {
        let faults = rust_faults("a/src/lib.rs", "//! Map.\n\nmod a;\n\npub fn f() {}\n");
        assert_eq!(whats(faults), "a/src/lib.rs:5: lib.rs is only a map: move the item out\n");
    }

    #[test]
    fn places_on_one_machine_are_found() {
        let text = format!("see {}\n{}", concat!("/wo", "rk/x"), concat!("FIX", "ME"));
        assert_eq!(text_faults("README.md", &text).len(), 3);
    }

    #[test]
    fn a_member_takes_versions_and_lints_from_the_workspace() {
        let good = "[lints]\nworkspace = true\n\n[dependencies]\nbytes.workspace = true\n";
        assert_eq!(manifest_faults("a/Cargo.toml", good), []);
        let bad = "[dependencies]\nbytes = \"1\"\n";
        assert_eq!(manifest_faults("a/Cargo.toml", bad).len(), 2);
    }
}
