//! The first token: an admin's, in a file that only its owner can read.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::model::{Binding, Role, TokenInfo};
use crate::store::StoreError;

use super::authenticate::Access;
use super::secret::TokenText;

/// Most of a file that is read as a token.
const LONGEST: u64 = 256;

/// The admin's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// What is known of it.
    pub info: TokenInfo,
    /// Whether it was made just now.
    pub made: bool,
}

/// Why there is no admin's token.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The file cannot be read or written.
    #[error("cannot keep the admin's token in {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Access {
    /// Sees to it that the file at `path` has an admin's token: the one in it, while it is valid,
    /// else a new one. The file is its owner's only, from the moment that it is there.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn ensure_admin(&self, path: &Path) -> Result<Admin, AdminError> {
        let at = |source| AdminError::File { path: path.to_owned(), source };
        if let Some(text) = read(path).map_err(at)?
            && let Some(info) = self.valid(&text).await?
            && is_admin(&info)
        {
            return Ok(Admin { info, made: false });
        }
        let everywhere = Binding { namespace: "*".to_owned(), role: Role::Admin };
        let new = self.create_token("admin", vec![everywhere], None).await?;
        if let Err(source) = write(path, &new.text.reveal()) {
            // Nobody knows its secret now.
            self.store().remove_token(&new.info.id).await?;
            return Err(at(source));
        }
        Ok(Admin { info: new.info, made: true })
    }
}

fn is_admin(info: &TokenInfo) -> bool {
    info.bindings.iter().any(|b| b.namespace == "*" && b.role == Role::Admin)
}

/// The token in the file, if there is one. A file that others can read is closed to them first.
fn read(path: &Path) -> io::Result<Option<TokenText>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(str::from_utf8(&text).ok().and_then(|text| TokenText::parse(text.trim())))
}

/// Writes a new file, which nobody else can have opened, and puts it in the place of the old one:
/// also of a link that somebody left there.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = folder.join(format!(".admin-token-{}", Uuid::new_v4().simple()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| {
            writeln!(file, "{text}")?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&new, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}
