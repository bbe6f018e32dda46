//! Names and repositories made to do harm: nothing runs that shouldn't, limits hold.

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use larder_testkit::git::Commit;
use larder_testkit::rng::Rng;
use larder_upstream::DirectFaultKind;
use support::{Lab, NAME};

/// Writes a git that notes its arguments, one run a line, and then is the real one; for `ls-remote`, more may happen after it.
fn noting_git(folder: &Path, after_listing: &str) -> PathBuf {
    let real = larder_testkit::settings::search_path()
        .into_iter()
        .map(|folder| folder.join("git"))
        .find(|path| path.exists())
        .expect("git is on the machine");
    let path = folder.join("noting-git");
    let script = format!(
        "#!/bin/sh\nfor word; do printf '%s\\001' \"$word\"; done >> {0}/arguments\nprintf '\\002' >> {0}/arguments\n\
         case \" $* \" in *' ls-remote '*) {1} \"$@\"; {2} ;; *) exec {1} \"$@\" ;; esac\n",
        folder.display(),
        real.display(),
        if after_listing.is_empty() { "exit $?" } else { after_listing }
    );
    fs_err::write(&path, script).expect("a temporary folder");
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a temporary folder");
    path
}

/// Returns the arguments of each run.
fn arguments(folder: &Path) -> Vec<Vec<String>> {
    let noted = fs_err::read(folder.join("arguments")).unwrap_or_default();
    let noted = String::from_utf8_lossy(&noted).into_owned();
    let runs = noted.split('\u{2}').filter(|run| !run.is_empty());
    runs.map(|run| run.split('\u{1}').map(str::to_owned).collect()).collect()
}

/// What has done harm elsewhere, in pieces.
const PIECES: &[&str] = &[
    "-",
    "--",
    "--upload-pack=touch canary;",
    "-oProxyCommand=touch canary",
    "--output=canary",
    "--exec=touch canary",
    "ext::sh -c touch% canary",
    "$(touch canary)",
    "`touch canary`",
    ";touch canary;",
    "|touch canary",
    "&touch canary",
    "\n",
    "\0",
    "\u{1b}[31m",
    "..",
    "../",
    "/",
    "./",
    "@{",
    "@{u}",
    "^",
    "^{/x}",
    "~1",
    ":",
    ":/x",
    ":(glob)*",
    ":!x",
    "*",
    "?",
    "[",
    "\\",
    " ",
    "HEAD",
    "refs/heads/",
    "refs/tags/",
    "refs/pull/1/head",
    "v1.0.0",
    "\u{202e}",
    "\u{e4}",
    "%00",
    "%2d",
    "+",
    ".lock",
    ".git",
    "config",
    "{0}",
    "!",
    "'",
    "\"",
    "<",
    ">",
    "main",
];

#[tokio::test]
async fn hostile_names_are_only_names() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let program = noting_git(place.path(), "");
    let lab = Lab::start_with(|settings| settings.program = program);
    let mut source = lab.forge.repository(NAME);
    let first = source.files(&[("go.mod", "module m\n"), ("sub/a.go", "package a\n")]);
    source.tag("v1.0.0", first);
    let hash = source.hash(first);
    source.git(&["update-ref", "refs/pull/1/head", &hash]);
    let repository = lab.repository();
    let mut rng = Rng::new(larder_testkit::settings::seed(11));
    let count = if larder_testkit::settings::long() { 500 } else { 100 };
    for number in 0..count {
        let name: String = (0..1 + rng.below(3)).map(|_| *rng.pick(PIECES)).collect();
        if matches!(name.as_str(), "v1.0.0" | "main" | "HEAD") {
            continue;
        }
        match number % 5 {
            0 | 1 => {
                let error = repository.stat(&name).await.expect_err(&name);
                assert_eq!(error.kind, DirectFaultKind::Absent, "{name:?}: {error:?}");
                assert!(!error.text.contains(['\u{1b}', '\n', '\u{202e}']), "{error:?}");
            }
            2 => {
                let found = repository.read_file(&hash, &name, 1000).await.expect("no failure");
                assert_eq!(found, None, "{name:?}");
            }
            3 => {
                repository.archive(&hash, &name, 1 << 20).await.expect_err(&name);
            }
            _ => {
                assert!(!repository.descends_from(&hash, &name).await.expect("an answer"), "{name:?}");
                repository.recent_tag(&name, &name, &|_| true).await.expect_err(&name);
                assert!(repository.tags(&format!("{name}x")).await.expect("tags").names().next().is_none());
            }
        }
    }
    for arguments in arguments(place.path()) {
        let separator =
            arguments.iter().position(|word| word == "--end-of-options").unwrap_or(arguments.len());
        for word in &arguments[..separator] {
            assert!(!word.contains("canary"), "{arguments:?}");
        }
    }
    for folder in
        [place.path().to_owned(), lab.folder.path().to_owned(), lab.mirror_folders().remove(0), ".".into()]
    {
        assert!(!folder.join("canary").exists(), "{}", folder.display());
    }
}

#[tokio::test]
async fn hostile_references_are_not_fetched() {
    let hash = "1".repeat(40);
    let names = [
        "-x",
        "v1.0.0:refs/heads/evil",
        "--upload-pack=touch canary",
        "../../../config",
        "v1.0.0 x",
        "v1.0.0\u{7f}",
        "a*",
        "+x",
        "v2.0.0^{commit}",
    ];
    let lines: String = names.iter().map(|name| format!("printf '{hash}\\trefs/tags/{name}\\n';")).collect();
    let place = tempfile::tempdir().expect("a temporary folder");
    let program = noting_git(place.path(), &format!("{lines} exit 0"));
    let lab = Lab::start_with(|settings| settings.program = program);
    let mut source = lab.forge.repository(NAME);
    let first = source.files(&[("go.mod", "module m\n")]);
    source.tag("v0.1.0", first);
    source.save();
    let repository = lab.repository();
    for name in names {
        repository.stat(name).await.expect_err(name);
    }
    repository.stat("v0.1.0").await.expect("the good one");
    for arguments in arguments(place.path()) {
        assert!(
            !arguments.iter().any(|word| word.contains("evil") || word.contains("canary")),
            "{arguments:?}"
        );
    }
    let mirror = lab.mirror_folders().remove(0);
    assert!(!mirror.join("refs/heads").exists() && !lab.folder.path().join("canary").exists());
}

#[tokio::test]
async fn nothing_that_a_repository_brings_along_is_run() {
    let lab = Lab::start();
    let mut source = lab.forge.repository(NAME);
    let commit = Commit::on("main")
        .file(".gitattributes", "* filter=evil diff=evil merge=evil text=auto\n*.txt ident working-tree-encoding=UTF-16\n")
        .file(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c touch% canary\n\tupdate = !touch canary\n")
        .file(".lfsconfig", "[lfs]\n\turl = https://169.254.169.254/\n")
        .file("hooks/post-checkout", "#!/bin/sh\ntouch canary\n")
        .file("config", "[core]\n\tfsmonitor = touch canary\n\tsshCommand = touch canary\n[filter \"evil\"]\n\tsmudge = touch canary\n")
        .file("HEAD", "ref: refs/heads/main\n")
        .file("a.txt", "a\n")
        .file("go.mod", "module m\n")
        .submodule("x", &"2".repeat(40))
        .symlink("link", "/etc/passwd");
    let mark = source.commit(commit);
    source.tag("v1.0.0", mark);
    source.save();
    // A team's own git has such a filter; Larder's archives don't know of it.
    fs_err::write(
        lab.folder.path().join("gitconfig"),
        "[filter \"evil\"]\n\tsmudge = touch canary\n\trequired = true\n",
    )
    .expect("a temporary folder");
    let repository = lab.repository();
    repository.archive("v1.0.0", "", 1 << 20).await.expect("an archive");
    repository.recent_tag("main", "", &|_| true).await.expect("an answer");
    for folder in [lab.folder.path().to_owned(), lab.mirror_folders().remove(0), ".".into()] {
        assert!(!folder.join("canary").exists(), "{}", folder.display());
    }
}

#[tokio::test]
async fn a_very_large_number_of_references_is_listed() {
    let count: usize = if larder_testkit::settings::long() { 1_000_000 } else { 50_000 };
    let lab = Lab::start();
    let mut source = lab.forge.repository(NAME);
    let first = source.files(&[("go.mod", "module m\n")]);
    let second = source.files(&[("a.go", "package a\n")]);
    let (first, second) = (source.hash(first), source.hash(second));
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for number in 0..count {
        packed.push_str(&format!(
            "{first} refs/tags/v1.{}.{:04}\n",
            number / 10_000 + 100,
            number % 10_000 + 1000
        ));
    }
    packed.push_str(&format!("{second} refs/tags/v2.0.0\n"));
    fs_err::write(source.folder().join("packed-refs"), packed).expect("a temporary folder");
    let repository = lab.repository();
    let began = Instant::now();
    assert_eq!(repository.tags("").await.expect("tags").names().count(), count + 1);
    let listed = began.elapsed();
    assert_eq!(repository.stat("v2.0.0").await.expect("a version").hash, second);
    let tag = repository.recent_tag("main", "", &|tag| tag.starts_with("v1.")).await.expect("a tag");
    assert!(tag.expect("there is one").starts_with("v1."));
    let disk = on_disk(&lab);
    larder_testkit::settings::say(&format!(
        "{count} references: listed in {listed:?}, all in {:?}, {disk} bytes on disk",
        began.elapsed()
    ));
    assert!(disk < 1 << 20, "{disk}");
}

fn on_disk(lab: &Lab) -> u64 {
    let mut total = 0;
    let mut folders = lab.mirror_folders();
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).expect("own folder").flatten() {
            let metadata = entry.metadata().expect("own file");
            total += metadata.len();
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    total
}

#[tokio::test]
async fn a_bomb_of_a_file_is_bounded() {
    let size: usize = if larder_testkit::settings::long() { 1 << 30 } else { 64 << 20 };
    let limit = size as u64 / 2;
    let lab = Lab::start_with(|settings| {
        settings.network_deadline = std::time::Duration::from_secs(600);
        settings.local_deadline = std::time::Duration::from_secs(600);
    });
    let mut source = lab.forge.repository(NAME);
    let bomb = source.commit(Commit::on("main").file("go.mod", "module m\n").file("bomb", vec![0; size]));
    source.tag("v1.0.0", bomb);
    source.save();
    let repository = lab.repository();
    let error = repository.archive("v1.0.0", "", limit).await.expect_err("too large");
    assert_eq!(error.kind, DirectFaultKind::Invalid, "{error:?}");
    let error = repository.read_file("v1.0.0", "bomb", 1 << 20).await.expect_err("too large");
    assert_eq!(error.kind, DirectFaultKind::Invalid, "{error:?}");
    let file = repository.read_file("v1.0.0", "go.mod", 1 << 20).await.expect("a file");
    assert_eq!(file.as_deref(), Some(&b"module m\n"[..]));
    assert!(on_disk(&lab) < 4 << 20);
    let left = fs_err::read_dir(lab.folder.path().join("staging")).expect("a folder").count();
    assert_eq!(left, 0);
}
