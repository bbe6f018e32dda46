//! Where a module's go.mod is at a commit, and whether it may be there.

use bytes::Bytes;
use larder_module::gomod::module_path;
use larder_module::path::{path_major_prefix, split_path_version};
use larder_module::{semver, zip};
use larder_upstream::DirectFaultKind;

use super::CodeModule;
use crate::error::DirectError;

/// The most bytes of a go.mod that are looked at. The go command has no limit here; it finds a go.mod too large for a zip only when it makes
/// one, so a version with such a go.mod has an `.info` and no `.zip`.
const MOST_READ: u64 = 2 * zip::MAX_GO_MOD;

/// The folder of a module at a commit.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// Without slashes around it; empty for the root.
    pub(super) path: String,
    /// Its go.mod; nothing for a legacy module.
    pub(super) go_mod: Option<Bytes>,
}

impl CodeModule {
    /// Finds a module's folder at a commit. `version` is for messages.
    ///
    /// A module with `/vN` may lie in the folder `vN`, or above it with a go.mod that names `/vN`, but not in both. Only the major version
    /// of what a go.mod declares counts, never the rest of it: a fork that replaces another module keeps that one's path.
    pub(super) async fn find_folder(&self, commit: &str, version: &str) -> Result<Folder, DirectError> {
        let location = &self.location;
        let file = format!("{}go.mod", location.tag_prefix());
        let upper = self.read(commit, &file).await?;
        let declared = upper.as_deref().map(|text| module_path(text).unwrap_or_default());
        let upper_fits = declared.as_deref().is_some_and(|declared| {
            is_major(declared, &location.major) || replaces_by_mistake(declared, &location.major)
        });
        let lower_folder = location.major_folder();
        if let Some(lower_folder) = &lower_folder
            && let Some(found) = self.find_lower(commit, version, lower_folder, upper_fits).await?
        {
            return Ok(found);
        }
        if upper_fits {
            return Ok(Folder { path: location.folder.clone(), go_mod: upper });
        }
        if let Some(declared) = declared {
            return Err(self.misplaced(version, &file, &declared, lower_folder.is_some()));
        }
        if location.folder.is_empty() && (location.major.is_empty() || location.major.starts_with('.')) {
            return Ok(Folder { path: String::new(), go_mod: None });
        }
        let revision = location.revision_of(version);
        let lower = lower_folder.map_or_else(String::new, |_| format!(" and ...{}/go.mod", location.major));
        let why = format!("missing {}/go.mod{lower} at revision {revision}", location.prefix);
        Err(self.invalid(version, DirectFaultKind::Absent, &why))
    }

    /// Looks into the folder of the major version; nothing if there is no go.mod in it.
    async fn find_lower(
        &self,
        commit: &str,
        version: &str,
        folder: &str,
        upper_fits: bool,
    ) -> Result<Option<Folder>, DirectError> {
        let (location, file) = (&self.location, format!("{folder}/go.mod"));
        let Some(text) = self.read(commit, &file).await? else { return Ok(None) };
        let declared = module_path(&text).unwrap_or_default();
        let (major, revision) = (&location.major, location.revision_of(version));
        let why = match is_major(&declared, major) {
            true if !upper_fits => {
                return Ok(Some(Folder { path: folder.to_owned(), go_mod: Some(text) }));
            }
            true => format!(
                "{}/{}go.mod and ...{major}/go.mod both have ...{major} module paths at revision {revision}",
                location.prefix,
                location.tag_prefix()
            ),
            false if declared.is_empty() => {
                format!("{}/{file} is missing module path at revision {revision}", location.root)
            }
            false => format!(
                "{}/{file} has non-...{major} module path {declared:?} at revision {revision}",
                location.root
            ),
        };
        Err(self.invalid(version, DirectFaultKind::Invalid, &why))
    }

    /// Says why a go.mod that is there doesn't do.
    fn misplaced(&self, version: &str, file: &str, declared: &str, has_lower: bool) -> DirectError {
        let location = &self.location;
        let (major, revision) = (&location.major, location.revision_of(version));
        let lower =
            if has_lower { format!(" (and ...{major}/go.mod does not exist)") } else { String::new() };
        let what = if declared.is_empty() {
            "is missing module path".to_owned()
        } else if !major.is_empty() {
            format!("has non-...{major} module path {declared:?}")
        } else if split_path_version(declared).is_none() {
            format!("has malformed module path {declared:?}")
        } else {
            format!("has post-{} module path {declared:?}", semver::major(version))
        };
        let why = format!("{file} {what}{lower} at revision {revision}");
        self.invalid(version, DirectFaultKind::Invalid, &why)
    }

    /// Reads a go.mod.
    pub(super) async fn read(&self, commit: &str, file: &str) -> Result<Option<Bytes>, DirectError> {
        let files = &self.memory.files;
        if let Some(known) = files.find(commit, file) {
            return Ok(known);
        }
        let content = self.repository.read_file(commit, file, MOST_READ).await?;
        files.remember(commit, file, content.as_ref());
        Ok(content)
    }

    /// Reports whether there is such a file; one that is too large is there.
    pub(super) async fn file_exists(&self, commit: &str, file: &str) -> Result<bool, DirectError> {
        match self.read(commit, file).await {
            Ok(text) => Ok(text.is_some()),
            Err(error) if error.kind == DirectFaultKind::Invalid => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// Reports whether a declared module path belongs to the major version that the suffix `major` stands for.
fn is_major(declared: &str, major: &str) -> bool {
    if declared.is_empty() {
        return false;
    }
    let Some((_, own)) = split_path_version(declared) else { return false };
    if major.is_empty() {
        // gopkg.in has suffixes for v0 and v1 too.
        return matches!(path_major_prefix(own), "" | "v0" | "v1");
    }
    // `.v2` may stand for `/v2`: only what follows the separator counts.
    !own.is_empty() && own[1..] == major[1..]
}

/// Reports whether the go command takes a path of gopkg.in for one without major version, as it once did by mistake and now must.
fn replaces_by_mistake(declared: &str, major: &str) -> bool {
    major.is_empty() && declared.starts_with("gopkg.in/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_major_version_of_a_declared_path_counts() {
        for (declared, major, fits) in [
            ("example.com/a", "", true),
            ("other.example/b", "", true),
            ("example.com/a/v2", "", false),
            ("example.com/a/v1", "", false),
            ("gopkg.in/a.v1", "", true),
            ("gopkg.in/a.v2", "", false),
            ("example.com/a/v2", "/v2", true),
            ("gopkg.in/a.v2", "/v2", true),
            ("example.com/a/v2", ".v2", true),
            ("gopkg.in/a.v2-unstable", "/v2", false),
            ("example.com/a", "/v2", false),
            ("example.com/a", ".v1", false),
            ("", "", false),
            ("(", "", true),
        ] {
            assert_eq!(is_major(declared, major), fits, "{declared} {major}");
        }
        assert!(replaces_by_mistake("gopkg.in/a.v2", "") && !replaces_by_mistake("gopkg.in/a.v2", "/v3"));
    }
}
