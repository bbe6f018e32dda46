//! What the go command refuses or settles before it asks anybody.

use larder_module::path::{PathFault, check_path};
use larder_module::{escape, semver};

use crate::symptom::{Source, Stage, Symptom, Trouble};

/// Makes a symptom of the go command's words.
pub(super) fn said(stage: Stage, path: &str, version: Option<&str>, text: String) -> Symptom {
    Symptom {
        source: Source::Probe { name: "rules of Go".to_owned() },
        stage,
        module: Some(path.to_owned()),
        version: version.map(str::to_owned),
        trouble: Trouble::Said,
        text,
        ..Symptom::default()
    }
}

/// Returns what the go command says about a path or query that it asks nobody about.
pub(super) fn refused(path: &str, version: Option<&str>, asks_proxies: bool) -> Option<Symptom> {
    if let Err(error) = check_path(path) {
        // Without a version it is a package's name first of all.
        let text = match (&error.fault, version) {
            (PathFault::NoDotInHost, None) => format!("package {path} is not in std"),
            (PathFault::NoDotInHost, Some(_)) => {
                format!("malformed module path \"{path}\": missing dot in first path element")
            }
            _ => error.to_string(),
        };
        return Some(said(Stage::Resolution, path, version, text));
    }
    let version = version.filter(|version| asks_proxies && escape::escape_version(version).is_err())?;
    let text = format!("{path}@{version}: invalid version: disallowed version string \"{version}\"");
    Some(said(Stage::Resolution, path, Some(version), text))
}

/// What a query asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Query<'a> {
    /// The newest version.
    Latest,
    /// The newest version that begins so: `v1`, `v1.2`.
    Prefix(&'a str),
    /// A comparison: `>=v1.2.0`.
    Bound(&'a str),
    /// A branch, a tag, a commit: the proxy knows what it means.
    Revision(&'a str),
}

impl<'a> Query<'a> {
    pub(super) fn of(text: Option<&'a str>) -> Self {
        match text {
            None | Some("latest" | "upgrade" | "patch") => Self::Latest,
            Some(text) if text.starts_with(['<', '>']) => Self::Bound(text),
            Some(text)
                if semver::is_valid(text)
                    && semver::canonical(text) != text
                    && !text.contains(['-', '+']) =>
            {
                Self::Prefix(text)
            }
            Some(text) => Self::Revision(text),
        }
    }

    /// Chooses among the versions of a list, as the go command does: releases first.
    pub(super) fn choose(self, list: &str) -> Option<String> {
        let fits = |version: &&str| match self {
            Self::Latest => true,
            Self::Prefix(prefix) => version.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')),
            Self::Bound(text) => is_within(text, version),
            Self::Revision(_) => false,
        };
        let mut versions: Vec<&str> = list
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|version| semver::is_valid(version) && !larder_module::pseudo::is_pseudo_version(version))
            .filter(fits)
            .collect();
        versions.sort_by(|a, b| semver::compare(a, b));
        // Below a bound the newest counts, above it the oldest.
        if matches!(self, Self::Bound(text) if text.starts_with('>')) {
            versions.reverse();
        }
        let release = versions.iter().rev().find(|version| semver::prerelease(version).is_empty());
        release.or_else(|| versions.last()).map(|version| (*version).to_owned())
    }
}

fn is_within(bound: &str, version: &str) -> bool {
    use std::cmp::Ordering::{Greater, Less};
    let (operator, limit) = bound.split_at(bound.find('v').unwrap_or(bound.len()));
    let order = semver::compare(version, limit);
    match operator {
        "<" => order == Less,
        "<=" => order != Greater,
        ">" => order == Greater,
        _ => order != Less,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_is_asked_about() {
        let words =
            |path: &str, version: Option<&str>| refused(path, version, true).map(|symptom| symptom.text);
        assert_eq!(words("example.com/m", Some("v1.0.0")), None);
        assert_eq!(words("encodng/json", None).unwrap(), "package encodng/json is not in std");
        assert!(words("git", Some("v1.0.0")).unwrap().contains("missing dot"));
        assert!(words("https://example.com/m", None).unwrap().contains("malformed module path"));
        assert!(words("example.com/m", Some("feature/x")).unwrap().contains("disallowed version string"));
        assert!(refused("example.com/m", Some("feature/x"), false).is_none(), "git knows such branches");
    }

    #[test]
    fn queries_choose_as_go_does() {
        let list = "v1.0.0\nv1.2.0\nv1.10.0-rc.1\nv1.3.0\nv2.0.0-rc.1\n";
        for (query, expected) in [
            (None, Some("v1.3.0")),
            (Some("v1.2"), Some("v1.2.0")),
            (Some("v1"), Some("v1.3.0")),
            (Some("v9"), None),
            (Some(">v1.0.0"), Some("v1.2.0")),
            (Some("<v1.2.0"), Some("v1.0.0")),
            (Some("<=v1.2.0"), Some("v1.2.0")),
        ] {
            assert_eq!(Query::of(query).choose(list).as_deref(), expected, "{query:?}");
        }
        assert_eq!(Query::of(Some("main")), Query::Revision("main"));
        assert_eq!(Query::of(Some("1.0.0")), Query::Revision("1.0.0"));
    }
}
