//! The streams of a local job: declared by manifests, read from files, or both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use millrace_events::{StreamName, StreamSchema};
use millrace_plan::{Catalog, EventTimeDef, SourceDef};
use millrace_processors::connector::{FileFormat, FileSource};

use super::args::{FileArg, NamedArg};
use crate::cli::{JobTextArgs, ManifestArgs};
use crate::manifests;

/// A file never waits, so nothing is ever idle; plans want a time all the same.
const IDLE: Duration = Duration::from_secs(30);

/// A stream.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) def: SourceDef,
    /// Its rows, if some were given.
    pub(super) rows: Option<FileSource>,
}

/// Streams by name.
#[derive(Debug, Clone)]
pub(super) struct Inputs(pub(super) BTreeMap<String, Input>);

type Streams = BTreeMap<StreamName, Arc<StreamSchema>>;

impl Inputs {
    /// The streams that `args` declare or give rows for.
    pub(super) fn of(args: &JobTextArgs) -> anyhow::Result<Self> {
        let streams: Streams = match &args.manifests {
            Some(path) => manifests::load(&ManifestArgs { manifests: Some(path.clone()) })?.streams,
            None => BTreeMap::new(),
        };
        let Self(mut inputs) = Self::declared(&streams);
        for (name, (files, format)) in files(&args.inputs)? {
            let stream = streams.iter().find(|(known, _)| known.as_str() == name);
            let input = match stream {
                Some((_, stream)) => {
                    let rows = FileSource::of_stream(files, format, stream);
                    Input { def: SourceDef { bounded: true, ..declared(stream) }, rows: Some(rows) }
                }
                None => inferred(&name, files, format, args)?,
            };
            inputs.insert(name, input);
        }
        for NamedArg { name, .. } in &args.event_times {
            let declared = streams.keys().any(|known| known.as_str() == name);
            ensure!(!declared, "--event-time {name}=…: the manifest of `{name}` says it already");
            ensure!(inputs.contains_key(name), "--event-time {name}=…: add --input {name}=PATH");
        }
        Ok(Self(inputs))
    }

    /// Streams that are read from their topics.
    pub(super) fn declared(streams: &Streams) -> Self {
        let input = |stream| Input { def: declared(stream), rows: None };
        Self(streams.iter().map(|(name, stream)| (name.to_string(), input(stream))).collect())
    }

    /// The streams, and any sink that the job names.
    pub(super) fn catalog(&self) -> Catalog {
        let catalog = millrace_functions::register(Catalog::default().with_open_sinks());
        let sources = self.0.iter();
        sources.fold(catalog, |catalog, (name, input)| catalog.source(name, input.def.clone()))
    }

    /// The rows of a stream that the job reads.
    pub(super) fn rows(&self, name: &str) -> anyhow::Result<&FileSource> {
        let rows = self.0.get(name).and_then(|input| input.rows.as_ref());
        rows.with_context(|| format!("stream `{name}` has no rows: add --input {name}=PATH"))
    }
}

fn declared(stream: &StreamSchema) -> SourceDef {
    let event_time = stream.event_time.as_ref().map(|time| EventTimeDef {
        column: time.column.clone(),
        delay: time.delay,
        idle: time.idle,
    });
    SourceDef { schema: stream.arrow(), event_time, bounded: false }
}

/// A stream that only its files tell of.
fn inferred(
    name: &str,
    files: Vec<PathBuf>,
    format: FileFormat,
    args: &JobTextArgs,
) -> anyhow::Result<Input> {
    let time = args.event_times.iter().find(|time| time.name == name);
    let column = time.map(|time| time.value.clone());
    let rows = FileSource::infer(files, format, column.as_deref())
        .with_context(|| format!("stream `{name}`"))?;
    let event_time = column.map(|column| EventTimeDef { column, delay: args.delay, idle: IDLE });
    let def = SourceDef { schema: Arc::clone(rows.schema()), event_time, bounded: true };
    Ok(Input { def, rows: Some(rows) })
}

/// The files of each stream, which are all of one format.
fn files(args: &[FileArg]) -> anyhow::Result<BTreeMap<String, (Vec<PathBuf>, FileFormat)>> {
    let mut streams: BTreeMap<String, (Vec<PathBuf>, FileFormat)> = BTreeMap::new();
    for FileArg { name, path, format } in args {
        for file in in_folder(path, *format)? {
            let known = format.or_else(|| FileFormat::of(&file)).with_context(|| {
                format!("{}: which format? write --input {name}=PATH,FORMAT", file.display())
            })?;
            let stream = streams.entry(name.clone()).or_insert_with(|| (Vec::new(), known));
            ensure!(stream.1 == known, "the files of stream `{name}` have different formats");
            ensure!(!stream.0.contains(&file), "{} is given twice", file.display());
            stream.0.push(file);
        }
    }
    Ok(streams)
}

/// The file itself, or the files of the folder in order of their names: all if their format is
/// given, else those whose names tell it.
fn in_folder(path: &Path, format: Option<FileFormat>) -> anyhow::Result<Vec<PathBuf>> {
    let about = || format!("read {}", path.display());
    if !path.metadata().with_context(about)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir().with_context(about)? {
        let file = entry.with_context(about)?.path();
        let hidden = file.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let known = format.is_some() || FileFormat::of(&file).is_some();
        if !hidden && known && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        bail!("{}: no file to read; names end with .jsonl, .csv or .parquet", path.display());
    }
    files.sort();
    Ok(files)
}
