//! Files that are there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// Whether an id may be part of a file name as it is.
pub(crate) fn is_plain_name(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=64).contains(&id.len()) && id.chars().all(plain)
}

/// Creates the file, readable by its owner alone; `AlreadyExists` if it is there.
pub(crate) fn create_once(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link, unlike a rename, does not replace what is there.
    with_temporary(path, bytes, |temporary| std::fs::hard_link(temporary, path))
}

/// Creates or replaces the file, readable by its owner alone.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    with_temporary(path, bytes, |temporary| std::fs::rename(temporary, path))
}

fn with_temporary(
    path: &Path,
    bytes: &[u8],
    place: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let temporary = folder.join(format!(".{}", Uuid::new_v4().simple()));
    let written = (|| {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        place(&temporary)?;
        File::open(&folder)?.sync_all()
    })();
    // After a rename it is not there any more.
    let _ = std::fs::remove_file(&temporary);
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_word_stands_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("end");
        create_once(&path, b"first").unwrap();
        let again = create_once(&path, b"second").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        replace(&path, b"third").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"third");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn ids_that_lead_elsewhere_are_no_file_names() {
        for id in ["", "..", "a/b", "a.b", "a b", "ä", &"x".repeat(65)] {
            assert!(!is_plain_name(id), "{id}");
        }
        assert!(is_plain_name("0198c0de-7a00-7000-8000-000000000001"));
    }
}
