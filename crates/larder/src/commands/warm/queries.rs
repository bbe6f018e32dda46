//! From `MODULE@QUERY` to a version, as `go get` and `go install` would have it.

use std::cmp::Ordering;

use larder_module::gomod::{GoMod, Retract};
use larder_module::info::Info;
use larder_module::version::canonical_version;
use larder_module::{ModulePath, ModuleVersion, ObjectKind, Query, Version, semver};

use super::provider::{Missing, Provider};

/// Finds what is meant. A path may be that of a package: the longest path that is a module's counts.
pub(crate) async fn resolve(provider: &Provider, path: &str, query: &str) -> Result<ModuleVersion, Missing> {
    let mut first: Option<Missing> = None;
    let mut candidate = path;
    loop {
        if let Ok(module) = candidate.parse::<ModulePath>() {
            match version_of(provider, &module, query).await {
                Ok(found) => return Ok(found),
                Err(missing) if missing.is_absent => first = first.or(Some(missing)),
                Err(missing) => return Err(missing),
            }
        } else if first.is_none() {
            let error = path.parse::<ModulePath>().err().map(|error| error.to_string());
            return Err(Missing::plain(
                "invalid",
                error.unwrap_or_else(|| format!("{path} is no module path")),
            ));
        }
        match candidate.rsplit_once('/') {
            Some((shorter, _)) => candidate = shorter,
            None => break,
        }
    }
    Err(first.unwrap_or_else(|| Missing::plain("invalid", format!("{path} is no module path"))))
}

async fn version_of(provider: &Provider, module: &ModulePath, query: &str) -> Result<ModuleVersion, Missing> {
    match query {
        "latest" | "upgrade" | "patch" => return latest(provider, module).await,
        _ => {}
    }
    if let Some(range) = Range::parse(query) {
        return in_range(provider, module, query, &range).await;
    }
    let canonical = canonical_version(query);
    if canonical == query
        && let Ok(of) = ModuleVersion::parse(module.as_str(), query)
    {
        // Asking for it shows whether the path is that of a module.
        provider.object(&of, ObjectKind::Info, false).await?;
        return Ok(of);
    }
    let text: Query = query.parse().map_err(|error| Missing::plain("invalid", format!("{error}")))?;
    let info = provider.query(module, &text).await?;
    named(module, &info)
}

fn named(module: &ModulePath, info: &[u8]) -> Result<ModuleVersion, Missing> {
    let info = Info::parse(info).map_err(|error| Missing::plain("bad-upstream", error.to_string()))?;
    ModuleVersion::new(module.clone(), info.version)
        .map_err(|error| Missing::plain("bad-upstream", error.to_string()))
}

/// The highest release, else the highest pre-release, neither retracted; else what the upstream calls the latest.
async fn latest(provider: &Provider, module: &ModulePath) -> Result<ModuleVersion, Missing> {
    let versions = versions(provider, module).await?;
    if let Some(of) = choose(provider, module, &versions, None).await {
        return Ok(of);
    }
    let info = provider.latest(module).await?;
    named(module, &info)
}

async fn in_range(
    provider: &Provider,
    module: &ModulePath,
    query: &str,
    range: &Range,
) -> Result<ModuleVersion, Missing> {
    let versions = versions(provider, module).await?;
    let found = choose(provider, module, &versions, Some(range)).await;
    found.ok_or_else(|| Missing::absent(format!("{module} has no version that matches {query}")))
}

async fn versions(provider: &Provider, module: &ModulePath) -> Result<Vec<Version>, Missing> {
    let list = provider.list(module).await?;
    let text = String::from_utf8_lossy(&list).into_owned();
    let parsed = text.lines().filter_map(|line| line.split_whitespace().next()?.parse::<Version>().ok());
    let mut versions: Vec<Version> =
        parsed.filter(|version| ModuleVersion::new(module.clone(), version.clone()).is_ok()).collect();
    versions.sort();
    Ok(versions)
}

/// Picks from versions in ascending order: nothing retracted, releases before pre-releases, `+incompatible` ones only where there are no
/// others. What the latest version says is retracted counts for all.
async fn choose(
    provider: &Provider,
    module: &ModulePath,
    versions: &[Version],
    range: Option<&Range>,
) -> Option<ModuleVersion> {
    let retracted = retractions(provider, module, preferred(versions.iter().collect(), false)?).await;
    let is_retracted = |version: &Version| {
        retracted.iter().any(|range| {
            semver::compare(&range.low, version.as_str()) != Ordering::Greater
                && semver::compare(version.as_str(), &range.high) != Ordering::Greater
        })
    };
    let fits = |version: &&Version| range.is_none_or(|range| range.has(version)) && !is_retracted(version);
    let left = versions.iter().filter(fits).collect();
    let chosen = preferred(left, range.is_some_and(Range::prefers_lowest))?;
    ModuleVersion::new(module.clone(), chosen.clone()).ok()
}

/// Returns the highest of the best sort of versions, or the lowest.
fn preferred(versions: Vec<&Version>, lowest: bool) -> Option<&Version> {
    let left = only(versions, |version| semver::build(version.as_str()).is_empty());
    let left = only(left, |version| !version.is_prerelease());
    if lowest { left.first().copied() } else { left.last().copied() }
}

/// Keeps those that are good, unless none is.
fn only<'a>(versions: Vec<&'a Version>, is_good: fn(&Version) -> bool) -> Vec<&'a Version> {
    let kept: Vec<&'a Version> = versions.iter().copied().filter(|version| is_good(version)).collect();
    if kept.is_empty() { versions } else { kept }
}

/// What the module's latest version says is retracted; nothing where that can't be read.
async fn retractions(provider: &Provider, module: &ModulePath, latest: &Version) -> Vec<Retract> {
    let Ok(of) = ModuleVersion::new(module.clone(), latest.clone()) else { return Vec::new() };
    let Ok(got) = provider.object(&of, ObjectKind::Mod, false).await else { return Vec::new() };
    GoMod::parse_lax(&got.bytes).map(|file| file.retract).unwrap_or_default()
}

/// Versions by comparison (`<v1.2.3`) or prefix (`v1`, `v1.2`).
#[derive(Clone, Debug, Eq, PartialEq)]
enum Range {
    Below { bound: String, inclusive: bool },
    Above { bound: String, inclusive: bool },
    Prefix(String),
}

impl Range {
    fn parse(query: &str) -> Option<Self> {
        let bound = |text: &str| semver::is_valid(text).then(|| semver::canonical(text));
        if let Some(text) = query.strip_prefix("<=") {
            return Some(Self::Below { bound: bound(text)?, inclusive: true });
        }
        if let Some(text) = query.strip_prefix('<') {
            return Some(Self::Below { bound: bound(text)?, inclusive: false });
        }
        if let Some(text) = query.strip_prefix(">=") {
            return Some(Self::Above { bound: bound(text)?, inclusive: true });
        }
        if let Some(text) = query.strip_prefix('>') {
            return Some(Self::Above { bound: bound(text)?, inclusive: false });
        }
        let parts = semver::parse(query)?;
        (!parts.short.is_empty()).then(|| Self::Prefix(format!("{query}.")))
    }

    fn has(&self, version: &Version) -> bool {
        let text = version.as_str();
        match self {
            Self::Below { bound, inclusive } => match semver::compare(text, bound) {
                Ordering::Less => true,
                Ordering::Equal => *inclusive,
                Ordering::Greater => false,
            },
            Self::Above { bound, inclusive } => match semver::compare(text, bound) {
                Ordering::Less => false,
                Ordering::Equal => *inclusive,
                Ordering::Greater => true,
            },
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
        }
    }

    /// Above a bound the lowest is meant, else the highest.
    fn prefers_lowest(&self) -> bool {
        matches!(self, Self::Above { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (query, inside, outside) in [
            ("v1", "v1.9.0", "v10.0.0"),
            ("v1.2", "v1.2.7", "v1.20.0"),
            ("<v1.2.0", "v1.1.9", "v1.2.0"),
            ("<=v1.2", "v1.2.0", "v1.2.1"),
            (">v1.2.0", "v1.2.1", "v1.2.0"),
            (">=v1.2.0", "v1.2.0", "v1.2.0-rc.1"),
        ] {
            let range = Range::parse(query).expect(query);
            assert!(range.has(&inside.parse().expect("canonical")), "{query} {inside}");
            assert!(!range.has(&outside.parse().expect("canonical")), "{query} {outside}");
        }
        for query in ["v1.2.3", "main", "latest", "<main", "v1.2.3-pre"] {
            assert_eq!(Range::parse(query), None, "{query}");
        }
    }
}
