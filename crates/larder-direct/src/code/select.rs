//! What a query chooses: `latest`, `v1`, `v1.2`, and everything that names one revision.

use larder_module::gomod::GoMod;
use larder_module::path::match_path_major;
use larder_module::{semver, version::canonical_version, zip};
use larder_upstream::DirectFaultKind;

use super::CodeModule;
use super::origin::{Origin, Revision};
use crate::error::DirectError;

/// How many retractions count; nobody takes back more versions than that.
const MOST_RETRACTIONS: usize = 100_000;

/// The versions that a module's author took back.
#[derive(Clone, Debug, Default)]
pub(super) struct Retractions(Vec<(String, String)>);

impl Retractions {
    fn of(go_mod: &[u8]) -> Self {
        // A go.mod that can't be read retracts nothing.
        let file = GoMod::parse_outline(go_mod, MOST_RETRACTIONS).unwrap_or_default();
        Self(file.retract.into_iter().map(|retract| (retract.low, retract.high)).collect())
    }

    /// Reports whether a version is among them.
    pub(super) fn contains(&self, version: &str) -> bool {
        self.0.iter().any(|(low, high)| {
            semver::compare(low, version).is_le() && semver::compare(version, high).is_le()
        })
    }
}

/// A query that chooses among versions.
struct Matcher<'a> {
    query: &'a str,
    /// What a version must begin with; empty for any.
    prefix: String,
    /// The lowest version; empty for any.
    lowest: &'a str,
    /// Where no version does, the newest commit will.
    may_use_newest_commit: bool,
    prefers_incompatible: bool,
}

/// What a query chose.
enum Chosen {
    Version(String),
    Commit(Box<Revision>),
}

impl CodeModule {
    /// Resolves a query as `go list -m MODULE@QUERY` does.
    pub(super) async fn select(&self, query: &str) -> Result<Revision, DirectError> {
        let Some(matcher) = Matcher::new(query, &self.location.major) else {
            return self.stat_query(query).await;
        };
        let retracted = if self.may_be_retracted(&matcher).await? {
            self.retractions_of_latest().await?
        } else {
            Retractions::default()
        };
        let versions = self.list(&matcher.prefix).await?;
        let mut origin = versions.origin;
        let revision = match self.choose(&matcher, &versions.list, &retracted).await? {
            Chosen::Version(version) => self.stat(&version).await?,
            Chosen::Commit(revision) => {
                // The go command meets the same answer twice: as the newest commit and as what its version stands for.
                origin = Origin::merged(origin.as_ref(), revision.origin.as_ref());
                *revision
            }
        };
        let origin = Origin::merged(origin.as_ref(), revision.origin.as_ref());
        Ok(Revision { origin, ..revision })
    }

    /// Resolves a query that names a revision. A version with build metadata that is no tag stands for the one without.
    async fn stat_query(&self, query: &str) -> Result<Revision, DirectError> {
        let error = match self.stat(query).await {
            Ok(revision) => return Ok(revision),
            Err(error) => error,
        };
        let canonical = canonical_version(query);
        if canonical.is_empty() || canonical == query {
            return Err(error);
        }
        match self.stat(&canonical).await {
            Err(second) if second.kind == DirectFaultKind::Absent => Err(error),
            done => done,
        }
    }

    /// Reports whether retractions can change what is chosen.
    async fn may_be_retracted(&self, matcher: &Matcher<'_>) -> Result<bool, DirectError> {
        Ok(matcher.may_use_newest_commit || !self.list(&matcher.prefix).await?.list.is_empty())
    }

    /// Returns what the latest version retracts, the newest commit where there is no version.
    async fn retractions_of_latest(&self) -> Result<Retractions, DirectError> {
        let Some(matcher) = Matcher::new("latest", &self.location.major) else {
            return Ok(Retractions::default());
        };
        let versions = self.list("").await?;
        let version = match self.choose(&matcher, &versions.list, &Retractions::default()).await {
            Ok(Chosen::Version(version)) => version,
            Ok(Chosen::Commit(revision)) => revision.version,
            Err(error) if error.is_absence() => return Ok(Retractions::default()),
            Err(error) => return Err(error),
        };
        unless_absent(self.retractions_in(&version).await)
    }

    /// Returns what the highest version without `+incompatible` retracts: what commits are converted with.
    pub(super) async fn retractions_of_highest(&self) -> Result<Retractions, DirectError> {
        self.retracted.get_or_try_init(|| self.read_highest()).await.cloned()
    }

    async fn read_highest(&self) -> Result<Retractions, DirectError> {
        let mut list = self.list("").await?.list;
        list.retain(|version| !version.ends_with("+incompatible"));
        let highest = list.iter().rev().find(|version| semver::prerelease(version).is_empty());
        match highest.or_else(|| list.last()) {
            Some(highest) => unless_absent(self.retractions_in(highest).await),
            None => Ok(Retractions::default()),
        }
    }

    async fn retractions_in(&self, version: &str) -> Result<Retractions, DirectError> {
        let commit = self.resolve(&self.location.revision_of(version)).await?;
        let folder = self.find_folder(&commit.hash, version).await?;
        // A go.mod that is too large to be served retracts nothing for any client, and would take many times its size while it is read.
        let servable = folder.go_mod.filter(|text| text.len() as u64 <= zip::MAX_GO_MOD);
        Ok(servable.as_deref().map(Retractions::of).unwrap_or_default())
    }

    /// Chooses the highest release, else the highest pre-release, else the newest commit.
    async fn choose(
        &self,
        matcher: &Matcher<'_>,
        versions: &[String],
        retracted: &Retractions,
    ) -> Result<Chosen, DirectError> {
        let allowed = self.allowed(matcher, versions, retracted).await?;
        let release = allowed.iter().rev().find(|version| semver::prerelease(version).is_empty());
        if let Some(version) = release.or_else(|| allowed.last()) {
            return Ok(Chosen::Version((*version).to_owned()));
        }
        let nothing = format!("module {}: no matching versions for query {:?}", self.module, matcher.query);
        let nothing = format!("{nothing} ({})", self.repository.url());
        if matcher.may_use_newest_commit {
            match self.newest_commit().await {
                Ok(revision) if matcher.matches(&revision.version, retracted) => {
                    return Ok(Chosen::Commit(Box::new(revision)));
                }
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Err(DirectError::new(DirectFaultKind::Absent, nothing))
    }

    /// Returns the versions that may be chosen. Those with `+incompatible` count only where nothing says that they shouldn't.
    async fn allowed<'a>(
        &self,
        matcher: &Matcher<'_>,
        versions: &'a [String],
        retracted: &Retractions,
    ) -> Result<Vec<&'a str>, DirectError> {
        let mut needs_incompatible = matcher.prefers_incompatible;
        let (mut allowed, mut last_compatible) = (Vec::new(), None);
        for version in versions.iter().filter(|version| matcher.matches(version, retracted)) {
            if !needs_incompatible {
                if !version.ends_with("+incompatible") {
                    last_compatible = Some(version);
                } else if let Some(last) = last_compatible {
                    if self.has_own_go_mod(last).await? {
                        break;
                    }
                    needs_incompatible = true;
                }
            }
            allowed.push(version.as_str());
        }
        Ok(allowed)
    }

    /// Reports whether a version's go.mod is more than what is made up for a module without one.
    async fn has_own_go_mod(&self, version: &str) -> Result<bool, DirectError> {
        let commit = self.resolve(&self.location.revision_of(version)).await?;
        let folder = self.find_folder(&commit.hash, version).await?;
        Ok(folder.go_mod.is_some_and(|text| text != self.legacy_go_mod()))
    }
}

/// Where retractions can't be found because of Go's rules nothing is retracted; where a forge fails, that is the answer.
fn unless_absent(read: Result<Retractions, DirectError>) -> Result<Retractions, DirectError> {
    match read {
        Err(error) if error.is_absence() => Ok(Retractions::default()),
        done => done,
    }
}

impl<'a> Matcher<'a> {
    /// Reads a query; nothing if it names one revision.
    fn new(query: &'a str, major: &str) -> Option<Self> {
        let any = Self {
            query,
            prefix: String::new(),
            lowest: "",
            may_use_newest_commit: true,
            prefers_incompatible: false,
        };
        if matches!(query, "latest" | "upgrade") {
            return Some(any);
        }
        if !semver::is_valid(query) || !is_prefix(query) {
            return None;
        }
        // A pre-release of v1.2.0 is below v1.2.
        Some(Self {
            prefix: format!("{query}."),
            lowest: query,
            may_use_newest_commit: false,
            prefers_incompatible: !match_path_major(query, major),
            ..any
        })
    }

    fn matches(&self, version: &str, retracted: &Retractions) -> bool {
        version.starts_with(&self.prefix)
            && (self.lowest.is_empty() || semver::compare(version, self.lowest).is_ge())
            && !retracted.contains(version)
    }
}

/// Reports whether a valid version is one of the shorthands `v1` and `v1.2`.
fn is_prefix(version: &str) -> bool {
    !version.contains(['-', '+']) && version.matches('.').count() < 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorthands_choose_and_everything_else_names() {
        for (query, chooses) in [
            ("latest", true),
            ("v1", true),
            ("v1.2", true),
            ("v1.2.3", false),
            ("v1.2.3+meta", false),
            ("v1-pre", false),
            ("main", false),
            ("1.2", false),
            ("v01.2", false),
            ("0123abcd", false),
        ] {
            assert_eq!(Matcher::new(query, "").is_some(), chooses, "{query}");
        }
        let matcher = Matcher::new("v1.2", "").expect("a shorthand");
        let none = Retractions::default();
        assert!(matcher.matches("v1.2.0", &none) && matcher.matches("v1.2.1-pre", &none));
        assert!(!matcher.matches("v1.2.0-pre", &none) && !matcher.matches("v1.20.0", &none));
        assert!(Matcher::new("v2", "").is_some_and(|matcher| matcher.prefers_incompatible));
    }

    #[test]
    fn retractions_are_intervals() {
        let text = b"module example.com/a\nretract v1.0.0\nretract [v1.2.0, v1.3.0] // bad\n";
        let retracted = Retractions::of(text);
        for (version, expected) in [
            ("v1.0.0", true),
            ("v1.0.1", false),
            ("v1.2.0", true),
            ("v1.2.5-pre", true),
            ("v1.3.0", true),
            ("v1.3.1", false),
        ] {
            assert_eq!(retracted.contains(version), expected, "{version}");
        }
        assert!(!Retractions::of(b"module (((").contains("v1.0.0"));
    }
}
