//! Pseudo-versions: versions that name a commit.
//!
//! Without an older tag `vX.0.0-DATE-REVISION`; after the tag `vX.Y.Z`, `vX.Y.(Z+1)-0.DATE-REVISION`; after the
//! pre-release `vX.Y.Z-pre`, `vX.Y.Z-pre.0.DATE-REVISION`. The number that is counted up or down may be of any length.

use crate::{semver, time::Timestamp};

/// A text that is no pseudo-version, or one without what was asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("pseudo-version {version:?} invalid: {fault}")]
pub struct PseudoVersionError {
    /// The text.
    pub version: String,
    /// What is wrong with it.
    pub fault: PseudoVersionFault,
}

/// What is wrong with a pseudo-version.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PseudoVersionFault {
    /// It has not the form of one.
    #[error("syntax error")]
    Syntax,
    /// Its date does not exist.
    #[error("malformed time")]
    Time,
    /// It has build metadata, but nothing that it could have been inherited from.
    #[error("lacks base version, but has build metadata")]
    BuildWithoutBase,
    /// The version before it would have a negative patch number.
    #[error("version before it would have a negative patch number")]
    NegativePatch,
}

struct Parts<'a> {
    base: &'a str,
    timestamp: &'a str,
    revision: &'a str,
    build: &'a str,
}

/// Reports whether `version` has the form of a pseudo-version; its date need not exist.
#[must_use]
pub fn is_pseudo_version(version: &str) -> bool {
    split(version).is_some()
}

/// Returns the time that a pseudo-version names.
///
/// # Errors
///
/// Fails if it is no pseudo-version or its date does not exist.
pub fn pseudo_version_time(version: &str) -> Result<Timestamp, PseudoVersionError> {
    let parts = parse(version)?;
    Timestamp::parse_compact(parts.timestamp).ok_or_else(|| fail(version, PseudoVersionFault::Time))
}

/// Returns the revision that a pseudo-version names.
///
/// # Errors
///
/// Fails if it is no pseudo-version.
pub fn pseudo_version_revision(version: &str) -> Result<&str, PseudoVersionError> {
    Ok(parse(version)?.revision)
}

/// Returns the version that a pseudo-version comes after; empty if there is none.
///
/// # Errors
///
/// Fails if it is no pseudo-version or the version before it can't exist.
pub fn pseudo_version_base(version: &str) -> Result<String, PseudoVersionError> {
    let Parts { base, build, .. } = parse(version)?;
    match semver::prerelease(base) {
        "" if build.is_empty() => Ok(String::new()),
        "" => Err(fail(version, PseudoVersionFault::BuildWithoutBase)),
        "-0" => {
            let release = base.strip_suffix("-0").unwrap_or(base);
            let (head, patch) = release.rsplit_once('.').unwrap_or((release, ""));
            let patch = decrement(patch).ok_or_else(|| fail(version, PseudoVersionFault::NegativePatch))?;
            Ok(format!("{head}.{patch}{build}"))
        }
        _ => Ok(format!("{}{build}", base.strip_suffix(".0").unwrap_or(base))),
    }
}

/// Returns the pseudo-version for a commit.
///
/// `major` is as in `v1` (empty: `v0`), `older` the tag before the commit or empty, `revision` usually the
/// commit's first twelve digits.
#[must_use]
pub fn pseudo_version(major: &str, older: &str, time: Timestamp, revision: &str) -> String {
    let segment = format!("{}-{revision}", time.compact());
    let build = semver::build(older);
    let older = semver::canonical(older);
    if older.is_empty() {
        let major = if major.is_empty() { "v0" } else { major };
        return format!("{major}.0.0-{segment}");
    }
    if !semver::prerelease(&older).is_empty() {
        return format!("{older}.0.{segment}{build}");
    }
    let (head, patch) = older.rsplit_once('.').unwrap_or((&older, ""));
    format!("{head}.{}-0.{segment}{build}", increment(patch))
}

fn fail(version: &str, fault: PseudoVersionFault) -> PseudoVersionError {
    PseudoVersionError { version: version.into(), fault }
}

fn parse(version: &str) -> Result<Parts<'_>, PseudoVersionError> {
    split(version).ok_or_else(|| fail(version, PseudoVersionFault::Syntax))
}

fn split(version: &str) -> Option<Parts<'_>> {
    let valid = semver::parse(version)?;
    let bare = &version[..version.len() - valid.build.len()];
    let (rest, revision) = bare.rsplit_once('-')?;
    if revision.is_empty() || !revision.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let (head, timestamp) = rest.split_at_checked(rest.len().checked_sub(14)?)?;
    if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // `head` ends with the separator before the date; the dash that opens the pre-release must lie inside it.
    let prerelease_at = bare.len() - valid.prerelease.len();
    let prefix = head.get(prerelease_at..)?;
    let has_base = prefix == "-0." || (prefix.starts_with('-') && prefix.ends_with(".0."));
    let has_none = prefix == "-" && valid.minor == "0" && valid.patch == "0";
    (has_base || has_none).then(|| Parts {
        base: &head[..head.len() - 1],
        timestamp,
        revision,
        build: valid.build,
    })
}

fn increment(decimal: &str) -> String {
    let head = decimal.trim_end_matches('9');
    let zeros = "0".repeat(decimal.len() - head.len());
    match head.as_bytes() {
        [front @ .., last] => format!("{}{}{zeros}", &head[..front.len()], char::from(last + 1)),
        [] => format!("1{zeros}"),
    }
}

fn decrement(decimal: &str) -> Option<String> {
    let head = decimal.trim_end_matches('0');
    let nines = "9".repeat(decimal.len() - head.len());
    match head.as_bytes() {
        [] => None,
        [b'1'] if !nines.is_empty() => Some(nines),
        [front @ .., last] => Some(format!("{}{}{nines}", &head[..front.len()], char::from(last - 1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "20200102030405";

    fn time() -> Timestamp {
        Timestamp::parse_compact(TIME).expect("a date")
    }

    #[test]
    fn round_trips() {
        for (major, older, version) in [
            ("", "", "v0.0.0-20200102030405-abc"),
            ("v2", "", "v2.0.0-20200102030405-abc"),
            ("v1", "v1.2.3", "v1.2.4-0.20200102030405-abc"),
            ("v1", "v1.2.99", "v1.2.100-0.20200102030405-abc"),
            ("v1", "v1.2.18446744073709551615", "v1.2.18446744073709551616-0.20200102030405-abc"),
            ("v1", "v1.2.3-pre", "v1.2.3-pre.0.20200102030405-abc"),
            ("v2", "v2.3.4+incompatible", "v2.3.5-0.20200102030405-abc+incompatible"),
        ] {
            assert_eq!(pseudo_version(major, older, time(), "abc"), version);
            assert_eq!(pseudo_version_time(version), Ok(time()));
            assert_eq!(pseudo_version_revision(version), Ok("abc"));
            assert_eq!(pseudo_version_base(version).as_deref(), Ok(older));
        }
    }

    #[test]
    fn forms_and_dates_are_judged_apart() {
        let impossible = "v0.0.0-20201301000000-abc";
        assert!(is_pseudo_version(impossible) && pseudo_version_time(impossible).is_err());
        assert!(pseudo_version_base("v1.2.0-0.20200102030405-abc").is_err());
        assert!(pseudo_version_base("v2.0.0-20200102030405-abc+incompatible").is_err());
        for other in [
            "v1.2.3-20200102030405-abc",
            "v1.2.3-pre.20200102030405-abc",
            "v1.0.0-20200102030405",
            "v1.0.0-2020010203040-abc",
            "v1.0.0-20200102030405-a.b",
            "v1-20200102030405-abc",
            "v1.0.0-00.20200102030405-abc",
        ] {
            assert!(!is_pseudo_version(other), "{other}");
        }
    }
}
