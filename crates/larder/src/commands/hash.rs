//! `larder hash`: what go.sum would say about a zip, an extracted module or a go.mod.

use std::path::{Component, Path, PathBuf};

use larder_module::dirhash::{self, H1};
use larder_module::escape;
use larder_module::gomod::GoMod;
use larder_module::path::ModulePath;
use larder_module::version::ModuleVersion;
use serde_json::json;

use super::{Outcome, chain};
use crate::cli::Format;
use crate::render;

/// Prints a line `h1:...  PATH` for each path; goes on after a path that can't be hashed.
pub(crate) fn run(paths: &[PathBuf], module: Option<&str>, format: Format) -> Result<(), Outcome> {
    let named = module.map(parse_module_version).transpose()?;
    let mut rows = Vec::new();
    let mut failed = false;
    for path in paths {
        match hash(path, named.as_ref()) {
            Ok(h1) if format == Format::Text => render::line(format_args!("{h1}  {}", path.display())),
            Ok(h1) => rows.push(json!({"path": path.to_string_lossy(), "h1": h1.to_string()})),
            Err(error) => {
                failed = true;
                render::note(format_args!("error: {}: {error}", path.display()));
                rows.push(json!({"path": path.to_string_lossy(), "error": error}));
            }
        }
    }
    if format == Format::Json {
        render::json(&rows.into());
    }
    if failed { Err(Outcome::Found) } else { Ok(()) }
}

fn parse_module_version(text: &str) -> Result<ModuleVersion, Outcome> {
    let parsed = text.rsplit_once('@').map(|(module, version)| ModuleVersion::parse(module, version));
    match parsed {
        Some(Ok(module)) => Ok(module),
        Some(Err(error)) => Err(Outcome::usage(&error, None)),
        None => Err(Outcome::Usage {
            error: format!("--module {text:?} has no version"),
            hint: Some("write MODULE@VERSION, such as example.com/m@v1.2.3".to_owned()),
        }),
    }
}

fn hash(path: &Path, named: Option<&ModuleVersion>) -> Result<H1, String> {
    let metadata = fs_err::metadata(path).map_err(|error| cause(&error))?;
    if metadata.is_dir() {
        return folder(path, named);
    }
    let is_mod = path.extension().is_some_and(|extension| extension == "mod");
    if is_mod {
        let content = fs_err::read(path).map_err(|error| cause(&error))?;
        return Ok(dirhash::hash_mod(&content));
    }
    let file = fs_err::File::open(path).map_err(|error| cause(&error))?.into_parts().0;
    dirhash::hash_zip(file, metadata.len())
        .map_err(|error| format!("{}; only zips, folders and files named .mod can be hashed", chain(&error)))
}

fn cause(error: &std::io::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn folder(path: &Path, named: Option<&ModuleVersion>) -> Result<H1, String> {
    if path.join(".git").exists() {
        return Err("is a working tree (it has .git); go.sum is about what version control archives, \
                    so hash the zip or the extracted module instead"
            .to_owned());
    }
    let prefix = match named {
        Some(module) => module.to_string(),
        None => prefix_of(path).ok_or(
            "doesn't say which module it holds: its path must end in MODULE@VERSION, or use --module",
        )?,
    };
    larder_doctor::cache::hash_folder(path, &prefix)
}

/// Finds `module@version` in the path of an extracted module, written as in the module cache.
fn prefix_of(path: &Path) -> Option<String> {
    let full = fs_err::canonicalize(path).ok()?;
    let text = full.to_str()?;
    let (head, version) = text.rsplit_once('@')?;
    let version = escape::unescape_version(version).ok()?;
    let declared = fs_err::read(full.join("go.mod")).ok().and_then(|bytes| GoMod::parse_lax(&bytes).ok());
    let declared = declared.and_then(|parsed| parsed.module?.parse::<ModulePath>().ok());
    if let Some(module) = declared
        && head.ends_with(&format!("/{}", module.escaped()))
    {
        return Some(format!("{module}@{version}"));
    }
    if let Some((_, below)) = head.split_once("/pkg/mod/") {
        return escape::unescape_path(below).ok().map(|module| format!("{module}@{version}"));
    }
    let parts: Vec<&str> = Path::new(head)
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    // The shortest tail that starts with a host name: folders above the cache may have dots in their names too.
    (0..parts.len()).rev().find_map(|start| {
        let module = escape::unescape_path(&parts[start..].join("/")).ok()?;
        Some(format!("{module}@{version}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_a_module_cache_names_its_module() {
        let home = tempfile::tempdir().expect("temporary folder");
        let folder = home.path().join("j.doe/go/pkg/mod/github.com/!burnt!sushi/toml@v1.4.0");
        fs_err::create_dir_all(&folder).expect("folder");
        assert_eq!(prefix_of(&folder).as_deref(), Some("github.com/BurntSushi/toml@v1.4.0"));
        let elsewhere = home.path().join("cache/example.com/a/b@v1.0.0");
        fs_err::create_dir_all(&elsewhere).expect("folder");
        assert_eq!(prefix_of(&elsewhere).as_deref(), Some("example.com/a/b@v1.0.0"));
        assert_eq!(prefix_of(home.path()), None);
    }

    #[test]
    fn a_working_tree_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs_err::create_dir_all(folder.path().join(".git")).expect("folder");
        assert!(hash(folder.path(), None).unwrap_err().contains(".git"));
    }

    #[test]
    fn the_hash_of_a_folder_is_that_of_its_files_under_the_module_prefix() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs_err::create_dir_all(folder.path().join("sub")).expect("folder");
        fs_err::write(folder.path().join("go.mod"), "module example.com/m\n").expect("file");
        fs_err::write(folder.path().join("sub/a.go"), "package sub\n").expect("file");
        let module = ModuleVersion::parse("example.com/m", "v1.0.0").expect("valid");
        // Computed with golang.org/x/mod/sumdb/dirhash.HashDir.
        let expected = "h1:aWcK7D7XMD7BlY5TTjy3mSRmSRxDf2T1KH8kFPHxY3o=";
        assert_eq!(hash(folder.path(), Some(&module)).expect("hash").to_string(), expected);
    }
}
