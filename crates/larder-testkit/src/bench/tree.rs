//! A folder in the layout of the go command's `cache/download`, as an upstream's content.

use std::path::{Path, PathBuf};

use super::filler;
use crate::module::{h1, unescape};
use crate::sumdb::FakeSumdb;

/// What a path leads to.
#[derive(Debug)]
pub enum Found {
    /// A file of this length.
    File(fs_err::File, u64),
    /// Bytes that were made.
    Made(Vec<u8>),
    /// Nothing.
    Absent,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
    fill: bool,
}

impl Tree {
    /// Serves a folder; `fill` makes the `.info` and `.zip` of versions of which only the `.mod` is there.
    pub fn new(root: PathBuf, fill: bool) -> Self {
        Self { root, fill }
    }

    /// Looks for an object by its path, which begins with a slash.
    pub fn find(&self, path: &str) -> std::io::Result<Found> {
        let relative = Path::new(path.trim_start_matches('/'));
        if relative.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            return Ok(Found::Absent);
        }
        let file = self.root.join(relative);
        match fs_err::File::open(&file) {
            Ok(opened) => {
                let metadata = opened.metadata()?;
                if metadata.is_file() {
                    return Ok(Found::File(opened, metadata.len()));
                }
                Ok(Found::Absent)
            }
            Err(_) if file.ends_with("@v/list") => Ok(list(&file)),
            Err(_) if self.fill => self.made(&file),
            Err(_) => Ok(Found::Absent),
        }
    }

    fn made(&self, file: &Path) -> std::io::Result<Found> {
        let Some(version) = file.file_stem().and_then(|stem| stem.to_str()) else {
            return Ok(Found::Absent);
        };
        let Ok(go_mod) = fs_err::read(file.with_file_name(format!("{version}.mod"))) else {
            return Ok(Found::Absent);
        };
        Ok(match file.extension().and_then(|extension| extension.to_str()) {
            Some("info") => {
                let version = unescape(version);
                Found::Made(format!("{{\"Version\":{version:?},\"Time\":\"2024-01-02T03:04:05Z\"}}").into())
            }
            Some("zip") => Found::Made(self.filler(file, version, &go_mod)?.0),
            _ => Found::Absent,
        })
    }

    /// Makes a zip as large as that of the version of the same module which is there.
    fn filler(&self, file: &Path, version: &str, go_mod: &[u8]) -> std::io::Result<(Vec<u8>, String)> {
        let folder = file.parent().unwrap_or(&self.root);
        let size = fs_err::read_dir(folder)?
            .filter_map(Result::ok)
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "zip"))
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| metadata.len())
            .max();
        filler::zip(&self.module_of(folder), &unescape(version), go_mod, size.unwrap_or(150_000))
    }

    fn module_of(&self, folder: &Path) -> String {
        let relative = folder.strip_prefix(&self.root).unwrap_or(folder);
        unescape(relative.to_string_lossy().trim_end_matches("/@v"))
    }

    /// Puts every version that there is into a checksum database.
    pub fn record(&self, database: &FakeSumdb) -> std::io::Result<()> {
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            let mut entries: Vec<PathBuf> =
                fs_err::read_dir(&folder)?.filter_map(Result::ok).map(|entry| entry.path()).collect();
            entries.sort();
            for entry in entries {
                if entry.is_dir() {
                    folders.push(entry);
                } else if entry.extension().is_some_and(|extension| extension == "mod") {
                    self.record_version(database, &folder, &entry)?;
                }
            }
        }
        Ok(())
    }

    fn record_version(&self, database: &FakeSumdb, folder: &Path, file: &Path) -> std::io::Result<()> {
        let escaped = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let go_mod = fs_err::read(file)?;
        let zip = match fs_err::read_to_string(file.with_file_name(format!("{escaped}.ziphash"))) {
            Ok(known) => known.trim().to_owned(),
            Err(_) => self.filler(file, &escaped, &go_mod)?.1,
        };
        let go_mod = h1(&[("go.mod".to_owned(), go_mod.as_slice())]);
        database.record(&self.module_of(folder), &unescape(&escaped), &zip, &go_mod);
        Ok(())
    }
}

/// Makes a list from the `.info` files beside it; pseudo-versions don't stand in lists.
fn list(file: &Path) -> Found {
    let Some(Ok(entries)) = file.parent().map(fs_err::read_dir) else {
        return Found::Absent;
    };
    let mut versions: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".info").map(unescape))
        .filter(|version| version.split('-').next_back().is_none_or(|last| last.len() != 12))
        .collect();
    versions.sort();
    Found::Made(versions.into_iter().map(|version| format!("{version}\n")).collect::<String>().into())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::{Found, Tree};
    use crate::ModuleBuilder;

    fn made(found: Found) -> Vec<u8> {
        match found {
            Found::Made(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_missing_is_filled_in() {
        let folder = TempDir::new().expect("a temporary folder");
        let module = ModuleBuilder::new("example.com/Big", "v1.0.0").build();
        module.write_to(folder.path()).expect("a temporary folder");
        fs_err::write(folder.path().join("example.com/!big/@v/v1.1.0.mod"), "module example.com/Big\n")
            .expect("a temporary folder");
        let tree = Tree::new(folder.path().to_owned(), true);
        let info = made(tree.find("/example.com/!big/@v/v1.1.0.info").expect("readable"));
        assert!(String::from_utf8_lossy(&info).contains("\"v1.1.0\""));
        let zip = made(tree.find("/example.com/!big/@v/v1.1.0.zip").expect("readable"));
        assert!(String::from_utf8_lossy(&zip).contains("example.com/Big@v1.1.0/go.mod"));
        assert!(matches!(tree.find("/example.com/!big/@v/v1.2.0.zip"), Ok(Found::Absent)));
        assert!(matches!(tree.find("/../secret"), Ok(Found::Absent)));
        assert!(matches!(tree.find("/example.com/!big/@v/v1.0.0.zip"), Ok(Found::File(..))));
    }
}
