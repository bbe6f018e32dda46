use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use larder_testkit::module::{BuiltModule, ModuleBuilder};

use super::*;
use crate::settings::{GoSetting, SettingFacts};
use crate::system::System;

struct Home {
    root: tempfile::TempDir,
    module: BuiltModule,
}

impl Home {
    fn new() -> Self {
        let module = ModuleBuilder::new("example.com/Upper", "v1.0.0").file("a.go", "package a\n").build();
        let home = Self { root: tempfile::tempdir().expect("temporary folder"), module };
        home.write("cache/download/example.com/!upper/@v/v1.0.0.mod", &home.module.go_mod);
        home.write("cache/download/example.com/!upper/@v/v1.0.0.zip", &home.module.zip);
        home.write("cache/download/example.com/!upper/@v/v1.0.0.ziphash", home.module.h1.as_bytes());
        home.write("example.com/!upper@v1.0.0/a.go", b"package a\n");
        home.write("example.com/!upper@v1.0.0/go.mod", &home.module.go_mod);
        home
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.root.path().join("home/go/pkg/mod").join(name);
        fs_err::create_dir_all(path.parent().expect("it has one")).expect("folder");
        fs_err::write(path, content).expect("file");
    }

    fn collect(&self, budget: u64) -> CacheFacts {
        let wanted = [
            ("example.com/Upper".to_owned(), "v1.0.0".to_owned()),
            ("example.com/absent".to_owned(), "v1.0.0".to_owned()),
        ];
        collect(&system(self.root.path(), &[("HOME", "/home")]), &SettingFacts::default(), &wanted, budget)
    }
}

fn system(root: &Path, environment: &[(&str, &str)]) -> System {
    System {
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        folder: PathBuf::from("/home"),
        root: root.to_owned(),
        now: std::time::SystemTime::UNIX_EPOCH,
    }
}

#[test]
fn a_sound_entry_has_no_problems() {
    let home = Home::new();
    let facts = home.collect(1 << 20);
    assert_eq!(facts.folder.as_deref(), Some("/home/go/pkg/mod"));
    assert_eq!(facts.entries.len(), 1);
    let entry = &facts.entries[0];
    assert_eq!(entry.zip_h1.as_deref(), Some(home.module.h1.as_str()));
    assert_eq!(entry.ziphash, entry.zip_h1);
    assert_eq!((&entry.mod_problem, &entry.zip_problem, &entry.folder_problem), (&None, &None, &None));
    assert_eq!(facts.unwritable, None);
    assert_eq!(facts.disks.len(), 3);
}

#[test]
fn each_damaged_part_is_named() {
    let home = Home::new();
    home.write("example.com/!upper@v1.0.0/a.go", b"package b\n");
    let edited = home.collect(1 << 20);
    assert!(
        edited.entries[0]
            .folder_problem
            .as_deref()
            .is_some_and(|text| text.starts_with("the folder hashes to"))
    );
    home.write("cache/download/example.com/!upper/@v/v1.0.0.mod", b"<html>\n");
    home.write("cache/download/example.com/!upper/@v/v1.0.0.ziphash", b"h1:AAAA");
    let facts = home.collect(1 << 20);
    assert_eq!(facts.entries[0].mod_problem.as_deref(), Some("<html>"));
    assert!(
        facts.entries[0].zip_problem.as_deref().is_some_and(|text| text.contains(".ziphash says h1:AAAA"))
    );
    home.write("cache/download/example.com/!upper/@v/v1.0.0.zip", b"<html>not a zip</html>");
    let facts = home.collect(1 << 20);
    assert!(facts.entries[0].zip_problem.is_some());
    assert_eq!(facts.entries[0].zip_h1, None);
}

#[test]
fn beyond_the_budget_zips_are_opened_and_not_hashed() {
    let facts = Home::new().collect(10);
    assert_eq!((&facts.entries[0].zip_h1, &facts.entries[0].zip_problem), (&None, &None));
}

#[test]
fn a_place_that_can_be_none_is_named() {
    let root = tempfile::tempdir().expect("temporary folder");
    let named = |name: &str, value: &str| SettingFacts {
        go: vec![GoSetting { name: name.to_owned(), value: value.to_owned(), ..GoSetting::default() }],
        ..SettingFacts::default()
    };
    let problems = |settings: &SettingFacts, environment: &[(&str, &str)]| {
        collect(&system(root.path(), environment), settings, &[], 0).place_problems
    };
    assert_eq!(problems(&named("GOMODCACHE", "rel"), &[]), ["GOMODCACHE=rel is relative"]);
    assert_eq!(problems(&named("GOPATH", "~/go"), &[]), ["GOPATH=~/go starts with ~"]);
    assert_eq!(problems(&named("GOPATH", "go"), &[]), ["GOPATH=go is relative"]);
    assert_eq!(problems(&SettingFacts::default(), &[]), ["neither GOMODCACHE nor GOPATH nor HOME is set"]);
    fs_err::write(root.path().join("file"), "x").expect("file");
    assert_eq!(problems(&named("GOMODCACHE", "/file"), &[]), ["GOMODCACHE=/file is a file"]);
}
