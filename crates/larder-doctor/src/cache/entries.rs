//! What the module cache holds of one version, and whether its parts agree.

use std::path::{Path, PathBuf};

use larder_module::dirhash::{self, H1};
use larder_module::escape;
use larder_module::gomod;
use larder_module::zip::Archive;

use super::CachedVersion;

/// Returns `cache/download/MODULE/@v/VERSION.EXTENSION`.
pub(super) fn download_file(cache: &Path, module: &str, version: &str, extension: &str) -> Option<PathBuf> {
    let module = escape::escape_path(module).ok()?;
    let version = escape::escape_version(version).ok()?;
    Some(cache.join("cache/download").join(module).join("@v").join(format!("{version}.{extension}")))
}

/// One reading of a module cache, within a budget of bytes.
pub(super) struct Reading<'a> {
    cache: &'a Path,
    budget: u64,
}

impl<'a> Reading<'a> {
    pub(super) const fn new(cache: &'a Path, budget: u64) -> Self {
        Self { cache, budget }
    }

    /// Looks at one version; none if nothing of it is there.
    pub(super) fn entry(&mut self, module: &str, version: &str) -> Option<CachedVersion> {
        let file = |extension: &str| download_file(self.cache, module, version, extension);
        let (go_mod, zip, ziphash) = (file("mod")?, file("zip")?, file("ziphash")?);
        let mut entry = CachedVersion {
            module: module.to_owned(),
            version: version.to_owned(),
            ..CachedVersion::default()
        };
        let mut there = false;
        if let Ok(bytes) = fs_err::read(&go_mod) {
            there = true;
            entry.mod_h1 = Some(dirhash::hash_mod(&bytes).to_string());
            entry.mod_problem = mod_problem(&bytes);
        }
        if let Ok(text) = fs_err::read_to_string(&ziphash) {
            there = true;
            entry.ziphash = Some(text.trim().to_owned());
        }
        if let Ok(found) = fs_err::metadata(&zip) {
            there = true;
            self.zip(&zip, found.len(), &mut entry);
        }
        self.folder(&mut entry);
        (there || entry.folder_problem.is_some()).then_some(entry)
    }

    fn zip(&mut self, path: &Path, size: u64, entry: &mut CachedVersion) {
        let open = || fs_err::File::open(path).map(|file| file.into_parts().0);
        let checked = open().map_err(|error| error.to_string()).and_then(|file| {
            let archive = Archive::open(file, size).map_err(|error| error.to_string())?;
            if size > self.budget {
                return Ok(None);
            }
            self.budget -= size;
            archive.hash().map(Some).map_err(|error| error.to_string())
        });
        match checked {
            Ok(hash) => entry.zip_h1 = hash.map(|hash| hash.to_string()),
            Err(problem) => entry.zip_problem = Some(problem),
        }
        if let (Some(hash), Some(said)) = (&entry.zip_h1, &entry.ziphash)
            && hash != said
        {
            entry.zip_problem = Some(format!("hashes to {hash}, and its .ziphash says {said}"));
        }
    }

    /// Compares the extracted folder with the zip's hash.
    fn folder(&self, entry: &mut CachedVersion) {
        let (Ok(module), Ok(version)) =
            (escape::escape_path(&entry.module), escape::escape_version(&entry.version))
        else {
            return;
        };
        let folder = self.cache.join(format!("{module}@{version}"));
        let marker = download_file(self.cache, &entry.module, &entry.version, "partial");
        if !folder.is_dir() || marker.is_some_and(|path| path.exists()) {
            return;
        }
        let Some(expected) = entry.zip_h1.as_ref().filter(|_| entry.zip_problem.is_none()) else { return };
        match hash_folder(&folder, &format!("{}@{}", entry.module, entry.version)) {
            Ok(hash) if hash.to_string() == *expected => {}
            Ok(hash) => {
                entry.folder_problem = Some(format!("the folder hashes to {hash}, its zip to {expected}"))
            }
            Err(problem) => entry.folder_problem = Some(problem),
        }
    }
}

/// Returns the first line of what should be a go.mod and has no module line.
fn mod_problem(bytes: &[u8]) -> Option<String> {
    if gomod::module_path(bytes).is_some_and(|path| !path.is_empty()) {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let first: String =
        text.lines().find(|line| !line.trim().is_empty()).unwrap_or("").chars().take(80).collect();
    Some(if first.is_empty() { "empty".to_owned() } else { first })
}

/// Hashes an extracted module as the go command's `HashDir` would.
///
/// # Errors
///
/// Says which file or folder can't be read, or is named as none can be.
pub fn hash_folder(folder: &Path, prefix: &str) -> Result<H1, String> {
    let mut names = Vec::new();
    names_below(folder, prefix, &mut names)?;
    let open = |name: &str| fs_err::File::open(folder.join(&name[prefix.len() + 1..]));
    dirhash::hash_files(names, open).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

fn names_below(folder: &Path, prefix: &str, names: &mut Vec<String>) -> Result<(), String> {
    for entry in fs_err::read_dir(folder).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let own = entry.file_name().into_string().map_err(|name| format!("{name:?} is not UTF-8"))?;
        let name = format!("{prefix}/{own}");
        let kind = entry.file_type().map_err(|error| error.to_string())?;
        if kind.is_dir() {
            names_below(&entry.path(), &name, names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}
