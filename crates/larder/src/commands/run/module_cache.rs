//! The go command's own cache: what lies there it will not ask for. And what it fetches without a proxy it will not ask for either.

use std::path::PathBuf;

use larder_module::pattern::Patterns;
use larder_module::request::ObjectKind;
use larder_module::version::ModuleVersion;

/// The cache, as far as it may be looked into.
#[derive(Debug)]
pub(super) struct ModuleCache {
    folder: Option<PathBuf>,
    /// What go fetches without a proxy: `GONOPROXY`.
    direct: Patterns,
}

impl ModuleCache {
    pub(super) fn new(folder: Option<PathBuf>, no_proxy: &str) -> Self {
        let direct = if no_proxy == "none" { "" } else { no_proxy };
        Self { folder, direct: Patterns::parse(direct) }
    }

    /// Reports whether go asks no proxy for it.
    pub(super) fn is_elsewhere(&self, of: &ModuleVersion) -> bool {
        self.direct.matches(of.module().as_str())
    }

    /// Reports whether go has a file already.
    pub(super) fn has(&self, of: &ModuleVersion, kind: ObjectKind) -> bool {
        match kind {
            ObjectKind::Zip if self.unpacked(of).is_some() => true,
            ObjectKind::Info | ObjectKind::Mod | ObjectKind::Zip => {
                self.file(of, kind).is_some_and(|file| file.is_file())
            }
        }
    }

    /// Returns the go.mod file of a version, if go has it.
    pub(super) fn go_mod(&self, of: &ModuleVersion) -> Option<Vec<u8>> {
        fs_err::read(self.file(of, ObjectKind::Mod)?).ok()
    }

    /// Returns the folder with the files of a version, if go has unpacked it.
    pub(super) fn unpacked(&self, of: &ModuleVersion) -> Option<PathBuf> {
        let name = format!("{}@{}", of.module().escaped(), of.version().escaped());
        self.folder.as_ref().map(|folder| folder.join(name)).filter(|folder| folder.is_dir())
    }

    fn file(&self, of: &ModuleVersion, kind: ObjectKind) -> Option<PathBuf> {
        let name = format!("{}.{}", of.version().escaped(), kind.extension());
        let folder = self.folder.as_ref()?.join("cache/download");
        Some(folder.join(&*of.module().escaped()).join("@v").join(name))
    }
}
