//! Which tags are versions: `@v/list`.

use larder_module::path::check_path_major;
use larder_module::pseudo::is_pseudo_version;
use larder_module::semver;

use super::CodeModule;
use super::origin::Origin;
use crate::error::DirectError;

/// The versions of a module and what they depend on.
#[derive(Clone, Debug, Default)]
pub(super) struct VersionList {
    /// Sorted; those with `+incompatible` at the end.
    pub(super) list: Vec<String>,
    pub(super) origin: Option<Origin>,
}

impl CodeModule {
    /// Returns the versions that begin with `prefix`.
    pub(super) async fn list(&self, prefix: &str) -> Result<VersionList, DirectError> {
        let location = &self.location;
        // Such a path shares its repository with the stable one, whose tags they are.
        if self.module.as_str().starts_with("gopkg.in/") && self.module.as_str().ends_with("-unstable") {
            return Ok(VersionList::default());
        }
        let tag_prefix = format!("{}{prefix}", location.tag_prefix());
        let tags = self.repository.tags(&tag_prefix).await?;
        self.memory.ledger.compare(&tag_prefix, |tag| tags.commit(tag)).await;
        let (mut list, mut incompatible) = (Vec::new(), Vec::new());
        let start = location.tag_prefix().len();
        for tag in tags.names() {
            let version = &tag[start..];
            // Tags in other forms, and those that look like pseudo-versions, only ever lead to a commit.
            if version.is_empty() || semver::canonical(version) != *version || is_pseudo_version(version) {
                continue;
            }
            if check_path_major(version, &location.major).is_ok() {
                list.push(version.to_owned());
            } else if location.folder.is_empty() && location.major.is_empty() {
                incompatible.push(version.to_owned());
            }
        }
        semver::sort(&mut list);
        semver::sort(&mut incompatible);
        self.append_incompatible(&mut list, &incompatible).await?;
        let origin = Origin {
            url: self.repository.url(),
            subdirectory: location.folder.clone(),
            tag_prefix,
            tag_sum: tags.tag_sum.clone(),
            ..Origin::default()
        };
        Ok(VersionList { list, origin: Some(origin) })
    }

    /// Appends the versions of v2 and higher that count because they were tagged without knowing of modules.
    ///
    /// The newest compatible version decides for all, and the newest of each major version for that one: where it has a go.mod, its author
    /// knows of modules and does not mean these tags for this path.
    async fn append_incompatible(
        &self,
        list: &mut Vec<String>,
        incompatible: &[String],
    ) -> Result<(), DirectError> {
        let Some(first) = incompatible.first() else { return Ok(()) };
        if let Some(newest) = list.last()
            && self.has_root_go_mod(newest).await?
        {
            return Ok(());
        }
        let mut rest = incompatible;
        let mut major = semver::major(first);
        while !rest.is_empty() {
            let count = rest.iter().take_while(|version| semver::major(version) == major).count();
            let (same, higher) = rest.split_at(count);
            if let Some(newest) = same.last()
                && !self.has_root_go_mod(newest).await?
            {
                list.extend(same.iter().map(|version| format!("{version}+incompatible")));
            }
            rest = higher;
            major = higher.first().map_or("", |version| semver::major(version));
        }
        Ok(())
    }

    async fn has_root_go_mod(&self, tag: &str) -> Result<bool, DirectError> {
        let commit = self.resolve(tag).await?;
        self.file_exists(&commit.hash, "go.mod").await
    }
}
