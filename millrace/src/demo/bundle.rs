//! What the demo declares: the shipped streams, routes and jobs, written out as files that a person
//! can read, change and apply again.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Path within `jobs/`, and text.
const FILES: [(&str, &str); 14] = [
    ("open-bandit/manifests.yaml", include_str!("../../../jobs/open-bandit/manifests.yaml")),
    ("streams/manifests.yaml", include_str!("../../../jobs/streams/manifests.yaml")),
    ("take-rate/manifest.yaml", include_str!("../../../jobs/take-rate/manifest.yaml")),
    ("take-rate/take-rate.sql", include_str!("../../../jobs/take-rate/take-rate.sql")),
    ("take-rate/popularity.sql", include_str!("../../../jobs/take-rate/popularity.sql")),
    ("similar-titles/manifest.yaml", include_str!("../../../jobs/similar-titles/manifest.yaml")),
    (
        "similar-titles/similar-titles.sql",
        include_str!("../../../jobs/similar-titles/similar-titles.sql"),
    ),
    (
        "artwork-personalization/manifest.yaml",
        include_str!("../../../jobs/artwork-personalization/manifest.yaml"),
    ),
    (
        "artwork-personalization/artwork-personalization.sql",
        include_str!("../../../jobs/artwork-personalization/artwork-personalization.sql"),
    ),
    (
        "artwork-personalization/policy-value.sql",
        include_str!("../../../jobs/artwork-personalization/policy-value.sql"),
    ),
    ("viewing-history/manifest.yaml", include_str!("../../../jobs/viewing-history/manifest.yaml")),
    (
        "viewing-history/viewing_history.sql",
        include_str!("../../../jobs/viewing-history/viewing_history.sql"),
    ),
    ("oca-health/manifest.yaml", include_str!("../../../jobs/oca-health/manifest.yaml")),
    ("oca-health/oca-health.sql", include_str!("../../../jobs/oca-health/oca-health.sql")),
];

/// Writes the files below `data`; the folder they are in.
pub(crate) fn write(data: &Path) -> anyhow::Result<PathBuf> {
    let folder = data.join("demo");
    for (name, text) in FILES {
        let path = folder.join(name);
        let parent = path.parent().expect("each file is in a folder");
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("write {}", path.display()))?;
    }
    Ok(folder)
}
