//! The admin's file.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use millrace_control::access::AdminError;
use millrace_control::model::Role;
use millrace_control::store::Page;

use crate::support::{Tested, bearer, empty, role};

fn mode(path: &Path) -> std::io::Result<u32> {
    Ok(std::fs::symlink_metadata(path)?.permissions().mode() & 0o7777)
}

#[tokio::test]
async fn it_is_made_once_and_for_its_owner_only() -> Tested {
    let (store, access, _) = empty().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("admin.token");
    let first = access.ensure_admin(&path).await?;
    assert!(first.made);
    assert_eq!(mode(&path)?, 0o600);
    let text = std::fs::read_to_string(&path)?;
    let actor =
        access.authenticate(&bearer(text.trim())).await.map_err(|p| p.to_json().to_string())?;
    assert_eq!((actor.name.as_str(), actor.role_everywhere()), ("admin", Some(Role::Admin)));

    let again = access.ensure_admin(&path).await?;
    assert!(!again.made);
    assert_eq!((again.info.id, std::fs::read_to_string(&path)?), (first.info.id, text));
    assert_eq!(store.tokens(&Page::default()).await?.items.len(), 1);
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 1, "nothing else is left there");
    Ok(())
}

#[tokio::test]
async fn one_that_opens_nothing_is_replaced() -> Tested {
    let (store, access, clock) = empty().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("admin.token");
    let removed = access.ensure_admin(&path).await?;
    store.remove_token(&removed.info.id).await?;
    assert!(access.ensure_admin(&path).await?.made);

    let viewer = access.create_token("v", role("*", Role::Viewer), None).await?;
    let expiring = access.create_token("e", role("*", Role::Admin), Some(91_000)).await?;
    clock.set(91_000);
    let long = "x".repeat(100_000);
    let bytes = [0xff_u8; 10];
    let texts = [viewer.text.reveal(), expiring.text.reveal(), String::new(), long];
    let contents = texts.iter().map(String::as_bytes).chain([bytes.as_slice()]);
    for content in contents {
        std::fs::write(&path, content)?;
        assert!(access.ensure_admin(&path).await?.made);
        assert!(!access.ensure_admin(&path).await?.made);
        assert_eq!(mode(&path)?, 0o600);
    }
    Ok(())
}

#[tokio::test]
async fn one_that_others_can_read_is_closed_to_them() -> Tested {
    let (_, access, _) = empty().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("admin.token");
    access.ensure_admin(&path).await?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
    access.ensure_admin(&path).await?;
    assert_eq!(mode(&path)?, 0o600);
    Ok(())
}

#[tokio::test]
async fn a_link_in_its_place_is_replaced_and_not_followed() -> Tested {
    let (_, access, _) = empty().await?;
    let folder = tempfile::tempdir()?;
    let (path, target) = (folder.path().join("admin.token"), folder.path().join("target"));
    std::fs::write(&target, "untouched")?;
    symlink(&target, &path)?;
    assert!(access.ensure_admin(&path).await?.made);
    assert!(std::fs::symlink_metadata(&path)?.is_file());
    assert_eq!(std::fs::read_to_string(&target)?, "untouched");
    Ok(())
}

#[tokio::test]
async fn where_it_cannot_be_written_no_token_is_left() -> Tested {
    let (store, access, _) = empty().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("none/admin.token");
    let refused = access.ensure_admin(&path).await;
    assert!(matches!(refused, Err(AdminError::File { .. })));
    assert_eq!(store.tokens(&Page::default()).await?.items, []);
    Ok(())
}
