//! Where things lie below the data folder.
//!
//! ```text
//! <data>/modules/<escaped module>/@v/{list,<version>.info,.mod,.zip,.ziphash,.zip.unverified}
//! <data>/modules/sumdb/<name>/{lookup,tile,latest,...}     no module path starts with a name without a dot
//! <data>/staging/<process>-<n>/                            one folder for each live process, swept when it is dead
//! <data>/quarantine/<time>-<n>/                            what was found to be wrong, with the reason
//! <data>/index.db                                          can be deleted at any time
//! <data>/serve.lock, <data>/verify.position
//! ```

use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
    pub(crate) modules: PathBuf,
    pub(crate) staging: PathBuf,
    pub(crate) quarantine: PathBuf,
    pub(crate) sumdb: PathBuf,
    pub(crate) index: PathBuf,
    pub(crate) serve_lock: PathBuf,
    pub(crate) scrub_position: PathBuf,
}

impl Layout {
    pub(crate) fn below(root: &Path) -> Self {
        let modules = root.join("modules");
        Self {
            root: root.to_path_buf(),
            staging: root.join("staging"),
            quarantine: root.join("quarantine"),
            sumdb: modules.join("sumdb"),
            index: root.join("index.db"),
            serve_lock: root.join("serve.lock"),
            scrub_position: root.join("verify.position"),
            modules,
        }
    }
}
