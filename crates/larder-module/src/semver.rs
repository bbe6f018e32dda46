//! Semantic versions as golang.org/x/mod/semver reads them.
//!
//! They carry a leading `v`, `v1` and `v1.2` are shorthands, and numbers are decimals of any length: they are
//! compared as text, never as machine integers. Everything here is a total function over text, because the
//! same text is asked about before anybody knows whether it is a version.

use std::cmp::Ordering;

/// The parts of a valid version; all borrow from its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parts<'a> {
    /// Major number, without the `v`.
    pub major: &'a str,
    /// Minor number, `0` if left out.
    pub minor: &'a str,
    /// Patch number, `0` if left out.
    pub patch: &'a str,
    /// What a shorthand leaves out: empty, `.0` or `.0.0`.
    pub short: &'static str,
    /// Pre-release with its leading `-`, or empty.
    pub prerelease: &'a str,
    /// Build metadata with its leading `+`, or empty.
    pub build: &'a str,
}

/// Splits a valid version into its parts.
#[must_use]
pub fn parse(version: &str) -> Option<Parts<'_>> {
    let (major, rest) = take_number(version.strip_prefix('v')?)?;
    let mut parts = Parts { major, minor: "0", patch: "0", short: ".0.0", prerelease: "", build: "" };
    if rest.is_empty() {
        return Some(parts);
    }
    let (minor, rest) = take_number(rest.strip_prefix('.')?)?;
    (parts.minor, parts.short) = (minor, ".0");
    if rest.is_empty() {
        return Some(parts);
    }
    let (patch, rest) = take_number(rest.strip_prefix('.')?)?;
    (parts.patch, parts.short) = (patch, "");
    let (rest, build) = rest.split_at(rest.find('+').unwrap_or(rest.len()));
    if !build.is_empty() && !build[1..].split('.').all(is_identifier) {
        return None;
    }
    if !rest.is_empty()
        && !rest.strip_prefix('-')?.split('.').all(|part| is_identifier(part) && !has_leading_zero(part))
    {
        return None;
    }
    (parts.prerelease, parts.build) = (rest, build);
    Some(parts)
}

/// Reports whether `version` is a valid semantic version, shorthands included.
#[must_use]
pub fn is_valid(version: &str) -> bool {
    parse(version).is_some()
}

/// Returns `version` with shorthands filled up and build metadata dropped; empty if it is invalid.
#[must_use]
pub fn canonical(version: &str) -> String {
    parse(version).map_or_else(String::new, |parts| {
        let mut text = version[..version.len() - parts.build.len()].to_owned();
        text.push_str(parts.short);
        text
    })
}

/// Returns the major version with its `v`, as in `v2`; empty if `version` is invalid.
#[must_use]
pub fn major(version: &str) -> &str {
    parse(version).map_or("", |parts| &version[..1 + parts.major.len()])
}

/// Returns major and minor version, as in `v2.1`; empty if `version` is invalid.
#[must_use]
pub fn major_minor(version: &str) -> String {
    parse(version).map_or_else(String::new, |parts| format!("v{}.{}", parts.major, parts.minor))
}

/// Returns the pre-release with its `-`; empty if there is none or `version` is invalid.
#[must_use]
pub fn prerelease(version: &str) -> &str {
    parse(version).map_or("", |parts| parts.prerelease)
}

/// Returns the build metadata with its `+`; empty if there is none or `version` is invalid.
#[must_use]
pub fn build(version: &str) -> &str {
    parse(version).map_or("", |parts| parts.build)
}

/// Compares by precedence; an invalid version is less than a valid one and equal to another invalid one.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    match (parse(a), parse(b)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(a), Some(b)) => compare_numbers(a.major, b.major)
            .then_with(|| compare_numbers(a.minor, b.minor))
            .then_with(|| compare_numbers(a.patch, b.patch))
            .then_with(|| compare_prereleases(a.prerelease, b.prerelease)),
    }
}

/// Compares by precedence, then by text: the order in which Go sorts lists.
#[must_use]
pub fn compare_total(a: &str, b: &str) -> Ordering {
    compare(a, b).then_with(|| a.cmp(b))
}

/// Sorts versions as Go does: by precedence, then by text.
pub fn sort<S: AsRef<str>>(versions: &mut [S]) {
    versions.sort_by(|a, b| compare_total(a.as_ref(), b.as_ref()));
}

fn take_number(text: &str) -> Option<(&str, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 || (length > 1 && text.starts_with('0')) {
        return None;
    }
    Some(text.split_at(length))
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_numeric(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_leading_zero(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0') && is_numeric(text)
}

fn compare_numbers(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn compare_prereleases(a: &str, b: &str) -> Ordering {
    match (a.strip_prefix('-'), b.strip_prefix('-')) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => {
            let (mut a, mut b) = (a.split('.'), b.split('.'));
            loop {
                match (a.next(), b.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (Some(a), Some(b)) => match compare_identifiers(a, b) {
                        Ordering::Equal => {}
                        unequal => return unequal,
                    },
                }
            }
        }
    }
}

fn compare_identifiers(a: &str, b: &str) -> Ordering {
    match (is_numeric(a), is_numeric(b)) {
        (true, true) => compare_numbers(a, b),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity() {
        for good in [
            "v1",
            "v1.2",
            "v1.2.3",
            "v0.0.0-0",
            "v1.2.3-a-b.0.c",
            "v1.2.3+x.01",
            "v1.2.3-a+b",
            "v9999999999999999999999.0.0",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            "v",
            "1.2.3",
            "v01",
            "v1.",
            "v1.2.",
            "v1.02",
            "v1-pre",
            "v1.2-pre",
            "v1+x",
            "v1.2.3-",
            "v1.2.3-01",
            "v1.2.3-a..b",
            "v1.2.3+",
            "v1.2.3+a+b",
            "v1.2.3 ",
            "V1.2.3",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn parts_of_versions() {
        assert_eq!(canonical("v1"), "v1.0.0");
        assert_eq!(canonical("v1.2"), "v1.2.0");
        assert_eq!(canonical("v1.2.3-pre+meta"), "v1.2.3-pre");
        assert_eq!(canonical("master"), "");
        assert_eq!(major("v2.1.0"), "v2");
        assert_eq!(major_minor("v2"), "v2.0");
        assert_eq!(prerelease("v2.1.0-pre+meta"), "-pre");
        assert_eq!(build("v2.1.0-pre+meta"), "+meta");
    }

    #[test]
    fn precedence() {
        let ordered = [
            "bad",
            "v0.0.0-alpha",
            "v1.0.0-1",
            "v1.0.0-2",
            "v1.0.0-10",
            "v1.0.0-alpha",
            "v1.0.0-alpha.1",
            "v1.0.0-alpha.beta",
            "v1.0.0-beta.2",
            "v1.0.0-beta.11",
            "v1.0.0-rc.1",
            "v1.0.0",
            "v1.2.0",
            "v1.10.0",
            "v2.0.0",
            "v10000000000000000000000.0.0",
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} {b}");
            }
        }
        assert_eq!(compare("v1", "v1.0.0+meta"), Ordering::Equal);
        assert_eq!(compare("bad", "worse"), Ordering::Equal);
    }
}
