//! A disk that takes no more: failures have a type, nothing is left over, and the store recovers by itself.

mod common;

use std::process::Command;

use common::*;
use larder_module::request::ObjectKind;
use larder_store::{Step, StoreError, Verification};

#[test]
fn each_failing_step_is_typed_and_leaves_nothing() {
    for step in Step::ALL {
        for number in 1..=4 {
            let folder = tempfile::tempdir().unwrap();
            let store = open_failing(folder.path(), &format!("enospc@{}:{number}", step.name()));
            let key = key("example.com/a", "v1.0.0", ObjectKind::Zip);
            let mut with_hash = publication(Verification::Unverified);
            with_hash.h1 = Some(larder_module::dirhash::hash_mod(b""));
            let bytes = vec![7; 20_000];
            let object = (0..5).find_map(|_| match put_as(&store, &key, &bytes, &with_hash) {
                Ok(published) => Some(published.into_object()),
                Err(error) => {
                    assert!(error.is_full(), "{step:?} {number}: {error:?}");
                    assert!(error.allows_serving_unstored());
                    assert_eq!(staged(folder.path()), [] as [&str; 0], "{step:?} {number}");
                    None
                }
            });
            let object = object.expect("it recovers by itself");
            assert_eq!(content(&object), bytes);
            assert!(object.marks.unverified && object.marks.ziphash.is_some());
            assert_eq!(staged(folder.path()), [] as [&str; 0], "{step:?} {number}");
        }
    }
}

#[test]
fn an_index_that_cannot_be_written_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_failing(folder.path(), "enospc@index+");
    let key = key("example.com/a", "v1.0.0", ObjectKind::Info);
    let object = put(&store, &key, b"{}").unwrap().into_object();
    assert!(object.row.is_some(), "remembered while the index can't take it");
    assert!(store.sound_object(&key).unwrap().unwrap().row.is_some());
    store.record_event("kind", "subject", "detail");
    assert_eq!(store.events(10), []);
}

#[test]
fn rows_that_were_kept_out_go_in_later() {
    let folder = tempfile::tempdir().unwrap();
    let keys: Vec<_> = ["v1.0.0", "v1.1.0", "v1.2.0"]
        .map(|version| key("example.com/a", version, ObjectKind::Info))
        .into_iter()
        .collect();
    {
        let store = open_failing(folder.path(), "enospc@index:1");
        for key in &keys {
            put(&store, key, b"{}").unwrap();
        }
    }
    let store = open(folder.path());
    for key in &keys {
        assert!(store.object(key).unwrap().unwrap().row.is_some(), "{key}");
    }
}

#[test]
fn a_broken_sync_of_the_folder_publishes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let key = key("example.com/a", "v1.0.0", ObjectKind::Info);
    // The folders exist, so the last sync of the publication is the second one.
    fs_err::create_dir_all(folder.path().join("modules/example.com/a/@v")).unwrap();
    let store = open_failing(folder.path(), "eio@sync-folder:2");
    let error = put(&store, &key, b"{}").unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    assert!(store.object(&key).unwrap().is_none());
}

/// Runs this test program again where a small file system can be mounted without touching the machine.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn in_small_file_system(mount_options: &str, test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o {mount_options} tmpfs {folder} && cd {folder} && exec {program} --exact {test} --ignored --nocapture",
        folder = folder.path().display(),
        program = std::env::current_exe().unwrap().display(),
    );
    let probe = Command::new("unshare").args(["-m", "sh", "-c"]).arg("mount -t tmpfs tmpfs /mnt").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    let output = Command::new("unshare").args(["-m", "sh", "-c"]).arg(script).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn a_full_disk() {
    in_small_file_system("size=3m", "on_a_small_disk");
}

#[test]
fn a_disk_without_inodes() {
    in_small_file_system("size=3m,nr_inodes=40", "on_a_disk_with_few_inodes");
}

#[test]
#[ignore = "started by a_full_disk on a file system of 3 MiB"]
fn on_a_small_disk() {
    let root = std::env::current_dir().unwrap();
    let store = open(&root);
    let small = key("example.com/small", "v1.0.0", ObjectKind::Info);
    put(&store, &small, b"{}").unwrap();

    let declared = store.stage(Some(50 << 20)).unwrap_err();
    assert!(matches!(declared, StoreError::NoSpace { .. }), "known before the first byte: {declared:?}");

    let mut staging = store.stage(None).unwrap();
    let error = loop {
        if let Err(error) = staging.write(&[1; 64 * 1024]) {
            break error;
        }
    };
    assert!(matches!(error, StoreError::NoSpace { .. }), "{error:?}");
    assert!(store.writable().is_err());
    let opening = larder_store::Store::open(options(&root)).unwrap_err();
    assert!(matches!(opening, StoreError::NoSpace { .. }), "a start says it plainly: {opening:?}");
    // Hits go on, rows and all, while the disk is full.
    let hit = store.sound_object(&small).unwrap().unwrap();
    assert!(hit.row.is_some());
    store.record_event("kind", "subject", "detail");
    drop(staging);

    assert_eq!(staged(&root), [] as [&str; 0]);
    store.writable().unwrap();
    put(&store, &key("example.com/small", "v1.1.0", ObjectKind::Zip), &[3; 500_000]).unwrap();
}

#[test]
#[ignore = "started by a_disk_without_inodes on a file system of 40 files"]
fn on_a_disk_with_few_inodes() {
    let root = std::env::current_dir().unwrap();
    let store = open(&root);
    let mut number = 0;
    let error = loop {
        let key = key("example.com/a", &format!("v1.{number}.0"), ObjectKind::Info);
        match put(&store, &key, b"{}") {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::NoInodes { .. }), "{error:?}");
    assert_eq!(staged(&root), [] as [&str; 0]);
    let first = key("example.com/a", "v1.0.0", ObjectKind::Info);
    let object = store.sound_object(&first).unwrap().unwrap();
    // Even here a wrong object can be moved out of the way.
    assert!(store.quarantine(&first, &object, "to make room").unwrap());
    drop(object);
    for name in files_below(&root.join("quarantine")) {
        fs_err::remove_file(root.join("quarantine").join(name)).unwrap();
    }
    put(&store, &first, b"{}").unwrap();
}
