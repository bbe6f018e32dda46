//! Where in a repository a module lies, as far as its path says.

use larder_module::path::{path_major_prefix, split_path_version};
use larder_module::{ModulePath, pseudo, semver};
use larder_upstream::DirectFaultKind;

use crate::error::DirectError;

/// What a module path means in its repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Location {
    /// The module path of the repository's root.
    pub(super) root: String,
    /// The folder in which the module is expected, without slashes around it; empty for the root. A module with `/vN` may lie in
    /// the folder of that name below it instead.
    pub(super) folder: String,
    /// The module path without its major version.
    pub(super) prefix: String,
    /// `/vN`, `.vN`, `.vN-unstable` or nothing.
    pub(super) major: String,
    /// The major version that pseudo-versions must have; empty for v0 and v1.
    pub(super) pseudo_major: String,
    /// The path is the root itself, so that `/vN` can't be a folder.
    pub(super) is_root: bool,
}

impl Location {
    pub(super) fn new(module: &ModulePath, root: &str, subdirectory: &str) -> Result<Self, DirectError> {
        let path = module.as_str();
        let invalid = |text: String| DirectError::new(DirectFaultKind::Invalid, text);
        let below = |whole: &str| below(whole, root).map(|rest| rest.trim_matches('/').to_owned());
        if below(path).is_none() {
            return Err(invalid(format!("mismatched repo: found {root} for {path}")));
        }
        let (prefix, major) =
            split_path_version(path).ok_or_else(|| invalid(format!("invalid module path {path:?}")))?;
        let is_root = root == path;
        let prefix = if is_root { path } else { prefix };
        let own = if is_root {
            String::new()
        } else {
            below(prefix)
                .ok_or_else(|| invalid(format!("repository rooted at {root} cannot contain module {path}")))?
        };
        let folder = joined(&own, subdirectory).ok_or_else(|| {
            invalid(format!("{path}: folder {subdirectory:?} lies outside of the repository"))
        })?;
        Ok(Self {
            root: root.to_owned(),
            folder,
            prefix: prefix.to_owned(),
            major: major.to_owned(),
            pseudo_major: path_major_prefix(major).to_owned(),
            is_root,
        })
    }

    /// Returns what stands before the versions in the names of the module's tags.
    pub(super) fn tag_prefix(&self) -> String {
        if self.folder.is_empty() { String::new() } else { format!("{}/", self.folder) }
    }

    /// Returns what stands before the tags that matter to pseudo-versions: `dir/v2.` for a module with a major version.
    pub(super) fn pseudo_tag_prefix(&self) -> String {
        match self.major.get(1..) {
            Some(major) => format!("{}{major}.", self.tag_prefix()),
            None => self.tag_prefix(),
        }
    }

    /// Returns the major version's folder below [`Location::folder`], where there may be one.
    pub(super) fn major_folder(&self) -> Option<String> {
        let name = self.major.strip_prefix('/').filter(|_| !self.is_root)?;
        Some(format!("{}{name}", self.tag_prefix()))
    }

    /// Returns what the repository calls a version: its tag, or the commit that a pseudo-version names. Anything else is called what it is.
    pub(super) fn revision_of(&self, version: &str) -> String {
        if !semver::is_valid(version) {
            return version.to_owned();
        }
        if let Ok(revision) = pseudo::pseudo_version_revision(version) {
            return revision.to_owned();
        }
        let bare = match semver::build(version) {
            "+incompatible" => version.strip_suffix("+incompatible").unwrap_or(version),
            _ => version,
        };
        format!("{}{bare}", self.tag_prefix())
    }
}

/// Returns what follows `root` in a path that is it or lies below it.
fn below<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(root)?;
    (rest.is_empty() || rest.starts_with('/') || root.ends_with('/')).then_some(rest)
}

/// Joins two relative folders and takes dots out; nothing if that leads outside.
fn joined(first: &str, second: &str) -> Option<String> {
    let mut elements = Vec::new();
    for element in first.split('/').chain(second.split('/')) {
        match element {
            "" | "." => {}
            ".." => drop(elements.pop()?),
            name => elements.push(name),
        }
    }
    Some(elements.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(path: &str, root: &str, subdirectory: &str) -> Result<Location, String> {
        Location::new(&path.parse().expect("a path"), root, subdirectory).map_err(|error| error.text)
    }

    #[test]
    fn a_path_says_where_to_look() {
        for (path, root, subdirectory, folder, major, major_folder) in [
            ("example.com/a", "example.com/a", "", "", "", None),
            ("example.com/a/b", "example.com/a", "", "b", "", None),
            ("example.com/a/b/v2", "example.com/a", "", "b", "/v2", Some("b/v2")),
            ("example.com/a/v2", "example.com/a", "", "", "/v2", Some("v2")),
            ("example.com/a/v2", "example.com/a/v2", "", "", "/v2", None),
            ("gopkg.in/yaml.v2", "gopkg.in/yaml.v2", "", "", ".v2", None),
            ("gopkg.in/check.v1-unstable", "gopkg.in/check.v1-unstable", "", "", ".v1-unstable", None),
            ("example.com/a/v2", "example.com/a", "go/sub", "go/sub", "/v2", Some("go/sub/v2")),
            ("example.com/a/b", "example.com/a", "../go/./x", "go/x", "", None),
        ] {
            let location = location(path, root, subdirectory).expect(path);
            assert_eq!(location.folder, folder, "{path}");
            assert_eq!(location.major, major, "{path}");
            assert_eq!(location.major_folder().as_deref(), major_folder, "{path}");
        }
    }

    #[test]
    fn what_cannot_be_in_a_repository_is_refused() {
        for (path, root, subdirectory, expected) in [
            (
                "example.com/ab",
                "example.com/a",
                "",
                "mismatched repo: found example.com/a for example.com/ab",
            ),
            ("example.com/a", "example.com/a/b", "", "mismatched repo"),
            ("example.com/a", "example.com/a", "../../x", "outside"),
        ] {
            let error = location(path, root, subdirectory).expect_err(path);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn versions_have_names_in_the_repository() {
        let root = location("example.com/a", "example.com/a", "").expect("a module");
        let sub = location("example.com/a/b/v2", "example.com/a", "").expect("a module");
        for (location, version, revision) in [
            (&root, "v1.2.3", "v1.2.3"),
            (&root, "v2.0.0+incompatible", "v2.0.0"),
            (&root, "v2.0.0+meta", "v2.0.0+meta"),
            (&root, "v0.0.0-20200102030405-abcdefabcdef", "abcdefabcdef"),
            (&sub, "v2.0.1", "b/v2.0.1"),
            (&sub, "v2.0.1-0.20200102030405-abcdefabcdef", "abcdefabcdef"),
            (&sub, "main", "main"),
            (&sub, "v01.2.3", "v01.2.3"),
        ] {
            assert_eq!(location.revision_of(version), revision);
        }
        assert_eq!(sub.pseudo_tag_prefix(), "b/v2.");
        assert_eq!(root.pseudo_tag_prefix(), "");
    }
}
