//! What belongs into the zip of a folder, where folders on disk and listings differ. Checked against x/mod's `CheckDir` and `CreateFromDir`.

use fs_err as fs;
use larder_testkit::rules::answer;
use serde_json::Value;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A folder to make a zip of, and one around it.
struct Folder {
    around: tempfile::TempDir,
    root: PathBuf,
}

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let around = tempfile::tempdir().expect("temporary folder");
        let root = around.path().join("m");
        fs::create_dir(&root).expect("folder");
        for (name, content) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            fs::write(path, content).expect("file");
        }
        Self { around, root }
    }

    fn link(self, name: &str, target: &str) -> Self {
        symlink(target, self.root.join(name)).expect("link");
        self
    }

    /// Returns the names of the files that belong into the zip, or the refusal.
    fn valid(&self) -> Result<String, String> {
        let answer = answer("zip_check_dir", &[self.root.display().to_string()]);
        let prefix = format!("{}/", self.root.display());
        answer.verdict.map(|lists| {
            let names = lists["valid"].as_array().expect("list").iter();
            let names: Vec<&str> = names
                .map(|name| name.as_str().and_then(|name| name.strip_prefix(&prefix)).expect("name"))
                .collect();
            names.join(" ")
        })
    }

    fn create(&self, root: &Path) -> Result<Value, String> {
        let output = self.around.path().join("zip").display().to_string();
        answer("zip_create", &[root.display().to_string(), "example.com/m".into(), "v1.0.0".into(), output])
            .verdict
    }
}

#[test]
fn what_belongs_into_a_zip() {
    let vendored = [("a.go", ""), ("p/vendor/x.go", ""), ("vendor/modules.txt", ""), ("vendor/v/v.go", "")];
    let with_go_mod =
        |line: &'static str| Folder::with(&[&vendored[..], &[("go.mod", line)]].concat()).valid();
    assert_eq!(with_go_mod("go 1.23\n").as_deref(), Ok("a.go go.mod vendor/modules.txt"));
    assert_eq!(with_go_mod("go 1.24rc1\n").as_deref(), Ok("a.go go.mod p/vendor/x.go"));
    // The walk sees the go line through the link, the rule for listings doesn't.
    let linked =
        Folder::with(&[&vendored[..], &[("other.mod", "go 1.24\n")]].concat()).link("go.mod", "other.mod");
    assert_eq!(linked.valid().as_deref(), Ok("a.go other.mod"));
    for (files, expected) in [
        (
            &[(".git", "gitdir: x"), (".hg_archival.txt", ""), ("x/.svn/y", ""), ("x/.svnx", "")][..],
            ".git x/.svnx",
        ),
        (&[("GO.MOD", "")], "GO.MOD"),
        (&[("x/GO.MOD", ""), ("x/a", ""), ("y", "")], "y"),
        (&[("x/go.mod/a", ""), ("x/b", "")], "x/b x/go.mod/a"),
    ] {
        let valid = Folder::with(files).valid();
        match expected {
            "GO.MOD" => assert!(valid.is_err()),
            _ => assert_eq!(valid.as_deref(), Ok(expected)),
        }
    }
    let nested = Folder::with(&[("x/a", ""), ("y/a", "")]).link("x/go.mod", "nowhere").link("y/b", "a");
    assert_eq!(nested.valid().as_deref(), Ok("y/a"));
}

#[test]
fn zips_are_made_of_folders() {
    let folder = Folder::with(&[("go.mod", "module example.com/m\n"), ("a.go", "package m\n")]);
    let h1 = folder.create(&folder.root).expect("zip");
    // As the reference has it.
    assert_eq!(h1, "h1:SXy42eQ/QbleX7vtuAPFnaM3tNuQnfeo7rulG/p7iOw=");
    let link = folder.around.path().join("link");
    symlink(&folder.root, &link).expect("link");
    assert_eq!(folder.create(&link).expect("empty zip"), "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(folder.create(&link.join("")).expect("zip"), h1);
    assert!(folder.create(&folder.root.join("absent")).is_err());
    assert!(folder.create(&folder.root.join("a.go")).is_err());
    fs::write(folder.root.join("A.go"), "").expect("file");
    assert!(folder.create(&folder.root).is_err());
    assert!(!folder.around.path().join("zip").exists(), "nobody should find half a zip");
}
