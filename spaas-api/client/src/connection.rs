//! Which server, and which token it is shown.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use url::{Host, Url};

use crate::context::Context;
use crate::error::ClientError;
use crate::http::Api;

/// Where a platform keeps its data unless it is told otherwise.
const DATA: &str = "./millrace-data";
/// Far above any token.
const MAX_TOKEN_BYTES: usize = 4096;

/// Which server, and which token it is shown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The API's address; by default that of the platform that runs on the data folder.
    #[arg(long, value_name = "URL", env = "MILLRACE_SERVER", hide_env_values = true)]
    server: Option<Url>,
    /// Data folder of a running platform: says its address and has its first token. Default:
    /// `./millrace-data`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// File with the token. Else the variable `MILLRACE_TOKEN`, else `admin.token` of the data
    /// folder, which only a server on this machine is shown.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Send the token over unencrypted connections to other machines too.
    #[arg(long)]
    insecure: bool,
}

/// A token. Cannot be printed.
#[derive(Clone)]
pub(crate) struct Token(HeaderValue);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    fn read(text: &str, from: &str) -> Result<Self, ClientError> {
        let text = text.trim();
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        let header = HeaderValue::try_from(format!("Bearer {text}"));
        match header {
            Ok(mut header) if visible && (1..=MAX_TOKEN_BYTES).contains(&text.len()) => {
                header.set_sensitive(true);
                Ok(Self(header))
            }
            _ => Err(ClientError::Usage(format!("{from} holds no token"))),
        }
    }

    /// The value of the header `Authorization`.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[derive(Deserialize)]
struct RunFile {
    http: Option<String>,
}

impl ConnectionArgs {
    /// Finds server and token.
    pub(crate) fn open(&self, ctx: &Context) -> Result<Api, ClientError> {
        let data = self.data.as_deref().unwrap_or_else(|| Path::new(DATA));
        let (server, found) = match &self.server {
            Some(server) => (server.clone(), false),
            None => (running_on(data)?, true),
        };
        check(&server)?;
        let near = is_loopback(&server);
        let token = match self.token(ctx)? {
            Some(token) => Some(token),
            // The first token of one platform is nothing that another machine should be shown.
            None if found || near => first_token(data)?,
            None => None,
        };
        if token.is_some() && !near && server.scheme() != "https" && !self.insecure {
            return Err(ClientError::Usage(format!(
                "the token would be sent to {server} unencrypted; use https, or --insecure"
            )));
        }
        Api::new(server, near, token, ctx.pauses.clone())
    }

    fn token(&self, ctx: &Context) -> Result<Option<Token>, ClientError> {
        if let Some(path) = &self.token_file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                ClientError::Usage(format!("{} cannot be read: {error}", path.display()))
            })?;
            return Token::read(&text, &path.display().to_string()).map(Some);
        }
        let value = (ctx.env)("MILLRACE_TOKEN").filter(|value| !value.is_empty());
        value.map(|text| Token::read(&text, "MILLRACE_TOKEN")).transpose()
    }
}

fn check(server: &Url) -> Result<(), ClientError> {
    if !matches!(server.scheme(), "http" | "https") || server.host().is_none() {
        return Err(ClientError::Usage(format!(
            "`{server}` is no address of a server; write http://host:port or https://host"
        )));
    }
    if !server.username().is_empty() || server.password().is_some() {
        // Not shown: it may hold a password.
        return Err(ClientError::Usage(
            "the server's address must not hold a user or password; use --token-file".to_owned(),
        ));
    }
    Ok(())
}

fn is_loopback(server: &Url) -> bool {
    match server.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn running_on(data: &Path) -> Result<Url, ClientError> {
    let unreachable = |why: String| ClientError::Unreachable {
        server: format!("the platform on {}", data.display()),
        why,
    };
    let path = data.join("run.json");
    let text = std::fs::read(&path).map_err(|error| {
        unreachable(format!(
            "{} cannot be read ({error}); start one with `millrace up`, or say --server",
            path.display()
        ))
    })?;
    let run: RunFile = serde_json::from_slice(&text)
        .map_err(|error| unreachable(format!("{} is damaged: {error}", path.display())))?;
    let http = run.http.ok_or_else(|| unreachable("it runs without HTTP".to_owned()))?;
    let url = if http.contains("://") { http } else { format!("http://{http}") };
    url.parse().map_err(|error| unreachable(format!("{}: {url}: {error}", path.display())))
}

fn first_token(data: &Path) -> Result<Option<Token>, ClientError> {
    let path = data.join("admin.token");
    match std::fs::read_to_string(&path) {
        Ok(text) => Token::read(&text, &path.display().to_string()).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(ClientError::Usage(format!("{} cannot be read: {error}", path.display())))
        }
    }
}
