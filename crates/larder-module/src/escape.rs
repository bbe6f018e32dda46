//! Case escaping: `!` and a lower-case letter for each upper-case one.
//!
//! Proxies may be trees of files on disks that ignore case, so no two module paths or versions may differ only in
//! case once they are in a URL or a file name.

use crate::path::{self, ModulePath, PathError, PathFault, PathKind};

/// A version text that can't be part of a URL or a file name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("disallowed version {version:?}: {fault}")]
pub struct VersionTextError {
    /// The text.
    pub version: String,
    /// The rule it breaks.
    pub fault: PathFault,
}

/// Returns the escaped form of a module path.
///
/// # Errors
///
/// Fails if it is no module path.
pub fn escape_path(path: &str) -> Result<String, PathError> {
    path::check_path(path)?;
    Ok(escape(path))
}

/// Returns the module path that an escaped one stands for.
///
/// # Errors
///
/// Fails if the escaping is wrong or the result is no module path.
pub fn unescape_path(escaped: &str) -> Result<ModulePath, PathError> {
    match unescape(escaped) {
        Some(path) => path.parse(),
        None => Err(PathError { kind: PathKind::Module, path: escaped.into(), fault: PathFault::Escaping }),
    }
}

/// Returns the escaped form of a version or query, which must be a valid file name of ASCII without `!`.
///
/// # Errors
///
/// Fails if it is not.
pub fn escape_version(version: &str) -> Result<String, VersionTextError> {
    let fail = |fault| Err(VersionTextError { version: version.into(), fault });
    if let Err(fault) = path::check_element(version, PathKind::File) {
        return fail(fault);
    }
    match version.chars().find(|&c| c == '!' || !c.is_ascii()) {
        Some(c) => fail(PathFault::Character(c)),
        None => Ok(escape(version)),
    }
}

/// Returns the version or query that an escaped one stands for.
///
/// # Errors
///
/// Fails if the escaping is wrong or the result is no valid file name.
pub fn unescape_version(escaped: &str) -> Result<String, VersionTextError> {
    let fail = |fault| VersionTextError { version: escaped.into(), fault };
    let version = unescape(escaped).ok_or_else(|| fail(PathFault::Escaping))?;
    path::check_element(&version, PathKind::File).map_err(fail)?;
    Ok(version)
}

/// Escapes text that is known to be ASCII without `!`.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        if c.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(c.to_ascii_lowercase());
    }
    escaped
}

fn unescape(escaped: &str) -> Option<String> {
    let mut text = String::with_capacity(escaped.len());
    let mut chars = escaped.chars();
    while let Some(c) = chars.next() {
        match c {
            '!' => text.push(chars.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase()),
            c if c.is_ascii() && !c.is_ascii_uppercase() => text.push(c),
            _ => return None,
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, escaped) in [
            ("example.com/a", "example.com/a"),
            ("github.com/BurntSushi/toml", "github.com/!burnt!sushi/toml"),
            ("example.com/A1~/x", "example.com/!a1~/x"),
        ] {
            assert_eq!(escape_path(path).as_deref(), Ok(escaped));
            assert_eq!(unescape_path(escaped).map(|path| path.to_string()).as_deref(), Ok(path));
        }
        for bad in [
            "example.com/A",
            "example.com/!A",
            "example.com/!1",
            "example.com/a!",
            "example.com/!!a",
            "example.com/é",
        ] {
            assert!(unescape_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions() {
        for (version, escaped) in
            [("v1.0.0-RC1", "v1.0.0-!r!c1"), ("feature branch", "feature branch"), ("a+b", "a+b")]
        {
            assert_eq!(escape_version(version).as_deref(), Ok(escaped));
            assert_eq!(unescape_version(escaped).as_deref(), Ok(version));
        }
        for bad in ["", "a/b", "a!b", "é", "..", "con", "a:b", "a."] {
            assert!(escape_version(bad).is_err(), "{bad}");
        }
    }
}
