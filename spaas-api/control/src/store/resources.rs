//! Resources and their versions: read, listed, removed.

use sqlx::Executor;
use sqlx::any::{Any, AnyRow};

use crate::model::{EventKind, Kind, Metadata, Resource, Version};

use super::database::{Store, Write, sql};
use super::error::{Result, StoreError};
use super::events::{Happening, note};
use super::page::{Page, Paged, no_page};
use super::put::{as_expected, because, save};
use super::row::{json, number, number_or_null, text, text_or_null};

/// The columns of a resource, of the table `r`.
pub(super) const COLUMNS: &str = "r.namespace, r.kind, r.name, r.uid, r.generation, \
    r.resource_version, r.labels, r.spec, r.created_ms, r.updated_ms, r.deleting_ms";

/// A removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Namespace.
    pub ns: String,
    /// Kind.
    pub kind: Kind,
    /// Name.
    pub name: String,
    /// The resource version it must be at; `None`: whatever it is at.
    pub expect: Option<i64>,
    /// Who removes it.
    pub author: String,
    /// Why.
    pub reason: Option<String>,
    /// When, milliseconds since the Unix epoch.
    pub now_ms: i64,
}

impl Store {
    /// The resource, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn get(&self, ns: &str, kind: Kind, name: &str) -> Result<Option<Resource>> {
        find(self.pool(), ns, kind, name).await
    }

    /// Resources by namespace, kind and name; of all namespaces and kinds where none is given.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if `page.after` is not of a page of this list.
    pub async fn list(
        &self,
        ns: Option<&str>,
        kind: Option<Kind>,
        page: &Page,
    ) -> Result<Paged<Resource>> {
        let after = page.after.as_deref().unwrap_or("//");
        let mut parts = after.splitn(3, '/');
        let (Some(a), Some(b), Some(c)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(no_page(after));
        };
        let mut statement = format!(
            "SELECT {COLUMNS} FROM resources r WHERE (r.namespace, r.kind, r.name) > ($1, $2, $3)"
        );
        if ns.is_some() {
            statement.push_str(" AND r.namespace = $5");
        }
        match (ns, kind) {
            (Some(_), Some(_)) => statement.push_str(" AND r.kind = $6"),
            (None, Some(_)) => statement.push_str(" AND r.kind = $5"),
            _ => {}
        }
        statement.push_str(" ORDER BY r.namespace, r.kind, r.name LIMIT $4");
        let mut query = sqlx::query(sql(statement)).bind(a).bind(b).bind(c).bind(page.rows());
        if let Some(ns) = ns {
            query = query.bind(ns);
        }
        if let Some(kind) = kind {
            query = query.bind(kind.as_str());
        }
        let rows = query.fetch_all(self.pool()).await?;
        let items = rows.iter().map(resource).collect::<Result<Vec<_>>>()?;
        Ok(page.cut(items, |r| {
            format!("{}/{}/{}", r.metadata.namespace, r.kind.as_str(), r.metadata.name)
        }))
    }

    /// Says that the resource is to be removed; from then on it cannot be changed. Of one that is
    /// being removed already nothing changes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`]; [`StoreError::Exists`] for a namespace
    /// that is not empty.
    pub async fn mark_deleting(&self, removal: &Removal) -> Result<Resource> {
        let mut write = self.write().await?;
        let mut resource = removable(&mut write, removal).await?;
        if resource.metadata.deleting_ms.is_some() {
            return Ok(resource);
        }
        let seq = tell(&mut write, removal, "Deleting", "is to be removed").await?;
        resource.metadata.deleting_ms = Some(removal.now_ms);
        resource.metadata.resource_version = seq;
        save(&mut write, &resource).await?;
        self.commit_and_wake(write).await?;
        Ok(resource)
    }

    /// Removes the resource; of a job also its goal, its status and what is known of its
    /// savepoints. Versions, runs, and events stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`]; [`StoreError::Exists`] for a namespace
    /// that is not empty, and for a job with a run that has not ended.
    pub async fn remove(&self, removal: &Removal) -> Result<()> {
        let mut write = self.write().await?;
        let resource = removable(&mut write, removal).await?;
        if removal.kind == Kind::Job {
            let alive = sqlx::query(
                "SELECT id FROM runs WHERE namespace = $1 AND job = $2 AND state <> 'ended'",
            )
            .bind(removal.ns.as_str())
            .bind(removal.name.as_str())
            .fetch_optional(&mut *write.tx)
            .await?;
            if let Some(row) = alive {
                let id = text(&row, "id")?;
                return Err(StoreError::Exists(format!("run {id} of the job has not ended")));
            }
            sqlx::query("DELETE FROM savepoints WHERE namespace = $1 AND job = $2")
                .bind(removal.ns.as_str())
                .bind(removal.name.as_str())
                .execute(&mut *write.tx)
                .await?;
        }
        for table in ["goals", "statuses", "resources"] {
            sqlx::query(sql(format!("DELETE FROM {table} WHERE uid = $1")))
                .bind(resource.metadata.uid.as_str())
                .execute(&mut *write.tx)
                .await?;
        }
        tell(&mut write, removal, "Deleted", "removed").await?;
        self.commit_and_wake(write).await?;
        Ok(())
    }

    /// The versions of the resource, the newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if `page.after` is not of a page of this list.
    pub async fn versions(
        &self,
        ns: &str,
        kind: Kind,
        name: &str,
        page: &Page,
    ) -> Result<Paged<Version>> {
        const VERSIONS: &str = "SELECT v.generation, v.spec, v.author, v.at_ms, v.reason \
            FROM versions v JOIN resources r ON r.uid = v.uid \
            WHERE r.namespace = $1 AND r.kind = $2 AND r.name = $3 AND v.generation < $4 \
            ORDER BY v.generation DESC LIMIT $5";
        let rows = sqlx::query(VERSIONS)
            .bind(ns)
            .bind(kind.as_str())
            .bind(name)
            .bind(page.after_number(i64::MAX)?)
            .bind(page.rows())
            .fetch_all(self.pool())
            .await?;
        let items = rows.iter().map(version).collect::<Result<Vec<_>>>()?;
        Ok(page.cut(items, |v| v.generation.to_string()))
    }

    /// One version of the resource, if there is one of that number.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn version(
        &self,
        ns: &str,
        kind: Kind,
        name: &str,
        generation: i64,
    ) -> Result<Option<Version>> {
        let page = Page { after: Some(generation.saturating_add(1).to_string()), limit: 1 };
        let found = self.versions(ns, kind, name, &page).await?;
        Ok(found.items.into_iter().find(|v| v.generation == generation))
    }
}

/// As errors name it.
pub(super) fn named(ns: &str, kind: Kind, name: &str) -> String {
    let kind = kind.as_str().to_lowercase();
    if kind == "namespace" { format!("{kind} {name}") } else { format!("{kind} {ns}/{name}") }
}

pub(super) async fn find<'e, E>(db: E, ns: &str, kind: Kind, name: &str) -> Result<Option<Resource>>
where
    E: Executor<'e, Database = Any>,
{
    let statement = format!(
        "SELECT {COLUMNS} FROM resources r WHERE r.namespace = $1 AND r.kind = $2 AND r.name = $3"
    );
    let row = sqlx::query(sql(statement))
        .bind(ns)
        .bind(kind.as_str())
        .bind(name)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(resource).transpose()
}

pub(super) fn resource(row: &AnyRow) -> Result<Resource> {
    let (namespace, kind, name) = (text(row, "namespace")?, text(row, "kind")?, text(row, "name")?);
    let place = |e: StoreError| match e {
        StoreError::Corrupt(what) => {
            StoreError::Corrupt(format!("{kind} {namespace}/{name}: {what}"))
        }
        other => other,
    };
    let read = || -> Result<Resource> {
        Ok(Resource {
            kind: Kind::ALL
                .into_iter()
                .find(|k| k.as_str() == kind)
                .ok_or_else(|| StoreError::Corrupt("it is of no known kind".to_owned()))?,
            metadata: Metadata {
                namespace: namespace.clone(),
                name: name.clone(),
                uid: text(row, "uid")?,
                generation: number(row, "generation")?,
                resource_version: number(row, "resource_version")?,
                labels: json(row, "labels")?,
                created_ms: number(row, "created_ms")?,
                updated_ms: number(row, "updated_ms")?,
                deleting_ms: number_or_null(row, "deleting_ms")?,
            },
            spec: json(row, "spec")?,
        })
    };
    read().map_err(place)
}

fn version(row: &AnyRow) -> Result<Version> {
    Ok(Version {
        generation: number(row, "generation")?,
        spec: json(row, "spec")?,
        author: text(row, "author")?,
        at_ms: number(row, "at_ms")?,
        reason: text_or_null(row, "reason")?,
    })
}

/// The resource, at the version expected and, if it is a namespace, empty.
async fn removable(write: &mut Write<'_>, removal: &Removal) -> Result<Resource> {
    let words = named(&removal.ns, removal.kind, &removal.name);
    let found = find(&mut *write.tx, &removal.ns, removal.kind, &removal.name).await?;
    let resource = found.ok_or_else(|| StoreError::NotFound(words.clone()))?;
    as_expected(Some(&resource), removal.expect, &words)?;
    if removal.kind == Kind::Namespace {
        let content = sqlx::query(
            "SELECT kind, name FROM resources WHERE namespace = $1 AND kind <> 'Namespace' LIMIT 1",
        )
        .bind(removal.ns.as_str())
        .fetch_optional(&mut *write.tx)
        .await?;
        if let Some(row) = content {
            let (kind, name) = (text(&row, "kind")?.to_lowercase(), text(&row, "name")?);
            return Err(StoreError::Exists(format!("{words} is not empty: it has {kind} {name}")));
        }
    }
    Ok(resource)
}

async fn tell(write: &mut Write<'_>, removal: &Removal, what: &str, words: &str) -> Result<i64> {
    let mut message = words.to_owned();
    because(&mut message, removal.reason.as_deref());
    note(
        write,
        &Happening {
            at_ms: removal.now_ms,
            level: EventKind::Normal,
            ns: &removal.ns,
            kind: removal.kind.as_str(),
            name: &removal.name,
            what,
            message: &message,
            author: &removal.author,
        },
    )
    .await
}
