//! The names that the go command knows, since when, and what people write instead.

use crate::settings::{GoSetting, Origin};
use crate::{GoVersion, System};

/// `GOAUTH` where nothing sets it.
pub const BUILT_IN_GOAUTH: &str = "netrc";

/// The settings that matter to downloads, in the order in which they are shown.
pub(super) const RELEVANT: &[&str] = &[
    "GOPROXY",
    "GONOPROXY",
    "GOPRIVATE",
    "GOSUMDB",
    "GONOSUMDB",
    "GOINSECURE",
    "GOAUTH",
    "GOVCS",
    "GO111MODULE",
    "GOFLAGS",
    "GOTOOLCHAIN",
    "GOWORK",
    "GOENV",
    "GOROOT",
    "GOPATH",
    "GOMODCACHE",
    "GOCACHE",
    "GOTMPDIR",
    "GODEBUG",
];

/// A name that the go command knows, and the minor version that first did.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// `GOAUTH`
    pub name: &'static str,
    /// 24 for Go 1.24.
    pub since: u16,
}

const fn known(name: &'static str, since: u16) -> Known {
    Known { name, since }
}

/// Settings about downloads; others are nobody's mistake here.
pub const KNOWN: &[Known] = &[
    known("GO111MODULE", 11),
    known("GOAUTH", 24),
    known("GOCACHE", 10),
    known("GOENV", 13),
    known("GOFLAGS", 11),
    known("GOINSECURE", 14),
    known("GOMODCACHE", 15),
    known("GONOPROXY", 13),
    known("GONOSUMDB", 13),
    known("GOPATH", 1),
    known("GOPRIVATE", 13),
    known("GOPROXY", 11),
    known("GOROOT", 1),
    known("GOSUMDB", 13),
    known("GOTOOLCHAIN", 21),
    known("GOVCS", 16),
    known("GOWORK", 18),
];

/// Names that no go command ever knew, and what is meant by them.
const MISTAKEN: &[(&str, &str)] = &[
    ("GONOPRIVATE", "GOPRIVATE"),
    ("GONOSUMCHECK", "GONOSUMDB"),
    ("GOSUMCHECK", "GOSUMDB"),
    ("GONOSUM", "GONOSUMDB"),
    ("GONOCHECKSUM", "GONOSUMDB"),
    ("GOCHECKSUM", "GOSUMDB"),
    ("GOSUM", "GOSUMDB"),
    ("GOMODPROXY", "GOPROXY"),
    ("GO_MODULE_PROXY", "GOPROXY"),
    ("GOMODULEPROXY", "GOPROXY"),
    ("GOMODULE", "GO111MODULE"),
    ("GOMODULES", "GO111MODULE"),
    ("GO15VENDOREXPERIMENT", "GOFLAGS"),
];

/// Names near a known one that belong to something else.
const NOT_MISTAKEN: &[&str] = &[
    "GOBIN",
    "GOOS",
    "GOARCH",
    "GOARM",
    "GOEXE",
    "GOHOME",
    "GOROOT_FINAL",
    "GOROOT_BOOTSTRAP",
    "GOCACHEPROG",
    "GOMOD",
];

/// Returns the setting that somebody meant who wrote `name`, which is none of them.
#[must_use]
pub fn meant(name: &str) -> Option<&'static str> {
    if KNOWN.iter().any(|known| known.name == name) || NOT_MISTAKEN.contains(&name) {
        return None;
    }
    if let Some((_, meant)) = MISTAKEN.iter().find(|(wrong, _)| *wrong == name) {
        return Some(meant);
    }
    let plain: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_uppercase()).collect();
    if !plain.starts_with("GO") || plain.len() < 5 {
        return None;
    }
    let near = KNOWN.iter().map(|known| (distance(known.name, &plain), known.name)).min()?;
    // A name of the same letters in other case or with underscores, or with one letter wrong.
    (near.0 <= 1).then_some(near.1)
}

/// Returns variables that look like a setting of Go and that this version doesn't know.
pub(super) fn unknown(system: &System, version: Option<GoVersion>) -> Vec<GoSetting> {
    let too_new = |name: &str| {
        let known = KNOWN.iter().find(|known| known.name == name);
        known.zip(version).is_some_and(|(known, version)| known.since > version.minor)
    };
    system
        .environment
        .iter()
        .filter(|(name, value)| !value.is_empty() && (meant(name).is_some() || too_new(name)))
        .map(|(name, value)| GoSetting {
            name: name.clone(),
            value: value.clone(),
            origin: Origin::Environment,
            hides: Vec::new(),
        })
        .collect()
}

/// Counts the letters to insert, drop or replace between two words.
#[must_use]
pub fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, from) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistaken_names_are_told_from_names_of_other_programs() {
        for (name, expected) in [
            ("GONOSUMCHECK", Some("GONOSUMDB")),
            ("GONOPRIVATE", Some("GOPRIVATE")),
            ("GOPROXYS", Some("GOPROXY")),
            ("goproxy", Some("GOPROXY")),
            ("GO_PROXY", Some("GOPROXY")),
            ("GO11MODULE", Some("GO111MODULE")),
            ("GOSUM_DB", Some("GOSUMDB")),
            ("GOPROXY", None),
            ("GOOGLE_APPLICATION_CREDENTIALS", None),
            ("GOLANG_VERSION", None),
            ("GOMAXPROCS", None),
            ("GOMEMLIMIT", None),
            ("GODEBUG", None),
            ("GOOS", None),
            ("GOBIN", None),
            ("GOMOD", None),
            ("GOTELEMETRY", None),
            ("GOTMPDIR", None),
            ("GOTOOLDIR", None),
            ("GOCOVERDIR", None),
            ("GOTRACEBACK", None),
            ("GOEXPERIMENT", None),
            ("PATH", None),
        ] {
            assert_eq!(meant(name), expected, "{name}");
        }
    }
}
