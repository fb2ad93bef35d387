//! One control plane for each data folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context, bail};

/// Held for as long as the control plane lives; the kernel gives it back however it dies.
#[derive(Debug)]
pub(crate) struct Alone {
    _lock: File,
}

impl Alone {
    /// Takes the folder, or says that it is taken.
    pub(crate) fn on(data: &Path) -> anyhow::Result<Self> {
        let path = data.join("up.lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.with_context(|| format!("open {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "another platform runs on {}: end it, or choose another folder with --data",
                data.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("lock {}", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_control_plane() {
        let folder = tempfile::tempdir().unwrap();
        let first = Alone::on(folder.path()).unwrap();
        let error = Alone::on(folder.path()).unwrap_err().to_string();
        assert!(error.contains("another platform runs"), "{error}");
        drop(first);
        Alone::on(folder.path()).unwrap();
    }
}
