use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::settings::{GoSetting, SettingFacts};
use crate::system::System;

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("temporary folder");
    for (name, text) in files {
        let path = root.path().join("home/project").join(name);
        fs_err::create_dir_all(path.parent().expect("it has one")).expect("folder");
        fs_err::write(path, text).expect("file");
    }
    root
}

fn system(root: &Path, folder: &str) -> System {
    System {
        environment: BTreeMap::new(),
        folder: PathBuf::from(folder),
        root: root.to_owned(),
        now: std::time::SystemTime::UNIX_EPOCH,
    }
}

fn settings(pairs: &[(&str, &str)]) -> SettingFacts {
    let go = pairs
        .iter()
        .map(|(name, value)| GoSetting {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            ..GoSetting::default()
        })
        .collect();
    SettingFacts { go, ..SettingFacts::default() }
}

const GO_MOD: &str = "module example.com/m\ngo 1.21\nrequire example.com/a v1.0.0\nrequire example.com/b v1.0.0 // indirect\nrequire example.com/c v1.0.0\nreplace example.com/c => ../c\n";

#[test]
fn the_nearest_go_mod_above_counts_and_missing_sums_are_named() {
    let root = project(&[
        ("go.mod", GO_MOD),
        ("go.sum", "example.com/a v1.0.0 h1:x=\nexample.com/a v1.0.0/go.mod h1:y=\n<<<<<<< HEAD\n"),
        ("cmd/tool/main.go", "package main\n"),
    ]);
    let facts = collect(&system(root.path(), "/home/project/cmd/tool"), &settings(&[]));
    assert_eq!(facts.go_mod.as_deref(), Some("/home/project/go.mod"));
    assert_eq!(facts.module.as_deref(), Some("example.com/m"));
    assert_eq!(facts.missing_sums, ["example.com/b@v1.0.0"]);
    assert_eq!(facts.go_sum_problems.len(), 1);
    assert!(facts.go_sum_problems[0].starts_with("go.sum:3: "), "{:?}", facts.go_sum_problems);
    assert_eq!(facts.replaces, [("example.com/c".to_owned(), "../c".to_owned(), false)]);
    assert_eq!(facts.sums.len(), 2);
    assert!(facts.go_sum_writable);
}

#[test]
fn modules_of_a_workspace_need_no_sums_and_share_those_they_have() {
    let root = project(&[
        ("go.work", "go 1.22\nuse (\n\t.\n\t./lib\n)\nreplace example.com/c => ./c\n"),
        (
            "go.mod",
            "module example.com/m\ngo 1.21\nrequire example.com/lib v0.0.0\nrequire example.com/a v1.0.0\nrequire example.com/c v1.0.0\n",
        ),
        ("lib/go.mod", "module example.com/lib\ngo 1.21\nrequire example.com/a v1.0.0\n"),
        ("lib/go.sum", "example.com/a v1.0.0 h1:x=\nexample.com/a v1.0.0/go.mod h1:y=\n"),
        ("c/go.mod", "module example.com/c\n"),
    ]);
    let facts = collect(&system(root.path(), "/home/project"), &settings(&[]));
    assert!(facts.missing_sums.is_empty(), "{:?}", facts.missing_sums);
    assert_eq!(facts.in_workspace, Some(true));
}

#[test]
fn another_file_stands_for_go_mod() {
    let root = project(&[
        ("go.mod", GO_MOD),
        ("tools.mod", "module example.com/m\ngo 1.21\nrequire example.com/t v1.0.0\n"),
        ("tools.sum", "example.com/t v1.0.0/go.mod h1:y=\n"),
    ]);
    let flags = settings(&[("GOFLAGS", "-modfile=tools.mod")]);
    let facts = collect(&system(root.path(), "/home/project"), &flags);
    assert_eq!(facts.go_mod.as_deref(), Some("/home/project/tools.mod"));
    assert!(facts.missing_sums.is_empty(), "{:?}", facts.missing_sums);
}

#[test]
fn a_workspace_above_that_does_not_use_the_module_is_seen() {
    let root = project(&[
        ("go.mod", GO_MOD),
        ("../go.work", "go 1.21\nuse ./other\nuse ./gone\n"),
        ("../other/go.mod", "module o.example.com\n"),
    ]);
    let facts = collect(&system(root.path(), "/home/project"), &settings(&[]));
    assert_eq!(facts.go_work.as_deref(), Some("/home/go.work"));
    assert_eq!(facts.in_workspace, Some(false));
    assert_eq!(facts.missing_uses, ["./gone"]);
    let off = collect(&system(root.path(), "/home/project"), &settings(&[("GOWORK", "off")]));
    assert_eq!((off.go_work, off.in_workspace), (None, None));
}

#[test]
fn a_go_mod_in_the_root_of_the_temporary_folder_is_ignored() {
    let root = tempfile::tempdir().expect("temporary folder");
    fs_err::create_dir_all(root.path().join("tmp/below")).expect("folder");
    fs_err::write(root.path().join("tmp/go.mod"), "module m.example.com\n").expect("file");
    let facts = collect(&system(root.path(), "/tmp/below"), &settings(&[]));
    assert_eq!(facts.go_mod, None);
    assert_eq!(facts.ignored_go_mod.as_deref(), Some("/tmp/go.mod"));
}

#[test]
fn conflict_markers_are_problems_with_their_line() {
    let root = project(&[("go.mod", "module example.com/m\n<<<<<<< HEAD\ngo 1.21\n")]);
    let facts = collect(&system(root.path(), "/home/project"), &settings(&[]));
    assert_eq!(facts.go_mod_problems.len(), 1, "{:?}", facts.go_mod_problems);
    assert!(facts.go_mod_problems[0].starts_with("go.mod:2: "), "{:?}", facts.go_mod_problems);
}
