//! Files, folders and stdin to manifests, with the SQL files they name.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::locate::{Mistake, listing};
use super::sql_file::{self, SqlFile};
use super::yaml::{self, Spot, Tree};
use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;

/// Far above any manifest; the API takes no more at all.
const MAX_BYTES: u64 = 1 << 20;
/// Name of what came from `-`.
const STDIN: &str = "<stdin>";

/// Everything that was read, in order.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) files: Vec<File>,
}

/// A manifest file.
#[derive(Debug)]
pub(crate) struct File {
    /// As it was named.
    pub(crate) path: String,
    pub(crate) lines: Vec<String>,
    pub(crate) documents: Vec<Document>,
}

impl File {
    /// Whether none of its lines can hold a secret that somebody wrote in the open: what is told
    /// here may end in the log of a build.
    pub(crate) fn can_be_quoted(&self) -> bool {
        const WITHOUT: [&str; 4] = ["Namespace", "Stream", "Route", "Job"];
        self.documents.iter().all(|document| WITHOUT.contains(&document.kind.as_str()))
    }
}

/// A document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) tree: Tree,
    pub(crate) sql: Option<SqlFile>,
}

impl Sources {
    /// Reads what the option `-f` names.
    pub(crate) fn read(ctx: &mut Context, paths: &[PathBuf]) -> Result<Self, ClientError> {
        let mut sources = Self::default();
        let mut mistakes = Vec::new();
        for path in paths {
            sources.read_one(ctx, path, &mut mistakes)?;
        }
        if !mistakes.is_empty() {
            return Err(ClientError::Told { text: listing(&mistakes), exit: ExitKind::No });
        }
        if sources.documents().next().is_none() {
            let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
            return Err(ClientError::Failed(format!("no manifest in {}", names.join(", "))));
        }
        Ok(sources)
    }

    /// The documents with the numbers of their file and of themselves.
    pub(crate) fn documents(&self) -> impl Iterator<Item = ((usize, usize), &Document)> {
        self.files.iter().enumerate().flat_map(|(file, f)| {
            f.documents.iter().enumerate().map(move |(number, d)| ((file, number), d))
        })
    }

    fn read_one(
        &mut self,
        ctx: &mut Context,
        path: &Path,
        mistakes: &mut Vec<Mistake>,
    ) -> Result<(), ClientError> {
        let unreadable = |path: &Path, why: String| {
            ClientError::Failed(format!("{} cannot be read: {why}", path.display()))
        };
        if path == Path::new("-") {
            let mut text = String::new();
            let taken = ctx.input.by_ref().take(MAX_BYTES).read_to_string(&mut text);
            taken.map_err(|error| unreadable(Path::new(STDIN), error.to_string()))?;
            self.add(STDIN.to_owned(), &text, Path::new(""), mistakes);
            return Ok(());
        }
        let mut files = Vec::new();
        collect(path, &mut files).map_err(|error| unreadable(path, error.to_string()))?;
        for file in files {
            let text = read_text(&file).map_err(|why| unreadable(&file, why))?;
            let folder = file.parent().unwrap_or(Path::new(""));
            if file.extension().is_some_and(|e| e == "sql") {
                self.add_sql(&file, &text, mistakes);
            } else {
                self.add(file.display().to_string(), &text, folder, mistakes);
            }
        }
        Ok(())
    }

    /// A bare SQL file stands for a job of its name.
    fn add_sql(&mut self, file: &Path, text: &str, mistakes: &mut Vec<Mistake>) {
        let name = file.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let name = name.replace('.', "_").to_lowercase();
        let quoted = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
        let manifest = format!(
            "{{\"kind\": \"Job\", \"metadata\": {{\"name\": {}}}, \"spec\":\n\
             {{\"sql\": {}}}}}",
            quoted(&name),
            quoted(text),
        );
        self.add(file.display().to_string(), &manifest, Path::new(""), mistakes);
        let document = self.files.last_mut().and_then(|f| f.documents.first_mut());
        if let Some(document) = document {
            let line = (2, manifest.lines().nth(1).unwrap_or_default().to_owned());
            document.sql = Some(SqlFile { path: file.to_owned(), text: text.to_owned(), line });
        }
    }

    fn add(&mut self, path: String, text: &str, folder: &Path, mistakes: &mut Vec<Mistake>) {
        // The line breaks of YAML: "\r\n" is one, a lone "\r" is one too.
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<&str> = text.lines().collect();
        // Nobody knows yet what is declared here.
        let quoted = !text.contains("onnection") && !text.contains("secrets");
        let mistake = |(at, message, hint): (Spot, String, Option<String>)| {
            let source = lines.get(at.line.saturating_sub(1)).map(ToString::to_string);
            let source = source.filter(|_| quoted);
            Mistake { file: Some(path.clone()), at: Some(at), message, hint, source }
        };
        let trees = match yaml::documents(&text) {
            Ok(trees) => trees,
            Err((at, message)) => return mistakes.push(mistake((at, message, None))),
        };
        let mut documents = Vec::new();
        for tree in trees {
            let sql = match sql_file::read(&tree.root, &lines, folder) {
                Ok(sql) => sql,
                Err(fault) => {
                    mistakes.push(mistake(fault));
                    continue;
                }
            };
            let metadata = tree.root.get("metadata");
            let word = |name: &str| Some(metadata?.get(name)?.text()?.to_owned());
            let kind = tree.root.get("kind").and_then(|kind| kind.text()).unwrap_or_default();
            documents.push(Document {
                kind: kind.to_owned(),
                name: word("name").unwrap_or_default(),
                namespace: word("namespace"),
                sql,
                tree,
            });
        }
        let lines = lines.iter().map(ToString::to_string).collect();
        self.files.push(File { path, lines, documents });
    }
}

/// The manifests below a folder, in the order of their names; a file is taken whatever its name.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // Folders behind links are left out: they may lead back up.
        let manifest = path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if entry.file_type()?.is_dir() || manifest {
            collect(&path, files)?;
        }
    }
    Ok(())
}

fn read_text(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > MAX_BYTES {
        return Err(format!("it has {size} bytes, at most {MAX_BYTES} are taken"));
    }
    std::fs::read_to_string(file).map_err(|error| error.to_string())
}
