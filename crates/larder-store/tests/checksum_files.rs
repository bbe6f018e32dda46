//! The files of checksum databases: safe names, whole writes, one winner for each head.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};

use common::*;
use larder_store::{StoreError, Swap};

#[test]
fn files_lie_where_clients_without_larder_look() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store
        .put_checksum_files(
            "sum.example.com",
            &[
                ("tile/8/0/x001/234", &b"tile"[..]),
                ("tile/8/0/000.p/5", &b"partial"[..]),
                ("lookup/example.com/!a@v1.0.0", &b"record"[..]),
            ],
        )
        .unwrap();
    store.put_checksum_files("example.com/own/log", &[("latest", b"head")]).unwrap();
    let on_disk = folder.path().join("modules/sumdb/sum.example.com/tile/8/0/x001/234");
    assert_eq!(fs_err::read(on_disk).unwrap(), b"tile");
    assert_eq!(store.checksum_file("sum.example.com", "tile/8/0/000.p/5").unwrap().unwrap(), b"partial");
    assert_eq!(store.checksum_file("sum.example.com", "tile/8/0").unwrap(), None, "a folder is no file");
    assert_eq!(store.checksum_file("sum.example.com", "tile/8/1/000").unwrap(), None);
    assert_eq!(store.checksum_databases().unwrap(), ["example.com/own/log", "sum.example.com"]);
    let mut names = Vec::new();
    store
        .walk_checksum_files("sum.example.com", "tile", &mut |name| {
            names.push(name.to_owned());
            true
        })
        .unwrap();
    names.sort();
    assert_eq!(names, ["tile/8/0/000.p/5", "tile/8/0/x001/234"]);
    assert_eq!(staged(folder.path()), [] as [&str; 0]);
}

#[test]
fn names_cannot_leave_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for (database, file) in [
        ("..", "latest"),
        ("sum.example.com", "../../x"),
        ("sum.example.com", "lookup/../../../x"),
        ("sum.example.com", "./latest"),
        ("sum.example.com", "/etc/passwd"),
        ("/etc", "passwd"),
        ("", "latest"),
        ("sum.example.com", ""),
        ("sum.example.com", "a//b"),
        ("sum.example.com", "a\\b"),
        ("sum.example.com", "a\0b"),
        ("sum.example.com", "folder/"),
    ] {
        let error = store.put_checksum_files(database, &[(file, b"x")]).unwrap_err();
        assert!(matches!(error, StoreError::BadName { .. }), "{database} {file}: {error:?}");
        assert!(store.checksum_file(database, file).is_err(), "{database} {file}");
    }
    assert_eq!(files_below(store.modules_folder()), [] as [&str; 0]);
}

#[test]
fn a_head_moves_only_from_where_the_caller_saw_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let swap = |expected: Option<&[u8]>, new: &[u8]| {
        store.swap_checksum_file("sum.example.com", "latest", expected, new).unwrap()
    };
    assert_eq!(swap(Some(b"head 1"), b"head 2"), Swap::Conflict(None));
    assert_eq!(swap(None, b"head 1"), Swap::Swapped);
    assert_eq!(swap(None, b"head 2"), Swap::Conflict(Some(b"head 1".to_vec())));
    assert_eq!(swap(Some(b"head 1"), b"head 2"), Swap::Swapped);
    assert_eq!(store.checksum_file("sum.example.com", "latest").unwrap().unwrap(), b"head 2");
}

#[test]
fn many_swappers_lose_no_step() {
    let folder = quick_folder();
    let stores = [open(folder.path()), open(folder.path())];
    let swapped = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (store, swapped) = (&stores[number % 2], &swapped);
            scope.spawn(move || {
                let mut seen: Option<Vec<u8>> = None;
                let mut done = 0;
                while done < 10 {
                    let count: u64 =
                        seen.as_deref().map_or(0, |text| std::str::from_utf8(text).unwrap().parse().unwrap());
                    let new = (count + 1).to_string();
                    match store
                        .swap_checksum_file("sum.example.com", "latest", seen.as_deref(), new.as_bytes())
                        .unwrap()
                    {
                        Swap::Swapped => {
                            seen = Some(new.into_bytes());
                            swapped.fetch_add(1, Ordering::SeqCst);
                            done += 1;
                        }
                        Swap::Conflict(found) => seen = found,
                    }
                }
            });
        }
    });
    let last = stores[0].checksum_file("sum.example.com", "latest").unwrap().unwrap();
    assert_eq!(last, swapped.load(Ordering::SeqCst).to_string().as_bytes());
    assert_eq!(last, b"80");
}
