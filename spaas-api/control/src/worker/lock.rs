//! The lock that a living worker holds, and what it says of its holder.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Pause between two tries of a lock.
const PAUSE: Duration = Duration::from_millis(10);
/// Tries for a lock that seems held: a probe holds it for a moment too, and the last worker may
/// just be leaving.
const TRIES: u32 = 200;
/// Looks at a held lock until it names its holder, which writes its name right after taking it.
const LOOKS: u32 = 20;

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Id of the run.
    pub(crate) run: String,
    /// Its process.
    pub(crate) pid: u32,
    /// When that process started, as the kernel counts; two processes of one number differ in it.
    pub(crate) started: u64,
}

impl Holder {
    /// This process, on behalf of `run`.
    pub(crate) fn this_process(run: &str) -> Self {
        let pid = std::process::id();
        Self { run: run.to_owned(), pid, started: start_time(pid).unwrap_or_default() }
    }

    /// Whether the process is the one that is meant, and lives.
    pub(crate) fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        let holder = Self {
            run: words.next()?.to_owned(),
            pid: words.next()?.parse().ok()?,
            started: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(holder)
    }
}

/// Field 22 of `/proc/PID/stat`: when the process started. `None` if there is none, or if only its
/// parent has yet to hear of its end.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may itself hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Takes the lock; `None` if somebody keeps it. May wait for two seconds.
pub(crate) fn take(path: &Path) -> io::Result<Option<File>> {
    let file = open(path)?;
    for _ in 0..TRIES {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Writes who holds the lock into the locked `file`.
pub(crate) fn sign(file: &File, holder: &Holder) -> io::Result<()> {
    let text = format!("{} {} {}\n", holder.run, holder.pid, holder.started);
    file.set_len(0)?;
    file.write_all_at(text.as_bytes(), 0)
}

/// Whether somebody holds the lock at this moment.
pub(crate) fn is_held(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    // A shared lock, so that two who look do not take each other for a worker.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Who holds the lock; `None` if nobody does. May wait a fifth of a second for a holder to sign.
pub(crate) fn holder(path: &Path) -> io::Result<Option<Holder>> {
    for _ in 0..LOOKS {
        if !is_held(path)? {
            return Ok(None);
        }
        let mut text = String::new();
        File::open(path)?.read_to_string(&mut text)?;
        match Holder::parse(&text) {
            // What the last holder wrote stays until the next one signs.
            Some(holder) if holder.is_alive() => return Ok(Some(holder)),
            _ => std::thread::sleep(PAUSE),
        }
    }
    if is_held(path)? {
        let what = format!("{} is held by a process that does not say who it is", path.display());
        return Err(io::Error::other(what));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder_who_can_be_seen_from_outside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert_eq!(holder(&path).unwrap(), None);
        let lock = take(&path).unwrap().expect("nobody holds it");
        let me = Holder::this_process("run-1");
        sign(&lock, &me).unwrap();
        assert_eq!(holder(&path).unwrap(), Some(me.clone()));
        assert!(take(&path).unwrap().is_none());
        drop(lock);
        assert_eq!(holder(&path).unwrap(), None);
        let again = take(&path).unwrap().expect("it was given back");
        let other = Holder { run: "r".into(), ..me };
        sign(&again, &other).unwrap();
        assert_eq!(holder(&path).unwrap(), Some(other));
    }

    #[test]
    fn a_holder_that_is_not_alive_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = take(&path).unwrap().expect("nobody holds it");
        let me = Holder::this_process("run-1");
        sign(&lock, &Holder { started: me.started + 1, ..me }).unwrap();
        assert!(holder(&path).unwrap_err().to_string().contains("does not say who"));
    }

    #[test]
    fn what_is_half_written_names_nobody() {
        for text in ["", "run-1", "run-1 17", "run-1 17 99", "run-1 17 99\n9\n", "a b c\n"] {
            assert_eq!(Holder::parse(text), None, "{text:?}");
        }
        let whole = Holder { run: "run-1".into(), pid: 17, started: 99 };
        assert_eq!(Holder::parse("run-1 17 99\n"), Some(whole));
    }
}
