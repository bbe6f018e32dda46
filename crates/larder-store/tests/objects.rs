//! Publication, marks, version lists, quarantine and files copied in by hand.

mod common;

use std::sync::{Arc, Barrier};

use common::*;
use larder_module::request::ObjectKind;
use larder_store::{Examined, Published, Soundness, Store, StoreError, StoreOptions, Verification};
use larder_testkit::ModuleBuilder;

#[test]
fn an_object_is_what_was_staged() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let key = key("github.com/BurntSushi/toml", "v1.4.0", ObjectKind::Info);
    assert!(store.object(&key).unwrap().is_none());

    let published = put(&store, &key, b"{\"Version\":\"v1.4.0\"}").unwrap();
    assert!(matches!(published, Published::Created(_)));
    let object = store.object(&key).unwrap().unwrap();
    assert_eq!(content(&object), b"{\"Version\":\"v1.4.0\"}");
    let row = object.row.as_ref().unwrap();
    assert_eq!((row.size, row.source.as_str()), (20, "https://proxy.example.com"));
    assert_eq!(row.first_seen, noon());
    assert_eq!(store.compare(&key, &object).unwrap(), Soundness::Sound);
    assert!(folder.path().join("modules/github.com/!burnt!sushi/toml/@v/v1.4.0.info").is_file());
    assert_eq!(staged(folder.path()), [] as [&str; 0]);
}

#[test]
fn the_first_bytes_are_final() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let key = key("example.com/a", "v1.0.0", ObjectKind::Mod);
    put(&store, &key, b"module example.com/a\n").unwrap();
    let second = put(&store, &key, b"module example.com/other\n").unwrap();
    let Published::AlreadyThere(object) = second else { panic!("published twice") };
    assert_eq!(content(&object), b"module example.com/a\n");
    assert_eq!(staged(folder.path()), [] as [&str; 0]);
}

#[test]
fn sixteen_publishers_of_one_object_have_one_winner() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let other_process = open(folder.path());
    let barrier = Arc::new(Barrier::new(16));
    let key = key("example.com/a", "v1.0.0", ObjectKind::Zip);
    let outcomes: Vec<(bool, Vec<u8>, Option<String>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16_u8)
            .map(|number| {
                let (store, barrier, key) =
                    (if number % 2 == 0 { &store } else { &other_process }, barrier.clone(), &key);
                scope.spawn(move || {
                    let bytes = vec![number; 50_000];
                    let h1 = larder_module::dirhash::hash_mod(&bytes);
                    let mut publication = publication(Verification::Verified);
                    publication.h1 = Some(h1);
                    barrier.wait();
                    let published = put_as(store, key, &bytes, &publication).unwrap();
                    let won = matches!(published, Published::Created(_));
                    let object = published.into_object();
                    (won, content(&object), object.marks.ziphash.map(|h1| h1.to_string()))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|(won, ..)| *won).count(), 1);
    let (_, bytes, ziphash) = outcomes.iter().find(|(won, ..)| *won).unwrap();
    for (_, served, mark) in &outcomes {
        assert!(served == bytes, "everyone gets the winner's bytes");
        assert_eq!(mark, ziphash);
    }
    assert_eq!(*ziphash, Some(larder_module::dirhash::hash_mod(bytes).to_string()));
}

#[test]
fn paths_that_differ_in_case_do_not_collide() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for path in ["example.com/rsc/quote", "example.com/rsc/Quote", "example.com/RSC/quote"] {
        let key = key(path, "v1.0.0", ObjectKind::Mod);
        assert!(matches!(put(&store, &key, path.as_bytes()).unwrap(), Published::Created(_)));
    }
    for path in ["example.com/rsc/quote", "example.com/rsc/Quote", "example.com/RSC/quote"] {
        let object = store.object(&key(path, "v1.0.0", ObjectKind::Mod)).unwrap().unwrap();
        assert_eq!(content(&object), path.as_bytes());
    }
    let lowered: std::collections::HashSet<String> =
        files_below(store.modules_folder()).iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(lowered.len(), 6, "three objects and three lists, also on a disk that folds case");
}

#[test]
fn marks_lie_beside_the_object() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let built = ModuleBuilder::new("example.com/a", "v1.0.0").build();
    let key = key("example.com/a", "v1.0.0", ObjectKind::Zip);
    let mut unverified = publication(Verification::Unverified);
    unverified.h1 = Some(built.h1.parse().unwrap());
    put_as(&store, &key, &built.zip, &unverified).unwrap();

    let beside = folder.path().join("modules/example.com/a/@v");
    assert_eq!(fs_err::read_to_string(beside.join("v1.0.0.ziphash")).unwrap(), built.h1);
    assert!(beside.join("v1.0.0.zip.unverified").exists());
    let object = store.object(&key).unwrap().unwrap();
    assert!(object.marks.unverified);
    assert_eq!(object.marks.ziphash, Some(built.h1.parse().unwrap()));

    let examined = Examined {
        h1: object.marks.ziphash,
        source: "https://proxy.example.com".to_owned(),
        verified: Verification::Verified,
    };
    store.record_examined(&key, &object, &examined).unwrap();
    assert!(!beside.join("v1.0.0.zip.unverified").exists());
    let object = store.object(&key).unwrap().unwrap();
    assert!(!object.marks.unverified);
    assert_eq!(object.row.unwrap().verified, Verification::Verified);
}

#[test]
fn lists_name_every_version_with_a_mod() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let a = module("example.com/a");
    let versions =
        ["v1.10.0", "v1.2.0", "v0.0.0-20240102030405-abcdefabcdef", "v1.2.0-RC1", "v2.0.0+incompatible"];
    for version in versions {
        put(&store, &key("example.com/a", version, ObjectKind::Mod), version.as_bytes()).unwrap();
    }
    put(&store, &key("example.com/a", "v1.3.0", ObjectKind::Zip), b"a zip alone").unwrap();
    put(&store, &key("example.com/a/b", "v1.9.0", ObjectKind::Mod), b"another module").unwrap();
    let sorted =
        ["v0.0.0-20240102030405-abcdefabcdef", "v1.2.0-RC1", "v1.2.0", "v1.10.0", "v2.0.0+incompatible"];
    let listed = store.versions(&a).unwrap();
    assert_eq!(listed.iter().map(|version| version.as_str()).collect::<Vec<_>>(), sorted);
    let list = fs_err::read_to_string(folder.path().join("modules/example.com/a/@v/list")).unwrap();
    assert_eq!(list, sorted.map(|version| format!("{version}\n")).concat());

    assert!(store.has_module(&a).unwrap());
    assert!(store.has_module(&module("example.com/a/b")).unwrap());
    assert!(!store.has_module(&module("example.com/a/b/c")).unwrap());
    assert!(!store.has_module(&module("example.com")).unwrap());
    assert_eq!(store.versions(&module("example.com/unknown")).unwrap(), []);
    assert_eq!(store.versions_with(&a, ObjectKind::Zip).unwrap().len(), 1);
}

#[test]
fn files_copied_in_by_hand_are_there_without_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let built = ModuleBuilder::new("example.com/Copied", "v1.0.0").build();
    built.write_to(store.modules_folder()).unwrap();
    fs_err::remove_file(store.modules_folder().join("example.com/!copied/@v/list")).unwrap();

    assert_eq!(store.versions(&module("example.com/Copied")).unwrap().len(), 1);
    let key = key("example.com/Copied", "v1.0.0", ObjectKind::Mod);
    let object = store.sound_object(&key).unwrap().unwrap();
    assert!(object.row.is_none(), "nobody has looked at it yet");
    assert_eq!(store.compare(&key, &object).unwrap(), Soundness::Unknown);

    let examined = Examined {
        h1: Some(built.mod_h1.parse().unwrap()),
        source: "copied in".to_owned(),
        verified: Verification::Verified,
    };
    store.record_examined(&key, &object, &examined).unwrap();
    let object = store.sound_object(&key).unwrap().unwrap();
    assert_eq!(object.row.unwrap().source, "copied in");
    let list = store.modules_folder().join("example.com/!copied/@v/list");
    assert_eq!(fs_err::read_to_string(list).unwrap(), "v1.0.0\n", "the missing list is written");
}

#[test]
fn a_changed_file_is_found_at_its_first_opening_and_never_served() {
    let folder = tempfile::tempdir().unwrap();
    let seed = 20_241_121;
    let mut rng = larder_testkit::Rng::new(seed);
    let keys: Vec<_> =
        (0..50).map(|number| key("example.com/a", &format!("v1.{number}.0"), ObjectKind::Zip)).collect();
    {
        let store = open(folder.path());
        for key in &keys {
            put(&store, key, &rng.bytes(3_000)).unwrap();
        }
    }
    for key in &keys {
        let path = folder.path().join("modules").join(key.relative_path());
        let mut bytes = fs_err::read(&path).unwrap();
        let at = rng.below(bytes.len());
        bytes[at] ^= 1 << rng.below(8);
        fs_err::write(&path, bytes).unwrap();
    }
    let store = open(folder.path());
    for key in &keys {
        assert!(store.sound_object(key).unwrap().is_none(), "{key}, seed {seed}");
        assert!(store.object(key).unwrap().is_none(), "it can be fetched anew");
    }
    let quarantined = files_below(&folder.path().join("quarantine"));
    assert_eq!(quarantined.iter().filter(|name| name.ends_with(".zip")).count(), keys.len());
    assert_eq!(quarantined.iter().filter(|name| name.ends_with(".reason")).count(), keys.len());
    assert_eq!(store.events(1_000).len(), keys.len());
    assert!(matches!(put(&store, &keys[0], b"good again").unwrap(), Published::Created(_)));
    assert!(store.sound_object(&keys[0]).unwrap().is_some());
}

#[test]
fn quarantine_spares_a_file_that_was_replaced_since() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let key = key("example.com/a", "v1.0.0", ObjectKind::Mod);
    let wrong = put(&store, &key, b"wrong").unwrap().into_object();
    assert!(store.quarantine(&key, &wrong, "it is wrong").unwrap());
    assert_eq!(store.versions(&module("example.com/a")).unwrap(), []);
    assert_eq!(
        fs_err::read_to_string(store.modules_folder().join("example.com/a/@v/list")).unwrap(),
        "",
        "the list no longer names it"
    );
    put(&store, &key, b"right").unwrap();
    assert!(!store.quarantine(&key, &wrong, "it is wrong").unwrap(), "this one is another file");
    assert_eq!(content(&store.object(&key).unwrap().unwrap()), b"right");
}

#[test]
fn a_name_too_long_for_the_disk_is_a_failure_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let path = format!("example.com/{}", "A".repeat(130));
    let key = key(&path, "v1.0.0", ObjectKind::Mod);
    assert!(store.object(&key).unwrap().is_none());
    assert_eq!(store.versions(&module(&path)).unwrap(), []);
    let error = put(&store, &key, b"module x\n").unwrap_err();
    assert!(matches!(error, StoreError::NameTooLong { .. }), "{error:?}");
    assert!(error.allows_serving_unstored());
    assert_eq!(staged(folder.path()), [] as [&str; 0]);
}

#[test]
fn what_is_no_file_is_an_error_and_not_absence() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let key = key("example.com/a", "v1.0.0", ObjectKind::Mod);
    fs_err::create_dir_all(store.modules_folder().join(key.relative_path())).unwrap();
    assert!(matches!(store.object(&key).unwrap_err(), StoreError::NotAFile { .. }));
}

#[test]
fn staged_bytes_can_be_read_while_they_arrive_and_after() {
    use std::os::unix::fs::FileExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut staging = store.stage(None).unwrap();
    assert!(staging.is_empty());
    staging.write(b"first ").unwrap();
    let reader = staging.reader().unwrap();
    let mut buffer = [0; 12];
    assert_eq!(reader.read_at(&mut buffer, 0).unwrap(), 6);
    staging.write(b"second").unwrap();
    assert_eq!(staging.len(), 12);
    staging
        .publish(&key("example.com/a", "v1.0.0", ObjectKind::Info), &publication(Verification::NotApplicable))
        .unwrap();
    reader.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"first second");
}

#[test]
fn a_reservation_that_was_too_large_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut staging = store.stage(Some(1 << 20)).unwrap();
    staging.write(b"short").unwrap();
    let key = key("example.com/a", "v1.0.0", ObjectKind::Info);
    let object = staging.publish(&key, &publication(Verification::NotApplicable)).unwrap().into_object();
    assert_eq!(object.size, 5);
}

#[test]
fn one_server_for_each_folder_and_any_number_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = Store::open(options(folder.path()).exclusive()).unwrap();
    let refused = Store::open(options(folder.path()).exclusive()).unwrap_err();
    let StoreError::Busy { folder: named, pid } = &refused else { panic!("{refused:?}") };
    assert_eq!((named.as_path(), *pid), (folder.path(), Some(std::process::id())));

    let shared = open(folder.path());
    let key = key("example.com/a", "v1.0.0", ObjectKind::Info);
    put(&shared, &key, b"{}").unwrap();
    assert!(server.object(&key).unwrap().unwrap().row.is_some(), "they share objects and index");
    drop(server);
    Store::open(StoreOptions::new(folder.path(), noon).exclusive()).unwrap();
}

#[test]
fn opening_sweeps_what_the_dead_left_and_spares_the_living() {
    let folder = tempfile::tempdir().unwrap();
    let living = open(folder.path());
    let mut staging = living.stage(None).unwrap();
    staging.write(b"still being written").unwrap();
    let dead = folder.path().join("staging/12345-0");
    fs_err::create_dir_all(&dead).unwrap();
    fs_err::write(dead.join("owner"), "").unwrap();
    fs_err::write(dead.join("7"), "left behind").unwrap();
    fs_err::write(folder.path().join("staging/junk"), "").unwrap();

    let second = open(folder.path());
    assert_eq!(second.opening().swept, 2);
    assert!(!dead.exists());
    let key = key("example.com/a", "v1.0.0", ObjectKind::Info);
    staging.publish(&key, &publication(Verification::NotApplicable)).unwrap();
    assert_eq!(content(&second.object(&key).unwrap().unwrap()), b"still being written");
    drop((living, second));
    assert_eq!(files_below(&folder.path().join("staging")), [] as [&str; 0]);
}

#[test]
fn a_staging_folder_removed_under_us_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    fs_err::remove_dir_all(folder.path().join("staging")).unwrap();
    let key = key("example.com/a", "v1.0.0", ObjectKind::Info);
    put(&store, &key, b"{}").unwrap();
    let other = open(folder.path());
    put(&store, &common::key("example.com/a", "v1.1.0", ObjectKind::Info), b"{}").unwrap();
    assert_eq!(other.opening().swept, 0);
}

#[test]
fn what_nobody_asked_for_can_be_removed_until_somebody_does() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let keys = ["v1.0.0", "v1.1.0"].map(|version| key("example.com/A", version, ObjectKind::Mod));
    for key in &keys {
        put(&store, key, b"module example.com/A\n").unwrap();
    }
    assert!(!store.remove_unused(&keys[0]).unwrap(), "not marked");
    store.mark_unused(&keys);
    store.mark_used(&keys[1..]);
    drop(store);

    let store = open(folder.path());
    let unused = store.unused();
    assert_eq!(unused.iter().map(|unused| (&unused.key, unused.size)).collect::<Vec<_>>(), [(&keys[0], 21)]);
    assert!(store.object(&keys[0]).unwrap().unwrap().row.unwrap().is_unused);
    assert!(!store.object(&keys[1]).unwrap().unwrap().row.unwrap().is_unused);
    assert!(store.remove_unused(&keys[0]).unwrap());
    assert!(!store.remove_unused(&keys[1]).unwrap(), "somebody asked for it");
    assert!(store.object(&keys[0]).unwrap().is_none() && store.unused().is_empty());
    let list = fs_err::read_to_string(folder.path().join("modules/example.com/!a/@v/list")).unwrap();
    assert_eq!(list, "v1.1.0\n");

    put(&store, &keys[0], b"module example.com/A\n").unwrap();
    assert!(store.unused().is_empty(), "a mark goes with its object");
}
