//! Secrets of connections: which references are followed, and their values.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use millrace_sinks::HttpHeaders;
use millrace_spec::{ConnectionKind, Manifests, SecretRef};

use crate::cli::{SecretArgs, StoreArgs};

/// Folder of secrets in the data folder, unless the operator names another.
const FOLDER: &str = "secrets";

/// Where secrets may be. Whoever may declare a connection chooses where it leads: other files of
/// the platform must not go there. Variables are limited by their names, when a manifest is read.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    folder: PathBuf,
}

impl Secrets {
    /// Secrets in files below the folder that the operator names.
    pub(crate) fn of(args: &SecretArgs, store: &StoreArgs) -> anyhow::Result<Self> {
        let folder = args.secrets.clone().unwrap_or_else(|| store.data.join(FOLDER));
        let folder = std::path::absolute(&folder)
            .with_context(|| format!("the folder of secrets {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// The folder, as an absolute path.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fails unless `reference` may be followed. Links in the folder are the operator's.
    pub(crate) fn check(&self, reference: &SecretRef) -> anyhow::Result<()> {
        if let SecretRef::File(path) = reference {
            ensure!(
                path.starts_with(&self.folder),
                "the secret {} is not below {}: move it there, or have the operator choose another \
                 folder with --secrets",
                path.display(),
                self.folder.display()
            );
        }
        Ok(())
    }

    /// The secret itself.
    fn value(&self, reference: &SecretRef) -> anyhow::Result<String> {
        self.check(reference)?;
        match reference {
            SecretRef::Env(name) => match std::env::var(name) {
                Ok(value) => Ok(value),
                Err(std::env::VarError::NotPresent) => {
                    bail!("the variable {name} is not set where the platform runs")
                }
                // The error would repeat the value.
                Err(std::env::VarError::NotUnicode(_)) => bail!("the variable {name} is not text"),
            },
            SecretRef::File(path) => {
                let text = std::fs::read_to_string(path);
                let text = text.with_context(|| format!("the secret {}", path.display()))?;
                Ok(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }

    /// Headers of the connection `name`, secrets among them.
    pub(crate) fn headers(&self, manifests: &Manifests, name: &str) -> anyhow::Result<HttpHeaders> {
        let found = manifests.connections.iter().find(|found| found.name.as_str() == name);
        let Some((ConnectionKind::Http { headers: open }, secrets)) =
            found.map(|found| (&found.kind, &found.secrets))
        else {
            bail!("there is no HTTP connection `{name}`");
        };
        let mut headers = HttpHeaders::new();
        for (header, value) in open {
            headers.set(header, value)?;
        }
        for (header, reference) in secrets {
            let value = self.value(reference);
            let value = value.with_context(|| format!("connection `{name}`: `{header}`"))?;
            headers.set(header, &value).with_context(|| format!("connection `{name}`"))?;
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use millrace_spec::ConnectionSpec;

    use super::*;

    #[test]
    fn only_files_below_the_folder_are_read() {
        let data = tempfile::tempdir().expect("a folder");
        let store = StoreArgs { data: data.path().to_owned(), store: None };
        let secrets = Secrets::of(&SecretArgs { secrets: None }, &store).expect("a path");
        std::fs::create_dir(secrets.folder()).expect("made");
        let (inside, outside) = (secrets.folder().join("hook"), data.path().join("admin.token"));
        for file in [&inside, &outside] {
            std::fs::write(file, "Bearer hunter2\r\n").expect("written");
        }
        let connection = |file: &Path| Manifests {
            connections: vec![ConnectionSpec {
                name: "hook".parse().unwrap(),
                kind: ConnectionKind::Http { headers: [("x-a".into(), "b".into())].into() },
                secrets: [("authorization".into(), SecretRef::File(file.to_owned()))].into(),
            }],
            ..Manifests::default()
        };
        let read = secrets.headers(&connection(&inside), "hook").expect("it may be read");
        let mut expected = HttpHeaders::new();
        expected.set("authorization", "Bearer hunter2").expect("can be sent");
        expected.set("x-a", "b").expect("can be sent");
        assert_eq!(read, expected);
        let refused = secrets.headers(&connection(&outside), "hook").expect_err("not below");
        assert!(format!("{refused:#}").contains("--secrets"), "{refused:#}");
        let beside = data.path().join("secrets-of-others/hook");
        assert!(secrets.check(&SecretRef::File(beside)).is_err());
        assert!(secrets.headers(&connection(&inside), "other").is_err());
    }
}
