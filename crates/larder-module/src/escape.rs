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
