//! A folder to run Millrace in: manifests, data, logs, and where the tables are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use millrace_bus::KafkaSettings;

use crate::tidy::repository;
use crate::{Api, Millrace, S3Server, Tables, millrace_binary, workers};

/// One installation of Millrace, gone with this value.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    store: String,
    options: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
}

impl Site {
    /// A site with `manifests`, its tables on the local disk.
    pub fn new(manifests: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("manifests"))?;
        let store = format!("file://{}", folder.path().join("tables").display());
        let site = Self { folder, store, options: BTreeMap::new(), environment: BTreeMap::new() };
        site.manifests(manifests)?;
        Ok(site)
    }

    /// A site with the manifests of some folders of the repository, as they ship.
    pub fn shipped(folders: &[&str]) -> Result<Self> {
        let site = Self::empty()?;
        for folder in folders {
            let to = site.path("manifests").join(folder);
            std::fs::create_dir_all(&to)?;
            for entry in std::fs::read_dir(repository().join(folder))? {
                let file = entry?.path();
                if file.extension().is_some_and(|e| e == "yaml" || e == "sql") {
                    let name = file.file_name().context("a file has a name")?;
                    std::fs::copy(&file, to.join(name))?;
                }
            }
        }
        Ok(site)
    }

    /// A site where nothing is declared yet.
    pub fn empty() -> Result<Self> {
        let site = Self::new("")?;
        std::fs::remove_dir_all(site.path("manifests"))?;
        Ok(site)
    }

    /// Replaces the manifests for processes started from now on.
    pub fn manifests(&self, manifests: &str) -> Result<()> {
        Ok(std::fs::write(self.path("manifests/all.yaml"), manifests)?)
    }

    /// A site with its tables on `server`.
    pub fn on_s3(manifests: &str, server: &S3Server, prefix: &str) -> Result<Self> {
        let mut site = Self::new(manifests)?;
        site.store = format!("s3://{}/{prefix}", S3Server::BUCKET);
        site.options = server.options();
        site.environment = server.environment();
        Ok(site)
    }

    /// A file or folder of the site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The address of its tables.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// `millrace <verb>` with the site's options.
    pub fn command(&self, verb: &[&str], data: &str) -> Command {
        let mut command = Command::new(millrace_binary());
        command
            .args(verb)
            .arg("--data")
            .arg(self.path(data))
            .args(["--store", &self.store])
            .envs(&self.environment)
            .env("NO_COLOR", "1")
            .env_remove("MILLRACE_FAULT")
            .env_remove("MILLRACE_CONTROL_FAULT")
            .current_dir(self.folder.path());
        command
    }

    /// `millrace up` on free ports; on `kafka` if given, else on its embedded broker.
    pub fn up(&self, kafka: Option<&KafkaSettings>) -> Result<Millrace> {
        self.up_with_fault(kafka, None)
    }

    /// The same with `MILLRACE_CONTROL_FAULT` set: the control plane dies, its workers do not.
    pub fn up_with_fault(
        &self,
        kafka: Option<&KafkaSettings>,
        fault: Option<&str>,
    ) -> Result<Millrace> {
        let mut command = self.command(&["up", "--listen", "127.0.0.1:0"], "data");
        if self.path("manifests").exists() {
            command.arg("-f").arg(self.path("manifests"));
        }
        match kafka {
            Some(kafka) => command.args(["--kafka", &kafka.bootstrap]),
            None => command.args(["--broker-listen", "127.0.0.1:0"]),
        };
        if let Some(fault) = fault {
            command.env("MILLRACE_CONTROL_FAULT", fault);
        }
        Millrace::start(command, &self.path("data"), self.path("up.log"))
    }

    /// `millrace router` on `kafka`. Routers of one site that run at once differ in `name`.
    pub fn router(&self, name: &str, kafka: &KafkaSettings, options: &[&str]) -> Result<Millrace> {
        self.router_with_fault(name, kafka, options, None)
    }

    /// The same with `MILLRACE_FAULT` set.
    pub fn router_with_fault(
        &self,
        name: &str,
        kafka: &KafkaSettings,
        options: &[&str],
        fault: Option<&str>,
    ) -> Result<Millrace> {
        let mut command = self.command(&["router", "--kafka", &kafka.bootstrap], name);
        command.arg("-f").arg(self.path("manifests")).args(options);
        if let Some(fault) = fault {
            command.env("MILLRACE_FAULT", fault);
        }
        Millrace::start(command, &self.path(name), self.path(&format!("{name}.log")))
    }

    /// `millrace serve <service>` on a free port, with a data folder of its own.
    pub fn serve(&self, service: &str, kafka: &KafkaSettings) -> Result<Millrace> {
        let (data, log) = (self.path(service), self.path(&format!("{service}.log")));
        let mut command = Command::new(millrace_binary());
        command
            .args(["serve", service, "--listen", "127.0.0.1:0", "--kafka", &kafka.bootstrap])
            .arg("--data")
            .arg(&data)
            .env("NO_COLOR", "1")
            .current_dir(self.folder.path());
        Millrace::start(command, &data, log)
    }

    /// Waits until a platform of this site is ready: its API as the admin, and its broker.
    pub async fn reached(&self, platform: &mut Millrace) -> Result<(Api, KafkaSettings)> {
        let run = platform.ready().await?;
        let at = |name: &str| run[name].as_str().context("an address");
        let api = Api::admin(&self.path("data"), at("http")?)?;
        Ok((api, KafkaSettings::plain(at("kafka")?)))
    }

    /// Runs `millrace <verb>` to its end.
    pub async fn run(&self, verb: &[&str]) -> Result<Output> {
        self.command(verb, "data").output().await.context("run millrace")
    }

    /// Fails unless `millrace audit` finds that everything adds up.
    pub async fn audit(&self) -> Result<()> {
        let output = self.run(&["audit"]).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        ensure!(output.status.success(), "millrace audit: {}\n{out}{err}", output.status);
        Ok(())
    }

    /// The site's tables.
    pub async fn tables(&self) -> Result<Tables> {
        Tables::open(&self.store, &self.options).await
    }

    /// The end of every log of the site, those of its workers among them.
    pub fn logs(&self) -> String {
        let files = |folder: PathBuf| {
            let entries = std::fs::read_dir(folder).into_iter().flatten();
            entries.flatten().map(|entry| entry.path())
        };
        let own = files(self.folder.path().to_owned());
        let own = own.filter(|path| path.extension().is_some_and(|e| e == "log"));
        let workers = files(self.path("data/run")).map(|folder| folder.join("log"));
        own.chain(workers.filter(|path| path.exists()))
            .map(|path| {
                let whose = path.with_file_name("name");
                let whose = std::fs::read_to_string(whose).unwrap_or_default();
                let (path, tail) = (path.display(), crate::process::tail(&path));
                format!("--- {path} {}\n{tail}", whose.trim())
            })
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Drop for Site {
    /// Workers outlive whoever started them, and must not outlive the test.
    fn drop(&mut self) {
        workers::kill_all(&self.path("data"));
    }
}
