//! The folder of one job, and what its files say.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::atomic::{create_once, replace};
use crate::model::RunEnd;
use crate::worker::lock::{self, Holder};
use crate::worker::{Launch, files};

/// Most bytes of a Unix socket's path; the kernel has 108 with the zero at the end.
const SOCKET_PATH: usize = 107;
/// Hexadecimal digits of a folder's name.
const DIGITS: usize = 12;
/// Runs of a job whose files are kept.
const KEPT_RUNS: usize = 10;

/// The folder of one job.
#[derive(Debug, Clone)]
pub(super) struct Place(PathBuf);

/// What the files say of a run.
#[derive(Debug)]
pub(super) struct Look {
    /// Who holds the job's lock.
    pub(super) holder: Option<Holder>,
    /// How the run ended; only looked for when nobody holds the lock.
    pub(super) end: Option<RunEnd>,
    /// Whether the run began.
    pub(super) begun: bool,
}

/// Says why `folder` cannot hold the folders of jobs, if so.
pub(super) fn check_length(folder: &Path) -> Result<(), String> {
    let socket = folder.join("0".repeat(DIGITS)).join(files::SOCKET);
    let bytes = socket.as_os_str().len();
    if bytes <= SOCKET_PATH {
        return Ok(());
    }
    let most = folder.as_os_str().len() - (bytes - SOCKET_PATH);
    Err(format!("the path has to be {most} bytes long at most: sockets are made in it"))
}

impl Place {
    /// The folder of `job` under `root`, which may not be there yet. Its name is a hash because
    /// names of jobs are long and paths of sockets are short.
    pub(super) fn of(root: &Path, job: &str) -> Self {
        let mut name = hex::encode(Sha256::digest(job));
        name.truncate(DIGITS);
        Self(root.join(name))
    }

    /// Path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Last part of the folder's path.
    pub(super) fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Makes the folder, for its owner alone, and says in it whose it is.
    pub(super) fn make(&self, job: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let name = self.file("name");
        if name.exists() { Ok(()) } else { replace(&name, format!("{job}\n").as_bytes()) }
    }

    /// Removes the folder.
    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Who holds the lock.
    pub(super) fn holder(&self) -> io::Result<Option<Holder>> {
        lock::holder(&self.file(files::LOCK))
    }

    /// Whether anybody holds the lock.
    pub(super) fn is_held(&self) -> io::Result<bool> {
        lock::is_held(&self.file(files::LOCK))
    }

    /// What there is of `run`.
    pub(super) fn look(&self, run: &str) -> io::Result<Look> {
        // The lock first: a worker leaves its end before it gives up the lock.
        let holder = self.holder()?;
        let end = if holder.is_none() { self.end(run)? } else { None };
        Ok(Look { holder, end, begun: self.has_begun(run) })
    }

    fn end(&self, run: &str) -> io::Result<Option<RunEnd>> {
        match std::fs::read(self.file(&files::end(run))) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the run began or was cancelled.
    pub(super) fn has_begun(&self, run: &str) -> bool {
        self.file(&files::begun(run)).exists()
    }

    /// Makes sure that the run never begins; `false` if it has begun.
    pub(super) fn cancel(&self, run: &str) -> io::Result<bool> {
        written_once(create_once(&self.file(&files::begun(run)), b"cancelled"))
    }

    /// Leaves word of how the run ended, unless there is one.
    pub(super) fn leave_end(&self, run: &str, end: &RunEnd) -> io::Result<()> {
        let text = serde_json::to_vec(end)?;
        written_once(create_once(&self.file(&files::end(run)), &text)).map(drop)
    }

    /// Writes what the run's worker is started with; returns the file.
    pub(super) fn write_launch(&self, launch: &Launch) -> io::Result<PathBuf> {
        let path = self.file(&files::assignment(&launch.assignment.run));
        replace(&path, &serde_json::to_vec(launch)?)?;
        Ok(path)
    }

    /// Removes the files of all but the newest runs.
    pub(super) fn prune(&self) -> io::Result<()> {
        let mut runs = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // The ids of runs have no dots, which leaves out how runs ended.
            if let Some(run) = name.strip_suffix(".json").filter(|run| !run.contains('.')) {
                let written = entry.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                runs.push((written, run.to_owned()));
            }
        }
        runs.sort();
        let old = runs.len().saturating_sub(KEPT_RUNS);
        for (_, run) in &runs[..old] {
            // What says that the run began goes last: without the assignment nobody begins it.
            for file in [files::assignment(run), files::end(run), files::begun(run)] {
                let _ = std::fs::remove_file(self.file(&file));
            }
        }
        Ok(())
    }
}

/// `false` if another was first.
fn written_once(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_whose_sockets_would_have_too_long_a_path_is_refused_with_the_most_it_may_have() {
        let fits = PathBuf::from(format!("/{}", "x".repeat(86)));
        assert_eq!(check_length(&fits), Ok(()));
        let why = check_length(&fits.join("more")).unwrap_err();
        assert!(why.contains("87 bytes long at most"), "{why}");
    }

    #[test]
    fn jobs_have_folders_of_their_own_whatever_they_are_called() {
        let root = Path::new("/runs");
        let long = "a".repeat(100);
        let names: std::collections::BTreeSet<_> =
            ["a", "b", "../a", "a--b", long.as_str()].map(|job| Place::of(root, job).0).into();
        assert_eq!(names.len(), 5);
        assert!(
            names.iter().all(|path| path.parent() == Some(root) && path.as_os_str().len() == 18)
        );
    }

    #[test]
    fn files_of_old_runs_go_and_those_of_new_ones_stay() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::of(root.path(), "job");
        place.make("job").unwrap();
        for run in 0..KEPT_RUNS + 2 {
            let run = format!("run-{run:02}");
            std::fs::write(place.file(&files::assignment(&run)), "{}").unwrap();
            place.cancel(&run).unwrap();
            place.leave_end(&run, &RunEnd::Finished).unwrap();
            // File times are coarse.
            std::thread::sleep(std::time::Duration::from_millis(8));
        }
        place.prune().unwrap();
        assert!(!place.has_begun("run-00") && !place.has_begun("run-01"));
        assert_eq!(place.look("run-00").unwrap().end, None);
        assert_eq!(place.look("run-02").unwrap().end, Some(RunEnd::Finished));
        assert!(place.file("name").exists());
    }
}
