//! Where the `millrace` binary under test is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::tidy::repository;

/// The binary to test: `MILLRACE_BIN`, or the one beside the test, built when it is missing or
/// older than its sources; `cargo test --workspace` has built it already, for the tests in
/// `millrace/`.
///
/// # Panics
/// When it cannot be built.
pub fn millrace_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = std::env::var_os("MILLRACE_BIN") {
            return named.into();
        }
        // …/target/debug/deps/test-0123 → …/target/debug
        let test = std::env::current_exe().expect("a test has a path");
        let folder = test.ancestors().nth(2).expect("tests run in target/<profile>/deps");
        let binary = folder.join("millrace");
        if !is_current(&binary) {
            build(folder);
        }
        binary
    })
}

/// Cargo as a shell would run it. What the outer cargo told this test about itself
/// (`CARGO_MANIFEST_DIR` and the like) would make build scripts run again, here and then in the
/// next outer cargo, and with them half of the dependencies.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let told = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_", "OUT_DIR"];
        if told.iter().any(|told| name.as_encoded_bytes().starts_with(told.as_bytes())) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Builds with the features of the whole workspace, which are those that `cargo test --workspace`
/// built everything else with. Cargo's own lock lets one of several tests do the work.
fn build(folder: &Path) {
    let target = folder.parent().expect("a profile lies in the target folder");
    let mut cargo = cargo();
    cargo.args(["build", "--quiet", "--workspace", "--bin", "millrace"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo
        .current_dir(repository())
        .env("CARGO_TARGET_DIR", target)
        .status()
        .expect("cargo is there: it ran this test");
    assert!(status.success(), "`millrace` does not build");
}

/// Whether `binary` is newer than every source it is made of.
fn is_current(binary: &Path) -> bool {
    let Ok(built) = binary.metadata().and_then(|m| m.modified()) else { return false };
    let rooms = [
        "events",
        "bus",
        "sinks",
        "router",
        "processors",
        "spaas-api",
        "jobs",
        "services",
        "millrace",
    ];
    rooms.iter().all(|room| newest(&repository().join(room)).is_none_or(|newest| newest <= built))
}

fn newest(path: &Path) -> Option<SystemTime> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).ok()?;
        return entries.flatten().filter_map(|entry| newest(&entry.path())).max();
    }
    let is_source = path.extension().is_some_and(|e| e == "rs" || e == "toml");
    if is_source { path.metadata().and_then(|m| m.modified()).ok() } else { None }
}
