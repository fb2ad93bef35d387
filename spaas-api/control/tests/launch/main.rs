//! The launcher of processes passes the checks that every launcher must pass, with real processes.
//!
//! This program is both the test and the workers that it starts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use millrace_control::Launcher;
use millrace_control::launch::conformance::{CHECKS, Make, scripted_worker};
use millrace_control::launch::process::{LogLimits, ProcessLauncher, ProcessSettings};
use millrace_events::SystemClock;

/// First argument of a worker.
const WORKER: &str = "worker";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [worker, flag, file] = args.as_slice()
        && worker == WORKER
        && flag == "--assignment"
    {
        return scripted_worker(Path::new(file));
    }
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|f| name.contains(*f));
    let mut failed = 0;
    for (name, check) in CHECKS.iter().filter(|(name, _)| chosen(name)) {
        let ok = run(*check);
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
        failed += u32::from(!ok);
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(check: millrace_control::launch::conformance::Check) -> bool {
    // Sockets need a short path, which the usual folder for temporary files may not have.
    let folder = tempfile::tempdir_in("/tmp").expect("a folder");
    let make = make(folder.path().to_owned());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(check(make));
    })
    .join()
    .is_ok()
}

fn make(folder: PathBuf) -> Make {
    Arc::new(move || {
        let program = std::env::current_exe().expect("this program");
        let mut settings =
            ProcessSettings::new(program, vec![WORKER.to_owned()], folder.join("runs"));
        // Small, so that logs are put aside while they are followed.
        settings.log = LogLimits { bytes: 300, files: 200 };
        let clock = Arc::new(SystemClock::default());
        Arc::new(ProcessLauncher::new(settings, clock).expect("a launcher")) as Arc<dyn Launcher>
    })
}
