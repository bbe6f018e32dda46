//! Where a proxy for one command stands: its address that nobody else can guess, and its place in folders that others share.

use std::io::Read;
use std::path::{Path, PathBuf};

use fs_err::File;

use crate::config::Environment;

/// Bytes of the secret in the path: 128 bits.
const SECRET: usize = 16;

/// Returns a path prefix that other users of this machine can't guess.
///
/// Whoever can ask this proxy asks with this user's logins, and loopback is open to everybody on the machine.
pub(super) fn secret_path() -> std::io::Result<String> {
    let mut bytes = [0; SECRET];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("/{hexadecimal}"))
}

/// Returns the folder for what is kept between runs, unless the user names another.
pub(super) fn cache_folder(environment: &Environment) -> Option<PathBuf> {
    let named = environment.non_empty("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = named.or_else(|| Some(environment.home()?.join(".cache")))?;
    Some(folder.join("larder"))
}

/// A folder of git mirrors that no other process works on.
#[derive(Debug)]
pub(super) struct Mirrors {
    folder: PathBuf,
    _lock: Option<File>,
}

/// How many runs at a time have mirrors that the next ones find again.
const SHELVES: u32 = 32;

impl Mirrors {
    /// Takes the first folder that is free: runs beside each other must not share one, runs after each other should.
    pub(super) fn take(data: &Path) -> Self {
        for number in 0..SHELVES {
            let folder = data.join(format!("mirrors-{number}"));
            let lock = fs_err::create_dir_all(&folder).and_then(|()| File::create(folder.join(".taken")));
            let Ok(lock) = lock else { break };
            if lock.file().try_lock().is_ok() {
                return Self { folder, _lock: Some(lock) };
            }
        }
        // Only whoever needs git finds out, with an error that says what is wrong with the folder.
        Self { folder: data.join(format!("mirrors-of-{}", std::process::id())), _lock: None }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_128_bits_and_differ() {
        let (one, other) = (secret_path().expect("random"), secret_path().expect("random"));
        assert_ne!(one, other);
        assert!(one.len() == 33 && one[1..].bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    }

    #[test]
    fn the_cache_is_where_others_have_theirs() {
        let of = |variables: [(&str, &str); 2]| cache_folder(&Environment::from(variables));
        assert_eq!(of([("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]), Some("/c/larder".into()));
        assert_eq!(of([("HOME", "/h"), ("XDG_CACHE_HOME", "c")]), Some("/h/.cache/larder".into()));
        assert_eq!(of([("HOME", ""), ("XDG_CACHE_HOME", "")]), None);
    }

    #[test]
    fn runs_beside_each_other_have_mirrors_of_their_own() {
        let data = tempfile::tempdir().expect("temporary folder");
        let first = Mirrors::take(data.path());
        let second = Mirrors::take(data.path());
        assert_ne!(first.folder(), second.folder());
        let folder = first.folder().to_owned();
        drop(first);
        assert_eq!(Mirrors::take(data.path()).folder(), folder);
    }
}
