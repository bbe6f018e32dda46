//! The name of a stored object and where it lies.
//!
//! The layout below `<data>/modules` is the go command's own `$GOMODCACHE/cache/download`, so that the folder works as
//! `GOPROXY=file://...` without Larder and files of a module cache can be copied in. Names are escaped (`!` before a
//! lower-case letter stands for the upper-case one): two paths that differ only in case never meet on a disk that
//! ignores case. A key is built from checked types only, so no key can leave the folder.

use std::fmt;
use std::path::{Path, PathBuf};

use larder_module::path::ModulePath;
use larder_module::request::ObjectKind;
use larder_module::version::ModuleVersion;

/// One immutable file of one version.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey {
    of: ModuleVersion,
    kind: ObjectKind,
}

impl ObjectKey {
    /// Returns the key of one kind of file of a version.
    #[must_use]
    pub fn new(of: ModuleVersion, kind: ObjectKind) -> Self {
        Self { of, kind }
    }

    /// Returns the version that the object belongs to.
    #[must_use]
    pub fn of(&self) -> &ModuleVersion {
        &self.of
    }

    /// Returns which of the version's files this is.
    #[must_use]
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// Returns the path below `<data>/modules`, which is also the URL path below a proxy.
    #[must_use]
    pub fn relative_path(&self) -> String {
        format!("{}/@v/{}", self.of.module().escaped(), self.file_name())
    }

    pub(crate) fn folder(&self, modules: &Path) -> PathBuf {
        version_folder(modules, self.of.module())
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}.{}", self.escaped_version(), self.kind.extension())
    }

    /// The file that says that the object was never checked against a checksum database.
    ///
    /// It carries the kind because `.mod` and `.zip` are checked one by one.
    pub(crate) fn unverified_name(&self) -> String {
        format!("{}.unverified", self.file_name())
    }

    /// The file with the zip's `h1:`, as the go command keeps it.
    pub(crate) fn ziphash_name(&self) -> String {
        format!("{}.ziphash", self.escaped_version())
    }

    fn escaped_version(&self) -> String {
        self.of.version().escaped()
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.of, self.kind.extension())
    }
}

pub(crate) fn version_folder(modules: &Path, module: &ModulePath) -> PathBuf {
    let mut folder = modules.join(module.escaped());
    folder.push("@v");
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(module: &str, version: &str, kind: ObjectKind) -> ObjectKey {
        ObjectKey::new(ModuleVersion::parse(module, version).unwrap(), kind)
    }

    #[test]
    fn keys_have_the_go_commands_names() {
        let key = key("github.com/BurntSushi/toml", "v1.4.0-RC1", ObjectKind::Zip);
        assert_eq!(key.relative_path(), "github.com/!burnt!sushi/toml/@v/v1.4.0-!r!c1.zip");
        assert_eq!(key.ziphash_name(), "v1.4.0-!r!c1.ziphash");
        assert_eq!(key.unverified_name(), "v1.4.0-!r!c1.zip.unverified");
        assert_eq!(key.to_string(), "github.com/BurntSushi/toml@v1.4.0-RC1.zip");
    }

    #[test]
    fn names_that_differ_in_case_never_meet_on_a_folding_disk() {
        let names = ["example.com/abc", "example.com/Abc", "example.com/aBC", "example.com/ABC"]
            .map(|module| key(module, "v1.0.0", ObjectKind::Mod).relative_path().to_lowercase());
        let distinct: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn a_version_that_looks_like_a_file_name_meets_no_other() {
        let plain = key("example.com/a", "v1.0.0-x", ObjectKind::Mod);
        let tricky = key("example.com/a", "v1.0.0-x.mod", ObjectKind::Mod);
        assert_eq!(plain.file_name(), "v1.0.0-x.mod");
        assert_eq!(tricky.file_name(), "v1.0.0-x.mod.mod");
        assert_ne!(plain.unverified_name(), tricky.unverified_name());
    }
}
