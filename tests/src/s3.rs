//! An S3-compatible server of the test's own: `deploy/s3`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::binary::cargo;
use crate::tidy::repository;

/// A running server; it ends with this value.
#[derive(Debug)]
pub struct S3Server {
    address: String,
    _process: Child,
    _files: TempDir,
}

impl S3Server {
    /// The bucket it has.
    pub const BUCKET: &str = "millrace";

    /// Builds the server if needed and starts it on a free port.
    pub async fn start() -> Result<Self> {
        let binary = build().await?;
        let files = tempfile::tempdir()?;
        std::fs::create_dir(files.path().join(Self::BUCKET))?;
        let mut process = Command::new(binary)
            .arg(files.path())
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start the S3 server")?;
        let output = process.stdout.take().context("its output is piped")?;
        let address = BufReader::new(output).lines().next_line().await?;
        let address = address.context("the S3 server ended before it said its address")?;
        Ok(Self { address, _process: process, _files: files })
    }

    /// What a client of it needs, as `object_store` names it.
    pub fn options(&self) -> BTreeMap<String, String> {
        [
            ("aws_endpoint_url", format!("http://{}", self.address)),
            ("aws_allow_http", "true".to_owned()),
            ("aws_region", "us-east-1".to_owned()),
            ("aws_access_key_id", "millrace".to_owned()),
            ("aws_secret_access_key", "millrace-secret".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// The same as environment of a process.
    pub fn environment(&self) -> BTreeMap<String, String> {
        self.options().into_iter().map(|(name, value)| (name.to_uppercase(), value)).collect()
    }
}

/// The server has a workspace of its own, so its target folder lies beside ours.
async fn build() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).context("tests run in target/<profile>/deps")?.join("s3");
    let status = Command::from(cargo())
        .args(["build", "--quiet", "--locked"])
        .current_dir(repository().join("deploy/s3"))
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .await?;
    ensure!(status.success(), "deploy/s3 does not build");
    Ok(target.join("debug/millrace-s3"))
}
