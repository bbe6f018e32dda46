//! Answers worked out from what is stored, for the time when nobody can be asked.

use bytes::Bytes;
use larder_module::{
    info::Info,
    path::ModulePath,
    pseudo,
    request::ObjectKind,
    semver,
    version::{ModuleVersion, Query, Version},
};
use larder_store::ObjectKey;
use larder_upstream::{RawList, Wanted};

use crate::engine::Engine;

/// Commit prefixes shorter than this could be branch names as well.
const SHORTEST_COMMIT: usize = 7;

/// Returns the version that `@latest` means, by the rule that holds for an upstream's list too.
pub(crate) fn best(versions: &[Version]) -> Option<Version> {
    let list: RawList = versions.iter().cloned().collect();
    list.latest().map(|entry| entry.version.clone())
}

/// Returns the version that a query means among those that are at hand.
pub(crate) fn resolve(versions: &[Version], query: &Query) -> Option<Version> {
    let text = query.as_str();
    if text == "latest" {
        return best(versions);
    }
    if semver::is_valid(text) {
        return match text.matches('.').count() {
            0 | 1 => {
                let dotted = format!("{text}.");
                let matching: Vec<Version> = versions
                    .iter()
                    .filter(|version| version.as_str().starts_with(&dotted) && !version.is_pseudo())
                    .cloned()
                    .collect();
                best(&matching)
            }
            // A version that doesn't fit the path means its incompatible form.
            _ => versions
                .iter()
                .find(|version| version.as_str().strip_suffix("+incompatible") == Some(text))
                .cloned(),
        };
    }
    let is_commit =
        text.len() >= SHORTEST_COMMIT && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_commit {
        return None;
    }
    let names_it = |version: &&Version| {
        pseudo::pseudo_version_revision(version.as_str())
            .is_ok_and(|revision| revision.starts_with(text) || text.starts_with(revision))
    };
    versions.iter().filter(|version| version.is_pseudo()).filter(names_it).max().cloned()
}

/// Returns the lines of a list for clients: valid releases and pre-releases of the module, sorted, each once.
pub(crate) fn list_lines(module: &ModulePath, versions: impl Iterator<Item = Version>) -> String {
    let mut versions: Vec<Version> = versions
        .filter(|version| !version.is_pseudo() && ModuleVersion::new(module.clone(), version.clone()).is_ok())
        .collect();
    versions.sort_unstable();
    versions.dedup();
    versions.iter().map(Version::as_str).collect::<Vec<_>>().join("\n")
}

impl Engine {
    /// Returns the stored versions of a module.
    pub(crate) async fn stored_versions(&self, module: &ModulePath) -> Vec<Version> {
        let (store, wanted) = (self.store.clone(), module.clone());
        match tokio::task::spawn_blocking(move || store.versions(&wanted)).await {
            Ok(Ok(versions)) => versions,
            Ok(Err(error)) => {
                tracing::warn!(module = %module, %error, "the stored versions of {module} could not be listed: {error}");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    /// Answers a list, a latest version or a query from what is stored, or not at all.
    pub(crate) async fn computed(&self, wanted: &Wanted) -> Option<Bytes> {
        let module = wanted.module();
        let versions = self.stored_versions(module).await;
        if versions.is_empty() {
            return None;
        }
        let chosen = match wanted {
            Wanted::List(_) => return Some(list_lines(module, versions.into_iter()).into()),
            Wanted::Latest(_) => best(&versions)?,
            Wanted::Query { query, .. } => resolve(&versions, query)?,
            Wanted::Object { .. } => return None,
        };
        let of = ModuleVersion::new(module.clone(), chosen).ok()?;
        match self.stored_info(&of).await {
            Some(info) => Some(info),
            None => Some(made_info(&of)),
        }
    }

    /// Returns a version's `.info` made up from the fact that its `.mod` and `.zip` are stored.
    pub(crate) async fn info_from_store(&self, of: &ModuleVersion) -> Option<Bytes> {
        let (store, wanted) = (self.store.clone(), of.clone());
        let stored = move || {
            [ObjectKind::Mod, ObjectKind::Zip]
                .into_iter()
                .all(|kind| matches!(store.object(&ObjectKey::new(wanted.clone(), kind)), Ok(Some(_))))
        };
        tokio::task::spawn_blocking(stored).await.ok()?.then(|| made_info(of))
    }

    /// Returns the stored `.info` of a version, judged.
    pub(crate) async fn stored_info(&self, of: &ModuleVersion) -> Option<Bytes> {
        let (store, wanted) = (self.store.clone(), of.clone());
        let read = move || {
            use std::os::unix::fs::FileExt;
            let object = store.sound_object(&ObjectKey::new(wanted.clone(), ObjectKind::Info)).ok()??;
            let mut content = vec![0; usize::try_from(object.size).ok()?];
            object.file.read_exact_at(&mut content, 0).ok()?;
            let info = Info::parse(&content).ok()?;
            (info.version == *wanted.version()).then(|| Bytes::from(content))
        };
        tokio::task::spawn_blocking(read).await.ok()?
    }
}

/// Makes the `.info` of a version of which only the name is known; a pseudo-version's name holds its time.
fn made_info(of: &ModuleVersion) -> Bytes {
    let info = Info {
        version: of.version().clone(),
        time: pseudo::pseudo_version_time(of.version().as_str()).ok(),
        origin: None,
    };
    info.to_json().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(texts: &[&str]) -> Vec<Version> {
        texts.iter().map(|text| text.parse().expect("a version")).collect()
    }

    #[test]
    fn latest_prefers_releases_then_prereleases_then_pseudo_versions() {
        let old = "v0.0.0-20200101000000-aaaaaaaaaaaa";
        let new = "v0.0.0-20210101000000-bbbbbbbbbbbb";
        for (stored, latest) in [
            (vec![old, new], new),
            (vec![old, "v0.1.0-rc.1", new], "v0.1.0-rc.1"),
            (vec!["v0.1.0", "v0.10.0", "v0.9.0", "v1.0.0-rc.1", new], "v0.10.0"),
        ] {
            assert_eq!(best(&versions(&stored)).as_ref().map(Version::as_str), Some(latest));
        }
        assert_eq!(best(&[]), None);
    }

    #[test]
    fn queries_resolve_among_what_is_stored() {
        let stored = versions(&[
            "v1.1.0",
            "v1.2.0",
            "v1.2.1-rc.1",
            "v1.20.0",
            "v3.2.0+incompatible",
            "v0.0.0-20200101000000-0123456789ab",
        ]);
        for (query, version) in [
            ("v1", Some("v1.20.0")),
            ("v1.2", Some("v1.2.0")),
            ("v2", None),
            ("v3.2.0", Some("v3.2.0+incompatible")),
            ("0123456789ab", Some("v0.0.0-20200101000000-0123456789ab")),
            ("0123456789abcdef0123456789abcdef01234567", Some("v0.0.0-20200101000000-0123456789ab")),
            ("0123456", Some("v0.0.0-20200101000000-0123456789ab")),
            ("012345", None),
            ("master", None),
            ("latest", Some("v1.20.0")),
        ] {
            let query: Query = query.parse().expect("a query");
            assert_eq!(resolve(&stored, &query).as_ref().map(Version::as_str), version, "{query}");
        }
    }

    #[test]
    fn lists_hold_valid_versions_only() {
        let module: ModulePath = "example.com/a".parse().expect("a path");
        let stored =
            ["v1.10.0", "v1.9.0", "v1.9.0", "v2.0.0", "v0.0.0-20200101000000-0123456789ab", "v1.0.0-rc.1"];
        assert_eq!(list_lines(&module, versions(&stored).into_iter()), "v1.0.0-rc.1\nv1.9.0\nv1.10.0");
    }
}
