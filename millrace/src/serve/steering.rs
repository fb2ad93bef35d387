//! `millrace serve steering`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use axum::Router;

use millrace_generate::fleet::{IPV4, IPV6};
use millrace_steering::api::{self, Admin, ApiSettings, Parts};
use millrace_steering::fleet::AsnTable;
use millrace_steering::sign::{KEY_BYTES, SigningKey};
use millrace_steering::{Service, ServiceSettings};

use crate::cli::SteeringArgs;

use super::Ground;

/// The key made at the first start where none is named.
const KEY_FILE: &str = "signing.key";

/// What the service is told.
pub(crate) struct SteeringSettings {
    /// Files of address ranges; those that come with Millrace where there are none.
    pub(crate) asn: Vec<PathBuf>,
    /// What addresses are signed with; a key is made where there is none.
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) admin: Admin,
    pub(crate) min_headroom_mbps: f64,
    pub(crate) api: ApiSettings,
}

impl SteeringSettings {
    /// Reads the secrets that `args` refer to.
    pub(crate) fn of(args: &SteeringArgs) -> anyhow::Result<Self> {
        let key = args.signing_key.as_deref().map(secret).transpose().context("--signing-key")?;
        let admin = match &args.admin_token {
            Some(reference) => Admin::Token(admin_token(reference).context("--admin-token")?),
            None if args.service.listen.ip().to_canonical().is_loopback() => Admin::Open,
            None => bail!(
                "{} can be reached from other machines: say what opens /v1/admin, /v1/status and \
                 /metrics with --admin-token env:NAME or file:PATH",
                args.service.listen
            ),
        };
        let api = ApiSettings {
            url_ttl: Duration::from_secs(args.url_ttl_s),
            stale_after: Duration::from_secs(args.stale_after_s),
            ..ApiSettings::default()
        };
        let (asn, min_headroom_mbps) = (args.asn.clone(), args.min_headroom_mbps);
        Ok(Self { asn, key, admin, min_headroom_mbps, api })
    }
}

/// Starts it; what serves its requests is the router.
pub(crate) async fn start(
    ground: &Ground,
    settings: SteeringSettings,
) -> anyhow::Result<(Service, Router)> {
    let SteeringSettings { asn, key, admin, min_headroom_mbps, api } = settings;
    let key = key.map_or_else(|| own_key(&ground.folder.join(KEY_FILE)), Ok)?;
    let key = SigningKey::new(&key)?;
    let asn = tokio::task::spawn_blocking(move || match &asn[..] {
        [] => AsnTable::parse(&[("the bundled IPv4 ranges", IPV4), ("those of IPv6", IPV6)]),
        paths => AsnTable::load(paths),
    });
    let asn = Arc::new(asn.await??);
    let settings = ServiceSettings { follower: ground.following(), asn, min_headroom_mbps };
    let service = Service::start(settings, ground.store.clone(), Arc::clone(&ground.clock))?;
    let app = api::router(Parts {
        desk: service.desk(),
        feeds: Some(service.feeds()),
        key,
        admin,
        clock: Arc::clone(&ground.clock),
        metrics: ground.metrics.clone(),
        settings: api,
    });
    Ok((service, app))
}

/// The token that a reference leads to. An empty one would open everything to everybody.
fn admin_token(reference: &str) -> anyhow::Result<Arc<str>> {
    let token = String::from_utf8(secret(reference)?).context("the token is not text")?;
    let token = token.trim();
    ensure!(!token.is_empty(), "{reference} is empty");
    Ok(token.into())
}

/// What `env:NAME` or `file:PATH` refers to. Errors name the reference, never the value.
fn secret(reference: &str) -> anyhow::Result<Vec<u8>> {
    if let Some(name) = reference.strip_prefix("env:") {
        let Some(value) = std::env::var_os(name) else { bail!("the variable {name} is not set") };
        return Ok(value.into_encoded_bytes());
    }
    let Some(path) = reference.strip_prefix("file:") else {
        bail!("say where the secret is, not what: env:NAME or file:PATH");
    };
    let mut bytes = std::fs::read(path).with_context(|| format!("the secret in {path}"))?;
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    Ok(bytes)
}

/// The key in `path`, which is made if it is not there: appliances are given a copy.
fn own_key(path: &Path) -> anyhow::Result<Vec<u8>> {
    let place = || format!("the signing key {}", path.display());
    match std::fs::read(path) {
        Ok(key) => return Ok(key),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(place),
    }
    let mut key = vec![0; KEY_BYTES];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut key))?;
    // Under another name first: a crash must not leave half a key.
    let unnamed = path.with_extension("new");
    match std::fs::remove_file(&unnamed) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(place);
        }
        _ => {}
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed);
    let mut file = made.with_context(place)?;
    file.write_all(&key).and_then(|()| file.sync_all()).with_context(place)?;
    std::fs::rename(&unnamed, path).with_context(place)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_shown_to_nobody_else() {
        let folder = tempfile::tempdir().expect("the disk has room");
        let path = folder.path().join(KEY_FILE);
        // What a crash may have left does not matter.
        std::fs::write(path.with_extension("new"), "half").expect("the disk has room");
        let key = own_key(&path).expect("a key");
        assert_eq!(key.len(), KEY_BYTES);
        assert_eq!(own_key(&path).expect("the same"), key);
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = own_key(&folder.path().join("other.key")).expect("another");
        assert_ne!(other, key);
    }

    #[test]
    fn an_empty_token_is_none() {
        let folder = tempfile::tempdir().expect("the disk has room");
        let path = folder.path().join("token");
        let reference = format!("file:{}", path.display());
        assert!(admin_token(&reference).is_err(), "there is no such file");
        for empty in ["", "\n", " \t\r\n"] {
            std::fs::write(&path, empty).expect("the disk has room");
            assert!(admin_token(&reference).is_err(), "{empty:?}");
        }
        std::fs::write(&path, "let me in\n").expect("the disk has room");
        assert_eq!(&*admin_token(&reference).expect("a token"), "let me in");
        assert!(admin_token("let me in").is_err(), "a secret itself is no reference");
    }
}
