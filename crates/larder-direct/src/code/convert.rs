//! From a commit to the version that it is for a module: Go's rules for tags, `+incompatible` and pseudo-versions.

use std::collections::HashMap;

use larder_module::path::match_path_major;
use larder_module::pseudo::{is_pseudo_version, pseudo_version};
use larder_module::time::Timestamp;
use larder_module::{semver, version::canonical_version};
use larder_upstream::DirectFaultKind;

use super::CodeModule;
use super::origin::{Origin, Revision};
use super::select::Retractions;
use crate::error::DirectError;
use crate::git::Commit;

const INCOMPATIBLE: &str = "+incompatible";

/// One commit on its way to a version.
struct Conversion<'a> {
    module: &'a CodeModule,
    commit: &'a Commit,
    /// What was asked for; empty for the newest commit.
    wanted: &'a str,
    /// Whether files are at the commit, each looked at once.
    files: HashMap<String, bool>,
}

/// A tag that a version can be read from.
struct TagVersion {
    version: String,
    /// The tag is the version, not one with build metadata.
    is_canonical: bool,
}

/// What the tags on a commit say.
enum OnCommit {
    /// This is the version.
    Version(String),
    /// The tag asked for is there, but in a form that leads to a pseudo-version after this version.
    After(String),
    /// Nothing.
    Nothing,
}

impl CodeModule {
    /// Returns the version of a commit. `wanted` is what it was found by and, if it is a version, what has to come out.
    pub(super) async fn convert(&self, commit: &Commit, wanted: &str) -> Result<Revision, DirectError> {
        let mut conversion = Conversion { module: self, commit, wanted, files: HashMap::new() };
        let version = conversion.version().await?;
        let mut origin = Origin {
            url: self.repository.url(),
            subdirectory: self.location.folder.clone(),
            hash: commit.hash.clone(),
            reference: commit.reference.clone().unwrap_or_default(),
            ..Origin::default()
        };
        // A pseudo-version that was made here depends on the tags; one that was asked for with a base does too.
        if is_pseudo_version(&version) && (version != wanted || !version.starts_with("v0.0.0-")) {
            let prefix = self.location.pseudo_tag_prefix();
            origin.tag_sum.clone_from(&self.repository.tags(&prefix).await?.tag_sum);
            origin.tag_prefix = prefix;
        }
        let time = Timestamp::from_unix(commit.time);
        Ok(Revision { version, time, commit: commit.hash.clone(), origin: Some(origin) })
    }

    /// Returns the version that a tag of this module stands for, if it does.
    fn tag_version(&self, tag: &str) -> Option<TagVersion> {
        let trimmed = tag.strip_prefix(&self.location.tag_prefix())?;
        // The whole tag is looked at, as the go command does: in a folder, a tag may look like a pseudo-version.
        if is_pseudo_version(tag) {
            return None;
        }
        let version = semver::canonical(trimmed);
        if version.is_empty() || !trimmed.starts_with(&version) {
            return None;
        }
        Some(TagVersion { is_canonical: version == trimmed, version })
    }
}

impl Conversion<'_> {
    async fn version(&mut self) -> Result<String, DirectError> {
        let (module, wanted) = (self.module, self.wanted);
        if is_pseudo_version(wanted) {
            let version = self.checked(wanted).await?;
            module.validate_pseudo_version(self.commit, wanted).await?;
            return Ok(version);
        }
        if let Some(tag) = module.tag_version(&self.commit.version).filter(|tag| tag.is_canonical) {
            match self.checked(&tag.version).await {
                Err(error) if error.is_absence() => {}
                done => return done,
            }
        }
        // Only now, because another version's commit has to be fetched for it.
        let retracted = module.retractions_of_highest().await?;
        let base = match self.on_commit(&retracted).await? {
            OnCommit::Version(version) => return self.checked(&version).await,
            OnCommit::After(version) => Some(version),
            OnCommit::Nothing => None,
        };
        let base = match base {
            Some(base) => base,
            None => self.recent_version(&retracted).await?,
        };
        let time = Timestamp::from_unix(self.commit.time);
        let version = pseudo_version(&module.location.pseudo_major, &base, time, &self.commit.short);
        self.checked(&version).await
    }

    /// Looks through the tags on the commit: for the one asked for, else for the highest version.
    async fn on_commit(&mut self, retracted: &Retractions) -> Result<OnCommit, DirectError> {
        let (mut highest, mut after) = (String::new(), None);
        for tag in &self.commit.tags {
            let Some(tag) = self.module.tag_version(tag) else { continue };
            let version = tag.version;
            if !self.wanted.is_empty() && semver::compare(&version, self.wanted).is_eq() {
                if tag.is_canonical {
                    return Ok(OnCommit::Version(version));
                }
                // Several commits may carry the same version with different metadata; only a pseudo-version tells them apart.
                after = Some(version.clone());
            }
            if tag.is_canonical
                && semver::compare(&highest, &version).is_lt()
                && !retracted.contains(&version)
                && self.is_for_this_path(&version).await?
            {
                highest = version;
            }
        }
        Ok(match after {
            _ if !highest.is_empty() => OnCommit::Version(highest),
            Some(after) => OnCommit::After(after),
            None => OnCommit::Nothing,
        })
    }

    /// Returns the highest version among the tags in the commit's history; empty if there is none.
    async fn recent_version(&mut self, retracted: &Retractions) -> Result<String, DirectError> {
        let module = self.module;
        let prefix = module.location.tag_prefix();
        // Which major versions may be `+incompatible` is found out beforehand, because files can't be read while tags are walked.
        let mut incompatible: HashMap<String, bool> = HashMap::new();
        if module.location.major.is_empty() && module.location.folder.is_empty() {
            for tag in module.repository.tags(&prefix).await?.names() {
                let Some(tag) = module.tag_version(tag) else { continue };
                let major = semver::major(&tag.version);
                if !match_path_major(&tag.version, "") && !incompatible.contains_key(major) {
                    let major = major.to_owned();
                    let may = self.may_be_incompatible(&tag.version).await?;
                    incompatible.insert(major, may);
                }
            }
        }
        let allowed = |tag: &str| {
            let Some(TagVersion { version, .. }) = module.tag_version(tag) else { return false };
            let fits = match_path_major(&version, &module.location.major)
                || incompatible.get(semver::major(&version)).copied().unwrap_or(false);
            fits && !retracted.contains(&version)
        };
        let tag = module.repository.recent_tag(&self.commit.hash, &prefix, &allowed).await?;
        Ok(tag.and_then(|tag| module.tag_version(&tag)).map_or_else(String::new, |tag| tag.version))
    }

    /// Checks that a canonical version fits the path and is what was asked for, and adds `+incompatible` where it belongs.
    async fn checked(&mut self, version: &str) -> Result<String, DirectError> {
        let (module, wanted) = (self.module, self.wanted);
        module.find_folder(&self.commit.hash, version).await?;
        let wanted_base = wanted.strip_suffix(INCOMPATIBLE).unwrap_or(wanted);
        let version = if version == wanted_base { wanted } else { version };
        let base = version.strip_suffix(INCOMPATIBLE).unwrap_or(version);
        let outcome = self.with_suffix(version, base).await?;
        if !wanted.is_empty() && wanted == canonical_version(wanted) && wanted_base != base {
            let shown = outcome.as_deref().unwrap_or(version);
            let why = format!("resolves to version {shown} ({wanted_base} is not a tag)");
            return Err(module.invalid(wanted, DirectFaultKind::Invalid, &why));
        }
        outcome.map_err(|why| module.invalid(version, DirectFaultKind::Invalid, &why))
    }

    /// Returns the version with the suffix that it has to have, or why there is none.
    async fn with_suffix(
        &mut self,
        version: &str,
        base: &str,
    ) -> Result<Result<String, String>, DirectError> {
        let location = &self.module.location;
        let major = semver::major(version);
        if match_path_major(base, &location.major) {
            if version.ends_with(INCOMPATIBLE) {
                return Ok(Err(format!(
                    "{INCOMPATIBLE} suffix not allowed: major version {major} is compatible"
                )));
            }
            return Ok(Ok(version.to_owned()));
        }
        if self.may_be_incompatible(base).await? {
            return Ok(Ok(format!("{base}{INCOMPATIBLE}")));
        }
        if !location.major.is_empty() {
            return Ok(Err(
                "module path includes a major version suffix, so major version must match".to_owned()
            ));
        }
        let path = format!("{}/{major}", location.prefix);
        Ok(Err(format!("module contains a go.mod file, so module path must match major version ({path:?})")))
    }

    async fn is_for_this_path(&mut self, version: &str) -> Result<bool, DirectError> {
        Ok(match_path_major(version, &self.module.location.major)
            || self.may_be_incompatible(version).await?)
    }

    /// Reports whether a version of another major version may be used with `+incompatible`.
    ///
    /// Only at the root, for a path without major version, and where no go.mod says that its author knows of modules. A go.mod in the folder
    /// `vN` claims the tags of that major version, except for who asks with the suffix: older go commands let that pass.
    async fn may_be_incompatible(&mut self, version: &str) -> Result<bool, DirectError> {
        let location = &self.module.location;
        if !location.folder.is_empty() || !location.major.is_empty() || self.has("go.mod").await? {
            return Ok(false);
        }
        if self.wanted.ends_with(INCOMPATIBLE) {
            return Ok(true);
        }
        Ok(!self.has(&format!("{}/go.mod", semver::major(version))).await?)
    }

    async fn has(&mut self, file: &str) -> Result<bool, DirectError> {
        if let Some(has) = self.files.get(file) {
            return Ok(*has);
        }
        let has = self.module.file_exists(&self.commit.hash, file).await?;
        self.files.insert(file.to_owned(), has);
        Ok(has)
    }
}
