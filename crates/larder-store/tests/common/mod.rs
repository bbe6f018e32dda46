//! What the store's tests share.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(unreachable_pub, reason = "shared by several test programs")]

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use larder_module::path::ModulePath;
use larder_module::request::ObjectKind;
use larder_module::version::ModuleVersion;
use larder_store::{
    FailPoint, ObjectKey, Publication, Published, Store, StoreError, StoreOptions, StoredObject, Verification,
};
use larder_testkit::BuiltModule;

/// A fixed time, so that nothing depends on when a test runs.
pub fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000)
}

pub fn options(root: &Path) -> StoreOptions {
    StoreOptions::new(root, noon)
}

pub fn open(root: &Path) -> Store {
    Store::open(options(root)).expect("the store opens")
}

/// Opens a store that begins to follow a plan once it is open.
pub fn open_failing(root: &Path, plan: &str) -> Store {
    let fail_point: FailPoint = plan.parse().expect("a plan");
    fail_point.arm(false);
    let mut options = options(root);
    options.fail_point = Some(fail_point.clone());
    let store = Store::open(options).expect("the store opens");
    fail_point.arm(true);
    store
}

pub fn module(path: &str) -> ModulePath {
    path.parse().expect("a module path")
}

pub fn of(path: &str, version: &str) -> ModuleVersion {
    ModuleVersion::parse(path, version).expect("a version")
}

pub fn key(path: &str, version: &str, kind: ObjectKind) -> ObjectKey {
    ObjectKey::new(of(path, version), kind)
}

pub fn publication(verified: Verification) -> Publication {
    Publication { h1: None, source: "https://proxy.example.com".to_owned(), verified }
}

pub fn put(store: &Store, key: &ObjectKey, bytes: &[u8]) -> Result<Published, StoreError> {
    put_as(store, key, bytes, &publication(Verification::NotApplicable))
}

pub fn put_as(
    store: &Store,
    key: &ObjectKey,
    bytes: &[u8],
    publication: &Publication,
) -> Result<Published, StoreError> {
    let mut staging = store.stage(Some(bytes.len() as u64))?;
    for piece in bytes.chunks(7_000) {
        staging.write(piece)?;
    }
    staging.publish(key, publication)
}

/// Publishes the three files of a version as verified ones.
pub fn put_module(store: &Store, built: &BuiltModule) {
    for (kind, bytes, h1) in [
        (ObjectKind::Info, &built.info, None),
        (ObjectKind::Mod, &built.go_mod, Some(&built.mod_h1)),
        (ObjectKind::Zip, &built.zip, Some(&built.h1)),
    ] {
        let h1 = h1.map(|h1| h1.parse().expect("a hash"));
        let verified =
            if kind == ObjectKind::Info { Verification::NotApplicable } else { Verification::Verified };
        let publication = Publication { h1, source: "https://proxy.example.com".to_owned(), verified };
        let published = put_as(store, &key(&built.path, &built.version, kind), bytes, &publication);
        published.expect("it is published");
    }
}

pub fn content(object: &StoredObject) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(object.size).expect("small")];
    object.file.read_exact_at(&mut bytes, 0).expect("the object is as long as it says");
    bytes
}

/// A folder in memory where there is one: a kill spares what the kernel has, so no disk is needed to test for it.
pub fn quick_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}

/// The names of all files below a folder, as paths relative to it.
pub fn files_below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs_err::read_dir(&next) else { continue };
        for entry in entries.map(|entry| entry.expect("an entry")) {
            if entry.file_type().expect("a type").is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path();
                names.push(path.strip_prefix(folder).expect("below").to_str().expect("text").to_owned());
            }
        }
    }
    names.sort();
    names
}

/// What lies in staging besides the lock files of the owners.
pub fn staged(root: &Path) -> Vec<String> {
    files_below(&root.join("staging")).into_iter().filter(|name| !name.ends_with("/owner")).collect()
}
