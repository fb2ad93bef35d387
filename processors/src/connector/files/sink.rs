//! A sink that writes files into a folder: whole, once, and only after their checkpoint.

use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::FileFormat;
use super::open::broken;
use super::write::RowFile;
use crate::Batch;
use crate::connector::{
    ConnectorError, Position, Prepared, SinkCommitter, SinkFactory, SinkWriter, SplitId,
};

/// Names the newest run that writes into a folder.
const GENERATION_FILE: &str = ".generation";

/// A folder of files on the local disk, one for each checkpoint and instance with rows. Takes
/// appended rows only.
///
/// A file is written under a hidden name and renamed when its checkpoint is complete, so whoever
/// reads the folder meanwhile sees each row at most once. For one machine: two runs that start in
/// the same instant are not told apart.
#[derive(Debug, Clone)]
pub struct FileSink {
    folder: PathBuf,
    format: FileFormat,
}

impl FileSink {
    /// Files of this format in this folder, which is made if it is not there.
    pub fn new(folder: impl Into<PathBuf>, format: FileFormat) -> Self {
        Self { folder: folder.into(), format }
    }
}

#[async_trait]
impl SinkFactory for FileSink {
    async fn writer(
        &self,
        instance: usize,
        generation: u64,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        make_folder(&self.folder)?;
        let sink = self.clone();
        Ok(Box::new(FileWriter { sink, instance, generation, files: 0, open: None }))
    }

    async fn committer(&self, generation: u64) -> Result<Box<dyn SinkCommitter>, ConnectorError> {
        make_folder(&self.folder)?;
        fence(&self.folder, generation)?;
        let path = self.folder.join(GENERATION_FILE);
        let new = self.folder.join(format!("{GENERATION_FILE}.{generation}"));
        let io = |e: std::io::Error| ConnectorError::retry(format!("write {}", path.display()), e);
        fs::write(&new, generation.to_string()).map_err(&io)?;
        fs::rename(&new, &path).map_err(&io)?;
        Ok(Box::new(FileCommitter { folder: self.folder.clone(), generation }))
    }
}

fn make_folder(folder: &Path) -> Result<(), ConnectorError> {
    fs::create_dir_all(folder)
        .map_err(|e| ConnectorError::retry(format!("make {}", folder.display()), e))
}

/// Fails if a newer run writes into the folder.
fn fence(folder: &Path, generation: u64) -> Result<(), ConnectorError> {
    let newest = fs::read_to_string(folder.join(GENERATION_FILE)).ok();
    if newest.and_then(|text| text.parse().ok()).is_some_and(|newest: u64| newest > generation) {
        return Err(ConnectorError::Fenced { sink: folder.display().to_string() });
    }
    Ok(())
}

/// A file that is written and not yet seen: both names are within the folder.
#[derive(Debug, Serialize, Deserialize)]
struct Hidden {
    hidden: String,
    name: String,
}

struct FileWriter {
    sink: FileSink,
    instance: usize,
    generation: u64,
    /// Files begun.
    files: u64,
    /// The file that rows go to, and its hidden name.
    open: Option<(RowFile, String)>,
}

impl FileWriter {
    fn failed(
        &self,
        name: &str,
    ) -> impl Fn(Box<dyn std::error::Error + Send + Sync>) -> ConnectorError {
        let what = format!("write {}", self.sink.folder.join(name).display());
        move |e| ConnectorError::retry(what.clone(), e)
    }
}

#[async_trait]
impl SinkWriter for FileWriter {
    async fn write(&mut self, batch: Batch) -> Result<(), ConnectorError> {
        if batch.kinds.as_ref().is_some_and(|kinds| kinds.values().iter().any(|kind| *kind != 0)) {
            let why = "files take only appended rows, and this query changes some";
            return Err(broken(&self.sink.folder, why));
        }
        if self.open.is_none() {
            let (generation, instance, format) = (self.generation, self.instance, self.sink.format);
            let hidden =
                format!(".part-{generation}-{instance}-{}.{}", self.files, format.extension());
            let path = self.sink.folder.join(&hidden);
            let file = RowFile::create(&path, format, batch.rows.schema());
            self.open = Some((file.map_err(self.failed(&hidden))?, hidden));
            self.files += 1;
        }
        let (file, hidden) = self.open.as_mut().expect("it was opened above");
        let written = file.write(&batch.rows);
        let hidden = hidden.clone();
        written.map_err(self.failed(&hidden))
    }

    async fn prepare(&mut self, checkpoint: u64) -> Result<Prepared, ConnectorError> {
        let Some((file, hidden)) = self.open.take() else { return Ok(Prepared::Null) };
        file.finish().map_err(self.failed(&hidden))?;
        let (generation, instance) = (self.generation, self.instance);
        let name = format!(
            "part-{checkpoint:08}-{generation}-{instance}.{}",
            self.sink.format.extension()
        );
        Ok(serde_json::to_value(Hidden { hidden, name }).expect("two texts are JSON"))
    }
}

struct FileCommitter {
    folder: PathBuf,
    generation: u64,
}

impl FileCommitter {
    fn show(&self, file: &Hidden) -> Result<(), ConnectorError> {
        let (from, to) = (self.folder.join(&file.hidden), self.folder.join(&file.name));
        if to.exists() {
            // A commit before a restart went this far.
            return Ok(());
        }
        fs::rename(&from, &to)
            .map_err(|e| ConnectorError::retry(format!("show {}", to.display()), e))
    }

    /// Removes what earlier runs wrote and no checkpoint knows of.
    fn clean(&self) -> Result<(), ConnectorError> {
        let failed =
            |e: std::io::Error| ConnectorError::retry(format!("list {}", self.folder.display()), e);
        for entry in fs::read_dir(&self.folder).map_err(&failed)? {
            let name = entry.map_err(&failed)?.file_name();
            let Some(run) = name.to_str().and_then(|name| name.strip_prefix(".part-")) else {
                continue;
            };
            let run = run.split('-').next().and_then(|run| run.parse::<u64>().ok());
            if run.is_some_and(|run| run < self.generation) {
                // Another try comes with the next checkpoint.
                let _ = fs::remove_file(self.folder.join(&name));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl SinkCommitter for FileCommitter {
    async fn commit(
        &mut self,
        _checkpoint: u64,
        _positions: &[(SplitId, Position)],
        prepared: Vec<Prepared>,
    ) -> Result<(), ConnectorError> {
        fence(&self.folder, self.generation)?;
        for file in prepared.into_iter().filter(|file| !file.is_null()) {
            let file: Hidden = serde_json::from_value(file)
                .map_err(|e| broken(&self.folder, format!("what a checkpoint says of it: {e}")))?;
            self.show(&file)?;
        }
        self.clean()
    }
}
