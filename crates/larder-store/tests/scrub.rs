//! Scrubbing: what is wrong is found and moved aside, what is right stays, and a stopped scrub carries on.

mod common;

use std::ops::ControlFlow;

use common::*;
use larder_module::request::ObjectKind;
use larder_module::version::ModuleVersion;
use larder_store::{Recorded, ScrubOptions, ScrubReport, Store, Verification};
use larder_testkit::{BuiltModule, ModuleBuilder};

fn builds(count: usize) -> Vec<BuiltModule> {
    (0..count)
        .map(|number| {
            ModuleBuilder::new(&format!("example.com/M{}/sub", number % 5), &format!("v1.{number}.0")).build()
        })
        .collect()
}

fn scrub(store: &Store, resume: bool, add_rows: bool) -> ScrubReport {
    let records = |of: &ModuleVersion| store.recorded(of);
    let options = ScrubOptions { records: &records, resume, add_rows };
    store.scrub(&options, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn put_record(store: &Store, built: &BuiltModule, text: &str) {
    let of = of(&built.path, &built.version);
    let file = format!("lookup/{}@{}", of.module().escaped(), of.version().escaped());
    let answer = format!("7\n{text}\na tree head\n");
    store.put_checksum_files("sum.example.com", &[(&file, answer.as_bytes())]).unwrap();
}

#[test]
fn a_good_store_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for built in builds(10) {
        put_module(&store, &built);
        put_record(&store, &built, &built.sum_lines());
    }
    let before = files_below(store.modules_folder());
    let report = scrub(&store, false, false);
    assert_eq!(
        (report.objects, report.wrong, report.without_row, report.strays),
        (30, 0, 0, 0),
        "{report:?}"
    );
    assert_eq!((report.repaired, report.rows_removed), (0, 0), "{report:?}");
    assert!(report.finished);
    assert_eq!(files_below(store.modules_folder()), before);
}

#[test]
fn each_kind_of_wrong_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let modules = builds(8);
    for built in &modules {
        put_module(&store, built);
    }
    let path = |number: usize, kind: ObjectKind| {
        let built = &modules[number];
        store.modules_folder().join(key(&built.path, &built.version, kind).relative_path())
    };
    // Bytes that changed, a file that was cut, and one that was swapped for another version's.
    let mut bytes = fs_err::read(path(0, ObjectKind::Zip)).unwrap();
    bytes[40] ^= 1;
    fs_err::write(path(0, ObjectKind::Zip), bytes).unwrap();
    fs_err::write(path(1, ObjectKind::Mod), "").unwrap();
    fs_err::write(path(2, ObjectKind::Info), &modules[3].info).unwrap();
    // A record that says something else.
    let lines = modules[4].sum_lines().replace(&modules[4].mod_h1, &modules[5].mod_h1);
    put_record(&store, &modules[4], &lines);
    // Copied in, and wrong by its own rules.
    let copied = ModuleBuilder::new("example.com/copied", "v1.0.0").build();
    copied.write_to(store.modules_folder()).unwrap();
    let beside = store.modules_folder().join("example.com/copied/@v");
    fs_err::write(beside.join("v1.0.0.zip"), &modules[6].zip).unwrap();
    fs_err::write(beside.join("v1.0.0.mod"), "this is no go.mod {").unwrap();
    fs_err::write(beside.join("v1.0.0.info"), "<html>").unwrap();
    fs_err::write(beside.join("stray.txt"), "").unwrap();

    let report = scrub(&store, false, false);
    let mut wrong: Vec<_> = report.problems.iter().map(|problem| problem.object.as_str()).collect();
    wrong.sort_unstable();
    assert_eq!(
        wrong,
        [
            "example.com/!m0/sub/@v/v1.0.0.zip",
            "example.com/!m1/sub/@v/v1.1.0.mod",
            "example.com/!m2/sub/@v/v1.2.0.info",
            "example.com/!m4/sub/@v/v1.4.0.mod",
            "example.com/copied/@v/v1.0.0.info",
            "example.com/copied/@v/v1.0.0.mod",
            "example.com/copied/@v/v1.0.0.zip",
        ]
    );
    assert!(report.problems.iter().all(|problem| problem.quarantined));
    assert_eq!((report.objects, report.strays), (27, 1));
    let again = scrub(&store, false, false);
    assert_eq!((again.objects, again.wrong), (20, 0));
    assert_eq!(fs_err::read_to_string(beside.join("list")).unwrap(), "");
}

#[test]
fn a_go_mod_may_be_broken_below_its_module_line() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let copied = ModuleBuilder::new("example.com/copied", "v1.0.0").build();
    copied.write_to(store.modules_folder()).unwrap();
    let beside = store.modules_folder().join("example.com/copied/@v");
    fs_err::write(beside.join("v1.0.0.mod"), "module example.com/copied\n\nrequire (((\n").unwrap();
    assert_eq!(scrub(&store, false, false).wrong, 0, "the go command takes such files from repositories");
}

#[test]
fn a_stopped_scrub_carries_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for built in builds(10) {
        put_module(&store, &built);
    }
    let records = |_: &ModuleVersion| None;
    let mut seen = Vec::new();
    let mut resume = false;
    loop {
        let options = ScrubOptions { records: &records, resume, add_rows: false };
        let report = store
            .scrub(&options, &mut |report| {
                if report.finished {
                    return ControlFlow::Continue(());
                }
                seen.push(report.position.clone());
                if report.objects == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        if report.finished {
            break;
        }
        resume = true;
    }
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (30, 30), "each object once: {seen:?}");
    assert_eq!(scrub(&store, true, false).objects, 30, "a finished one begins anew");
}

#[test]
fn an_index_is_rebuilt_from_what_can_be_proven() {
    let folder = tempfile::tempdir().unwrap();
    let modules = builds(4);
    {
        let store = open(folder.path());
        for built in &modules {
            put_module(&store, built);
        }
        for built in &modules[..2] {
            put_record(&store, built, &built.sum_lines());
        }
    }
    fs_err::remove_file(folder.path().join("index.db")).unwrap();
    let store = open(folder.path());
    let records = |of: &ModuleVersion| store.recorded(of);
    let report = store.rebuild_index(&records, &mut |_| ControlFlow::Continue(())).unwrap();
    // Four .info, and .mod and .zip of the two versions that have a record.
    assert_eq!((report.rows_added, report.without_row, report.wrong), (8, 4, 0), "{report:?}");
    let zip = key(&modules[0].path, &modules[0].version, ObjectKind::Zip);
    let row = store.sound_object(&zip).unwrap().unwrap().row.unwrap();
    assert_eq!(row.verified, Verification::Verified);
    assert_eq!(row.h1.unwrap().to_string(), modules[0].h1);
}

#[test]
fn rows_of_vanished_objects_go_and_marks_are_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let modules = builds(2);
    for built in &modules {
        put_module(&store, built);
    }
    let gone = key(&modules[0].path, &modules[0].version, ObjectKind::Info);
    fs_err::remove_file(store.modules_folder().join(gone.relative_path())).unwrap();
    let zip = key(&modules[1].path, &modules[1].version, ObjectKind::Zip);
    let mark = store.modules_folder().join(zip.relative_path()).with_extension("ziphash");
    fs_err::write(&mark, "h1:nonsense").unwrap();
    let list = mark.with_file_name("list");
    fs_err::write(&list, "v9.9.9\n").unwrap();

    let report = scrub(&store, false, false);
    assert_eq!((report.rows_removed, report.repaired, report.wrong), (1, 2, 0), "{report:?}");
    assert_eq!(fs_err::read_to_string(&mark).unwrap(), modules[1].h1);
    assert_eq!(fs_err::read_to_string(&list).unwrap(), "v1.1.0\n");
}

#[test]
fn a_record_confirms_what_was_stored_unverified() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let built = &builds(1)[0];
    let key = key(&built.path, &built.version, ObjectKind::Zip);
    let mut unverified = publication(Verification::Unverified);
    unverified.h1 = Some(built.h1.parse().unwrap());
    put_as(&store, &key, &built.zip, &unverified).unwrap();
    put_record(&store, built, &built.sum_lines());
    scrub(&store, false, false);
    let object = store.object(&key).unwrap().unwrap();
    assert!(!object.marks.unverified);
    assert_eq!(object.row.unwrap().verified, Verification::Verified);
}

#[test]
fn only_the_records_own_lines_for_this_version_count() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let modules = builds(2);
    let [built, other] = &modules[..] else { unreachable!("two") };
    let of = of(&built.path, &built.version);
    assert_eq!(store.recorded(&of), None);
    put_record(&store, built, &other.sum_lines());
    assert_eq!(store.recorded(&of), Some(Recorded::default()));
    put_record(&store, built, &format!("{}\n{}", other.sum_lines(), built.sum_lines()));
    assert_eq!(store.recorded(&of), Some(Recorded::default()), "what follows the record is not part of it");
    put_record(&store, built, &built.sum_lines());
    let recorded = store.recorded(&of).unwrap();
    assert_eq!(recorded.zip.unwrap().to_string(), built.h1);
    assert_eq!(recorded.go_mod.unwrap().to_string(), built.mod_h1);
}
