//! Checking a pseudo-version that somebody asks for.
//!
//! Whoever writes one down could claim any rank for a commit, so the parts have to agree with the commit: its digits, its time, and a base
//! version that is a tag in its history.

use larder_module::pseudo::{pseudo_version_base, pseudo_version_revision, pseudo_version_time};
use larder_module::semver;
use larder_module::time::Timestamp;
use larder_upstream::DirectFaultKind;

use super::CodeModule;
use crate::error::DirectError;
use crate::git::Commit;

impl CodeModule {
    /// Checks that a pseudo-version agrees with its commit.
    pub(super) async fn validate_pseudo_version(
        &self,
        commit: &Commit,
        version: &str,
    ) -> Result<(), DirectError> {
        let fail = |why: &str| self.invalid_pseudo(version, DirectFaultKind::Invalid, why);
        let broken = |error: larder_module::pseudo::PseudoVersionError| fail(&error.fault.to_string());
        let revision = pseudo_version_revision(version).map_err(broken)?;
        check_revision(revision, &commit.short).map_err(|why| fail(&why))?;
        let time = Timestamp::from_unix(commit.time);
        if pseudo_version_time(version).map_err(broken)? != time {
            let expected = time.compact();
            return Err(fail(&format!("does not match version-control timestamp (expected {expected})")));
        }
        let base = pseudo_version_base(version.strip_suffix("+incompatible").unwrap_or(version));
        let base = base.map_err(broken)?;
        if base.is_empty() {
            if self.location.pseudo_major.is_empty() && semver::major(version) == "v1" {
                return Err(fail("major version without preceding tag must be v0, not v1"));
            }
            return Ok(());
        }
        let prefix = self.location.tag_prefix();
        if let Some(tag) = commit.tags.iter().find(|tag| tag.strip_prefix(&prefix).unwrap_or(tag) == base) {
            return Err(fail(&format!(
                "tag ({tag}) found on revision {revision} is already canonical, so should not be replaced with a pseudo-version derived from that tag"
            )));
        }
        match self.follows(commit, &prefix, &base).await? {
            Ok(()) => Ok(()),
            Err(None) => Err(fail(&format!("preceding tag ({base}) not found"))),
            Err(Some(tag)) => {
                Err(fail(&format!("revision {revision} is not a descendent of preceding tag ({tag})")))
            }
        }
    }

    /// Reports whether a commit follows a tag of the base version; if not, which tag it should have followed.
    async fn follows(
        &self,
        commit: &Commit,
        prefix: &str,
        base: &str,
    ) -> Result<Result<(), Option<String>>, DirectError> {
        let tags = self.repository.tags(&format!("{prefix}{base}")).await?;
        let (mut last, mut failed) = (None, None);
        for tag in tags.names() {
            let Some(version) = tag.strip_prefix(prefix) else { continue };
            // Tags with build metadata are as good.
            if semver::compare(version, base).is_ne() {
                continue;
            }
            last = Some(tag.to_owned());
            match self.repository.descends_from(&commit.hash, tag).await {
                Ok(true) => return Ok(Ok(())),
                Ok(false) => failed = None,
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(Err(last)),
        }
    }
}

/// Checks the digits of the commit that a pseudo-version names.
fn check_revision(revision: &str, short: &str) -> Result<(), String> {
    if revision == short {
        Ok(())
    } else if revision.starts_with(short) {
        Err(format!("revision is longer than canonical (expected {short})"))
    } else if short.starts_with(revision) {
        Err(format!("revision is shorter than canonical (expected {short})"))
    } else {
        Err(format!("does not match short name of revision (expected {short})"))
    }
}
