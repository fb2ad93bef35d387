//! The files of the repository, as git knows them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Every file under version control.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    paths: BTreeSet<String>,
}

/// The root of the repository this crate was built from.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate has a folder").to_owned()
}

impl Tree {
    /// Asks git for the files under `root` that are still there.
    pub fn of(root: PathBuf) -> Result<Self> {
        let output = Command::new("git")
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .current_dir(&root)
            .output()
            .context("tidy needs git")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let paths = String::from_utf8(output.stdout).context("paths are UTF-8")?;
        let there = |path: &&str| !path.is_empty() && root.join(path).is_file();
        let paths = paths.split('\0').filter(there).map(str::to_owned).collect();
        Ok(Self { root, paths })
    }

    /// Paths that end with `suffix`, relative to the root.
    pub fn ending<'a>(&'a self, suffix: &'a str) -> impl Iterator<Item = &'a str> {
        self.paths.iter().map(String::as_str).filter(move |path| path.ends_with(suffix))
    }

    /// The text of `path`; `None` if it is not text.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let bytes = std::fs::read(self.root.join(path)).with_context(|| path.to_owned())?;
        Ok(String::from_utf8(bytes).ok())
    }

    /// The folders that a reader enters and finds files in: the top-level ones, and those of
    /// `deploy` and `jobs`.
    pub fn rooms(&self) -> BTreeSet<&str> {
        let visible = self.paths.iter().filter(|path| !path.starts_with('.'));
        let folders = visible.filter_map(|path| path.rsplit_once('/')).map(|(folder, _)| folder);
        folders
            .filter(|folder| match folder.split_once('/') {
                None => true,
                Some((parent, name)) => matches!(parent, "deploy" | "jobs") && !name.contains('/'),
            })
            .collect()
    }

    /// Whether `path` is there.
    pub fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }
}
