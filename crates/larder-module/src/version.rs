//! Versions, queries and module versions as types.
//!
//! A [`Version`] is canonical, so it names one immutable thing; a [`Query`] is anything else that may stand in the
//! same place of a URL and is answered anew each time; a [`ModuleVersion`] is a path and a version that fit together.

use crate::{
    escape::{self, VersionTextError},
    path::{self, ModuleError, ModulePath},
    pseudo, semver,
};
use std::{cmp::Ordering, fmt, str::FromStr, sync::Arc};

/// Returns the canonical form of a version: as [`semver::canonical`], but `+incompatible` stays.
///
/// Empty if `version` is no semantic version.
#[must_use]
pub fn canonical_version(version: &str) -> String {
    let mut canonical = semver::canonical(version);
    if semver::build(version) == "+incompatible" {
        canonical.push_str("+incompatible");
    }
    canonical
}

/// A version in canonical form.
///
/// Ordered by precedence, then by text. Safe as a file name once [escaped](Version::escaped). Cloning is cheap.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Version(Arc<str>);

impl Version {
    /// Returns the version as it stands in a go.mod file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the version with each upper-case letter written as `!` and its lower-case form.
    #[must_use]
    pub fn escaped(&self) -> String {
        escape::escape(&self.0)
    }

    /// Reports whether this is a pseudo-version.
    #[must_use]
    pub fn is_pseudo(&self) -> bool {
        pseudo::is_pseudo_version(&self.0)
    }

    /// Reports whether this is a pre-release; pseudo-versions are.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        !semver::prerelease(&self.0).is_empty()
    }
}

/// A text that is no canonical version.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("version {0:?} is not in canonical form")]
pub struct VersionError(pub String);

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A canonical version consists of letters, digits, `.`, `-` and `+`, so it is always a valid file name.
        if text.is_empty() || canonical_version(text) != text {
            return Err(VersionError(text.into()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for Version {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        semver::compare_total(&self.0, &other.0)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A version query: a branch, a commit, a shorthand such as `v1`, or a version that does not fit the path.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Query(Arc<str>);

impl Query {
    /// Returns the query's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the query with each upper-case letter written as `!` and its lower-case form.
    #[must_use]
    pub fn escaped(&self) -> String {
        escape::escape(&self.0)
    }
}

impl FromStr for Query {
    type Err = VersionTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        escape::escape_version(text)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Query {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A module path and a canonical version that fits it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ModuleVersion {
    module: ModulePath,
    version: Version,
}

impl ModuleVersion {
    /// Puts a path and a version together.
    ///
    /// # Errors
    ///
    /// Fails if the version belongs to another major version than the path.
    pub fn new(module: ModulePath, version: Version) -> Result<Self, ModuleError> {
        path::check(module.as_str(), version.as_str())?;
        Ok(Self { module, version })
    }

    /// Reads a path and a version.
    ///
    /// # Errors
    ///
    /// Fails if either is wrong, the version is not canonical, or they do not fit together.
    pub fn parse(module: &str, version: &str) -> Result<Self, ModuleError> {
        path::check(module, version)?;
        let module: ModulePath = module.parse()?;
        match version.parse() {
            Ok(version) => Ok(Self { module, version }),
            Err(VersionError(version)) => {
                Err(ModuleError::NotCanonical { path: module.as_str().into(), version })
            }
        }
    }

    /// Returns the module path.
    #[must_use]
    pub fn module(&self) -> &ModulePath {
        &self.module
    }

    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }
}

impl fmt::Display for ModuleVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.module, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_versions() {
        for (text, canonical) in [
            ("v1", "v1.0.0"),
            ("v1.2.3+meta", "v1.2.3"),
            ("v2.0.0+incompatible", "v2.0.0+incompatible"),
            ("v1+incompatible", ""),
            ("master", ""),
        ] {
            assert_eq!(canonical_version(text), canonical);
            assert_eq!(text.parse::<Version>().is_ok(), !text.is_empty() && text == canonical);
        }
    }

    #[test]
    fn versions_sort_by_precedence_then_text() {
        let read = |text: &str| text.parse::<Version>().expect("canonical");
        let mut versions = ["v2.0.0+incompatible", "v10.0.0", "v2.0.0", "v2.0.0-rc.1"].map(read);
        versions.sort();
        assert_eq!(versions, ["v2.0.0-rc.1", "v2.0.0", "v2.0.0+incompatible", "v10.0.0"].map(read));
    }

    #[test]
    fn module_versions_fit_together() {
        assert!(ModuleVersion::parse("example.com/a/v2", "v2.1.0").is_ok());
        for (module, version) in [
            ("example.com/a/v2", "v1.0.0"),
            ("example.com/a", "v1"),
            ("example.com/a", "master"),
            ("a", "v1.0.0"),
        ] {
            assert!(ModuleVersion::parse(module, version).is_err(), "{module}@{version}");
        }
    }
}
