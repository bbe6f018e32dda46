//! Module, import and file paths: which ones the go command accepts, and how a path names its major version.
//!
//! The three kinds differ in the characters they allow and in two extra rules; the rest is one function. Text
//! from outside becomes a [`ModulePath`] once, and holding one is the proof that Go would accept it.

use crate::{escape, semver, unicode};
use std::{fmt, str::FromStr, sync::Arc};

/// A module path that the go command accepts.
///
/// Kept in plain form. URLs and storage use [`ModulePath::escaped`], because two paths that differ only in
/// case must not collide on a case-insensitive disk. Cloning is cheap.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ModulePath(Arc<str>);

impl ModulePath {
    /// Returns the path as it stands in a go.mod file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path with each upper-case letter written as `!` and its lower-case form.
    #[must_use]
    pub fn escaped(&self) -> String {
        escape::escape(&self.0)
    }

    /// Reads an escaped path.
    ///
    /// # Errors
    ///
    /// Fails if the escaping is wrong or the path behind it is no module path.
    pub fn unescape(escaped: &str) -> Result<Self, PathError> {
        escape::unescape_path(escaped)
    }

    /// Returns the path without its major version suffix, and the suffix (`/v2`, `.v1` or empty).
    #[must_use]
    pub fn split_version(&self) -> (&str, &str) {
        split_path_version(&self.0).unwrap_or((&self.0, ""))
    }
}

impl FromStr for ModulePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_path(text)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ModulePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for ModulePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// What a path is meant to name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PathKind {
    /// A module.
    Module,
    /// A package.
    Import,
    /// A file inside a module.
    File,
}

impl fmt::Display for PathKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Module => "module",
            Self::Import => "import",
            Self::File => "file",
        })
    }
}

/// A path that breaks a rule, and which rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed {kind} path {path:?}: {fault}")]
pub struct PathError {
    /// What the path was meant to name.
    pub kind: PathKind,
    /// The path.
    pub path: String,
    /// The rule it breaks.
    pub fault: PathFault,
}

/// The rule that a path breaks.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathFault {
    /// Bytes that are no UTF-8.
    #[error("invalid UTF-8")]
    NotUtf8,
    /// Nothing there.
    #[error("empty")]
    Empty,
    /// Starts with `-`.
    #[error("starts with a dash")]
    LeadingDash,
    /// Holds `//` or starts with `/`.
    #[error("empty path element")]
    EmptyElement,
    /// Ends with `/`.
    #[error("ends with a slash")]
    TrailingSlash,
    /// An element of nothing but dots.
    #[error("path element {0:?} is nothing but dots")]
    OnlyDots(String),
    /// A module path element that starts with a dot.
    #[error("path element starts with a dot")]
    LeadingDot,
    /// An element that ends with a dot.
    #[error("path element ends with a dot")]
    TrailingDot,
    /// A character that this kind of path does not allow.
    #[error("character {0:?} is not allowed")]
    Character(char),
    /// A name that Windows keeps for a device.
    #[error("{0:?} is a reserved name on Windows")]
    WindowsName(String),
    /// An element that looks like a Windows short name.
    #[error("path element ends with a tilde and digits")]
    WindowsShortName,
    /// The first element has no dot, so it is no host name.
    #[error("no dot in the first path element")]
    NoDotInHost,
    /// A character that host names do not allow.
    #[error("character {0:?} is not allowed in the first path element")]
    HostCharacter(char),
    /// A last element such as `v1`, `v01` or `v2.3`, or a gopkg.in path without one.
    #[error("invalid version suffix")]
    VersionSuffix,
    /// Wrong use of `!`, or a capital letter in an escaped path.
    #[error("invalid case escaping")]
    Escaping,
}

/// Checks that the go command would accept `path` as a module path.
///
/// # Errors
///
/// Names the first rule that is broken.
pub fn check_path(path: &str) -> Result<(), PathError> {
    check_elements(path, PathKind::Module)
        .and_then(|()| check_host(path))
        .and_then(|()| split_path_version(path).map(|_| ()).ok_or(PathFault::VersionSuffix))
        .map_err(|fault| PathError { kind: PathKind::Module, path: path.into(), fault })
}

/// Checks that the go command would accept `path` as an import path.
///
/// # Errors
///
/// Names the first rule that is broken.
pub fn check_import_path(path: &str) -> Result<(), PathError> {
    check_elements(path, PathKind::Import).map_err(|fault| PathError {
        kind: PathKind::Import,
        path: path.into(),
        fault,
    })
}

/// Checks that the go command would accept `path` as the name of a file in a module.
///
/// # Errors
///
/// Names the first rule that is broken.
pub fn check_file_path(path: &str) -> Result<(), PathError> {
    check_elements(path, PathKind::File).map_err(|fault| PathError {
        kind: PathKind::File,
        path: path.into(),
        fault,
    })
}

/// Checks that `path` is a module path and `version` a semantic version that fits it.
///
/// # Errors
///
/// Names what is wrong with the path, the version or their combination.
pub fn check(path: &str, version: &str) -> Result<(), ModuleError> {
    check_path(path)?;
    if !semver::is_valid(version) {
        return Err(ModuleError::NotSemantic { path: path.into(), version: version.into() });
    }
    let (_, path_major) = split_path_version(path).unwrap_or((path, ""));
    check_path_major(version, path_major).map_err(|fault| ModuleError::Major { path: path.into(), fault })
}

/// A path and a version that do not make a module version.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ModuleError {
    /// The path is no module path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The version is no semantic version.
    #[error("{path}: version {version:?} invalid: not a semantic version")]
    NotSemantic {
        /// The module path.
        path: String,
        /// The version.
        version: String,
    },
    /// The version is not in canonical form.
    #[error("{path}: version {version:?} invalid: not in canonical form")]
    NotCanonical {
        /// The module path.
        path: String,
        /// The version.
        version: String,
    },
    /// The version belongs to another major version than the path.
    #[error("{path}: {fault}")]
    Major {
        /// The module path.
        path: String,
        /// What the path would want.
        fault: PathMajorError,
    },
}

/// A version that belongs to another major version than the path it is asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("version {version:?} invalid: should be {wanted}, not {found:?}")]
pub struct PathMajorError {
    /// The version.
    pub version: String,
    /// The major versions that fit the path.
    pub wanted: String,
    /// The version's own major version; empty if it is no semantic version.
    pub found: String,
}

/// Checks that `version` belongs to the major version that the path suffix `path_major` names.
///
/// The odd cases are Go's: anything that starts with `v0.0.0-` passes for `.v1`, and the build suffix
/// `+incompatible` passes for a path without suffix.
///
/// # Errors
///
/// Says which major version the path wants.
pub fn check_path_major(version: &str, path_major: &str) -> Result<(), PathMajorError> {
    let path_major = match path_major.strip_suffix("-unstable") {
        Some(stable) if path_major.starts_with(".v") => stable,
        _ => path_major,
    };
    if version.starts_with("v0.0.0-") && path_major == ".v1" {
        return Ok(());
    }
    let major = semver::major(version);
    let (fits, wanted) = match path_major.strip_prefix(['/', '.']) {
        Some(wanted) => (major == wanted, wanted),
        None if path_major.is_empty() => {
            (major == "v0" || major == "v1" || semver::build(version) == "+incompatible", "v0 or v1")
        }
        None => (false, path_major),
    };
    if fits {
        return Ok(());
    }
    Err(PathMajorError { version: version.into(), wanted: wanted.into(), found: major.into() })
}

/// Returns the major version that the path suffix `path_major` names: `v2` for `/v2`, `.v2` and `.v2-unstable`, empty for none.
#[must_use]
pub fn path_major_prefix(path_major: &str) -> &str {
    match path_major.strip_prefix(".v").and_then(|rest| rest.strip_suffix("-unstable")) {
        Some(number) => &path_major[1..2 + number.len()],
        None => path_major.get(1..).unwrap_or_default(),
    }
}

/// Reports whether `version` belongs to the major version that the path suffix `path_major` names.
#[must_use]
pub fn match_path_major(version: &str, path_major: &str) -> bool {
    check_path_major(version, path_major).is_ok()
}

/// Splits a path into prefix and major version suffix: `/vN` with N of at least 2, `.vN` for gopkg.in, or nothing.
///
/// Returns `None` if the last element looks like a version but can't be one, as in `example.com/a/v1`.
#[must_use]
pub fn split_path_version(path: &str) -> Option<(&str, &str)> {
    if path.starts_with("gopkg.in/") {
        return split_gopkg_in(path);
    }
    let trunk = path.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    // The suffix needs `/v` before the digits and dots; anything else leaves the path whole.
    let Some(prefix) = trunk.strip_suffix("/v").filter(|_| trunk.len() < path.len()) else {
        return Some((path, ""));
    };
    let suffix = &path[prefix.len()..];
    let digits = &suffix[2..];
    if digits.contains('.') || digits.starts_with('0') || digits == "1" {
        return None;
    }
    Some((prefix, suffix))
}

fn split_gopkg_in(path: &str) -> Option<(&str, &str)> {
    let stable = path.strip_suffix("-unstable").unwrap_or(path);
    let prefix = stable.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix(".v")?;
    let suffix = &path[prefix.len()..];
    match suffix.as_bytes().get(2) {
        None => None,
        Some(b'0') if suffix != ".v0" => None,
        Some(_) => Some((prefix, suffix)),
    }
}

fn check_host(path: &str) -> Result<(), PathFault> {
    let host = path.split('/').next().unwrap_or_default();
    if !host.contains('.') {
        return Err(PathFault::NoDotInHost);
    }
    match host.chars().find(|c| !matches!(c, '-' | '.' | '0'..='9' | 'a'..='z')) {
        Some(c) => Err(PathFault::HostCharacter(c)),
        None => Ok(()),
    }
}

fn check_elements(path: &str, kind: PathKind) -> Result<(), PathFault> {
    if path.is_empty() {
        return Err(PathFault::Empty);
    }
    if path.starts_with('-') && kind != PathKind::File {
        return Err(PathFault::LeadingDash);
    }
    if path.ends_with('/') {
        return Err(PathFault::TrailingSlash);
    }
    path.split('/').try_for_each(|element| check_element(element, kind))
}

/// Checks one element of a path of the given kind.
pub(crate) fn check_element(element: &str, kind: PathKind) -> Result<(), PathFault> {
    if element.is_empty() {
        return Err(PathFault::EmptyElement);
    }
    if element.bytes().all(|byte| byte == b'.') {
        return Err(PathFault::OnlyDots(element.into()));
    }
    if element.starts_with('.') && kind == PathKind::Module {
        return Err(PathFault::LeadingDot);
    }
    if element.ends_with('.') {
        return Err(PathFault::TrailingDot);
    }
    if let Some(c) = element.chars().find(|&c| !is_allowed(c, kind)) {
        return Err(PathFault::Character(c));
    }
    let stem = element.split('.').next().unwrap_or_default();
    if is_windows_name(stem) {
        return Err(PathFault::WindowsName(stem.into()));
    }
    match stem.rsplit_once('~') {
        Some((_, digits)) if kind != PathKind::File && is_digits(digits) => Err(PathFault::WindowsShortName),
        _ => Ok(()),
    }
}

fn is_allowed(c: char, kind: PathKind) -> bool {
    if c.is_ascii_alphanumeric() {
        return true;
    }
    match kind {
        PathKind::Module => matches!(c, '-' | '.' | '_' | '~'),
        PathKind::Import => matches!(c, '-' | '.' | '_' | '~' | '+'),
        PathKind::File if c.is_ascii() => "!#$%&()+,-.=@[]^_{}~ ".contains(c),
        PathKind::File => unicode::is_letter(c),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reports whether Windows keeps this name for a device; no letter of these names folds to a non-ASCII one.
fn is_windows_name(stem: &str) -> bool {
    let named = |name: &str| stem.eq_ignore_ascii_case(name);
    if ["con", "prn", "aux", "nul"].into_iter().any(named) {
        return true;
    }
    match stem.as_bytes() {
        [device @ .., digit] => {
            matches!(digit, b'1'..=b'9')
                && (device.eq_ignore_ascii_case(b"com") || device.eq_ignore_ascii_case(b"lpt"))
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_each_kind() {
        // (path, as module, as import, as file)
        for (path, module, import, file) in [
            ("example.com/a", true, true, true),
            ("example.com/A", true, true, true),
            ("Example.com/a", false, true, true),
            ("localhost/a", false, true, true),
            ("a", false, true, true),
            ("", false, false, false),
            ("/a.b", false, false, false),
            ("a.b/", false, false, false),
            ("a.b//c", false, false, false),
            ("a.b/../c", false, false, false),
            ("-a.b/c", false, false, true),
            ("a.b/-c", true, true, true),
            ("a.b/.c", false, true, true),
            ("a.b/c.", false, false, false),
            ("a.b/c+d", false, true, true),
            ("a.b/c d", false, false, true),
            ("a.b/c!", false, false, true),
            ("a.b/c@d", false, false, true),
            ("a.b/c:d", false, false, false),
            ("a.b/c\\d", false, false, false),
            ("a.b/é", false, false, true),
            ("a.b/e\u{301}", false, false, false),
            ("a.b/Ⅷ", false, false, false),
            ("a.b/CON", false, false, false),
            ("a.b/con.x.y", false, false, false),
            ("a.b/com0", true, true, true),
            ("a.b/LPT9.c", false, false, false),
            ("a.b/c~1", false, false, true),
            ("a.b/c~1.d", false, false, true),
            ("a.b/c.~1", true, true, true),
            ("a.b/~", true, true, true),
            ("a.b/v1", false, true, true),
            ("a.b/v2", true, true, true),
            ("a.b/v2.0", false, true, true),
            ("gopkg.in/a", false, true, true),
        ] {
            assert_eq!(check_path(path).is_ok(), module, "{path:?} as module");
            assert_eq!(check_import_path(path).is_ok(), import, "{path:?} as import");
            assert_eq!(check_file_path(path).is_ok(), file, "{path:?} as file");
        }
    }

    #[test]
    fn major_version_suffixes() {
        for (path, expected) in [
            ("a.b/c", Some(("a.b/c", ""))),
            ("a.b/c/v2", Some(("a.b/c", "/v2"))),
            ("a.b/c/v10", Some(("a.b/c", "/v10"))),
            ("a.b/cv2", Some(("a.b/cv2", ""))),
            ("a.b/c/v", Some(("a.b/c/v", ""))),
            ("v2", Some(("v2", ""))),
            ("/v2", Some(("", "/v2"))),
            ("a.b/c/v0", None),
            ("a.b/c/v1", None),
            ("a.b/c/v02", None),
            ("a.b/c/v1.2", None),
            ("gopkg.in/c.v0", Some(("gopkg.in/c", ".v0"))),
            ("gopkg.in/c.v2-unstable", Some(("gopkg.in/c", ".v2-unstable"))),
            ("gopkg.in/c.v-unstable", Some(("gopkg.in/c", ".v-unstable"))),
            ("gopkg.in/c.v01", None),
            ("gopkg.in/c.v", None),
            ("gopkg.in/c/v2", None),
        ] {
            assert_eq!(split_path_version(path), expected, "{path}");
        }
    }

    #[test]
    fn majors_that_fit() {
        for (version, major, expected) in [
            ("v0.1.0", "", true),
            ("v1.1.0", "", true),
            ("v2.0.0", "", false),
            ("v2.0.0+incompatible", "", true),
            ("v1.0.0+incompatible", "", true),
            ("v2.0.0", "/v2", true),
            ("v2.0.0+incompatible", "/v2", true),
            ("v3.0.0", "/v2", false),
            ("v1.0.0", ".v1-unstable", true),
            ("v0.0.0-20200101000000-abcdef123456", ".v1", true),
            ("v0.0.0-anything!", ".v1", true),
            ("v0.0.0-20200101000000-abcdef123456", ".v2", false),
            ("bad", "", false),
            ("bad", "/", true),
        ] {
            assert_eq!(match_path_major(version, major), expected, "{version} {major}");
        }
        assert!(check("a.b/c", "v1").is_ok(), "a shorthand is a semantic version");
        assert!(check("a.b/c", "v1.0.0+meta").is_ok() && check("a.b/c", "master").is_err());
    }
}
