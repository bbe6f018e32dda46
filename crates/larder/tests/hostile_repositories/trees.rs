//! Entries of trees that a checkout would refuse, or should.

use larder_testkit::git_stage::CANARY;
use larder_testkit::{GitRepository, GitServer};

use crate::{Case, Expected, ONLY_GO_MOD, case, go_mod, repository};

pub(crate) fn object(repository: &GitRepository, kind: &str, content: &[u8]) -> String {
    repository.git_with_input(&["hash-object", "-w", "--literally", "-t", kind, "--stdin"], content)
}

pub(crate) fn blob(repository: &GitRepository, content: &[u8]) -> String {
    object(repository, "blob", content)
}

/// Writes a tree as it stands, in whatever order and with whatever names.
pub(crate) fn tree(entries: &[(&str, &[u8], &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (mode, name, hash) in entries {
        bytes.extend_from_slice(mode.as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(name);
        bytes.push(0);
        let digit = |at: usize| u8::from_str_radix(&hash[at..at + 2], 16).expect("a hash");
        bytes.extend((0..hash.len()).step_by(2).map(digit));
    }
    bytes
}

/// Commits a root tree, and tags it.
pub(crate) fn commit(repository: &GitRepository, root: &[u8]) {
    let root = object(repository, "tree", root);
    let text = format!(
        "tree {root}\nauthor A <a@example.com> 1700000000 +0000\ncommitter A <a@example.com> 1700000000 +0000\n\nx\n"
    );
    let hash = object(repository, "commit", text.as_bytes());
    repository.git(&["update-ref", "refs/heads/main", &hash]);
    repository.git(&["update-ref", "refs/tags/v1.0.0", &hash]);
}

/// A go.mod and one more entry with a file.
fn with_entry(forge: &GitServer, name: &str, mode: &str, entry: &[u8]) {
    let repository = repository(forge, name);
    let file = blob(&repository, go_mod(name).as_bytes());
    let evil =
        blob(&repository, format!("[core]\n\tfsmonitor = touch {CANARY}\n\thooksPath = .\n").as_bytes());
    commit(&repository, &tree(&[(mode, entry, &evil), ("100644", b"go.mod", &file)]));
}

/// A go.mod and one more entry with a folder of a config and a hook.
fn with_folder(forge: &GitServer, name: &str, entry: &[u8]) {
    let repository = repository(forge, name);
    let file = blob(&repository, go_mod(name).as_bytes());
    let evil = blob(&repository, format!("#!/bin/sh\ntouch {CANARY}\n").as_bytes());
    let hooks = object(&repository, "tree", &tree(&[("100755", b"post-checkout", &evil)]));
    let config = blob(&repository, format!("[core]\n\tfsmonitor = touch {CANARY}\n").as_bytes());
    let inner =
        object(&repository, "tree", &tree(&[("100644", b"config", &config), ("40000", b"hooks", &hooks)]));
    commit(&repository, &tree(&[("40000", entry, &inner), ("100644", b"go.mod", &file)]));
}

pub(crate) fn cases(forge: &GitServer) -> Vec<Case> {
    let mut cases = Vec::new();
    let long = [b'n'; 5000];
    let refused = || Expected::Refused(&[404]);
    let entries: &[(&str, &str, &[u8], Expected)] = &[
        // Git itself packs no such name, for the go command neither.
        ("entry-git", "100644", b".git", refused()),
        ("entry-dots", "100644", b"..", refused()),
        ("entry-dot", "100644", b".", refused()),
        ("entry-slash", "100644", b"a/b", Expected::Files(&["a/b", "go.mod"])),
        ("entry-absolute", "100644", b"/etc/pwned-7f3a91", refused()),
        ("entry-upwards", "100644", b"../../pwned-7f3a91", refused()),
        // The forge's git can't pack these two: to who asks, its repository is broken.
        ("entry-empty", "100644", b"", Expected::Refused(&[502])),
        ("entry-newline", "100644", b"a\nb", refused()),
        ("entry-control", "100644", b"a\x01\x1b[31m", refused()),
        ("entry-backslash", "100644", b"a\\b", refused()),
        ("entry-drive", "100644", b"..\\..\\pwned-7f3a91", refused()),
        ("entry-device", "100644", b"CON", refused()),
        ("entry-tilde", "100644", b"git~1", refused()),
        ("entry-no-utf8", "100644", b"\xff\xfe", refused()),
        ("entry-joiner", "100644", ".g\u{200c}it".as_bytes(), refused()),
        ("entry-stream", "100644", b"go.mod::$DATA", refused()),
        ("entry-option", "100644", b"--upload-pack=x", Expected::Files(&["--upload-pack=x", "go.mod"])),
        ("entry-long", "100644", &long, Expected::Zip(2)),
        ("entry-twice", "100644", b"go.mod", refused()),
        ("mode-setuid", "104755", b"a", Expected::Files(&["a", "go.mod"])),
        ("mode-zero", "0", b"a", ONLY_GO_MOD),
        ("mode-folder", "40000", b"a", Expected::Refused(&[502])),
        ("mode-link", "120000", b"a", ONLY_GO_MOD),
        ("mode-submodule", "160000", b"a", ONLY_GO_MOD),
    ];
    for (name, mode, entry, _) in entries {
        with_entry(forge, name, mode, entry);
    }
    for (name, entry) in [
        ("folder-git", ".git"),
        ("folder-git-case", ".GiT"),
        ("folder-dots", ".."),
        ("folder-hooks", "hooks"),
    ] {
        with_folder(forge, name, entry.as_bytes());
    }
    cases.extend([
        case("folder-git", refused()),
        case("folder-git-case", refused()),
        case("folder-dots", refused()),
        case("folder-hooks", Expected::Files(&["go.mod", "hooks/config", "hooks/hooks/post-checkout"])),
    ]);
    for (name, _, _, expected) in entries {
        let expected = match expected {
            Expected::Files(files) => Expected::Files(files),
            Expected::Zip(count) => Expected::Zip(*count),
            Expected::Text(text) => Expected::Text(text),
            Expected::Refused(statuses) => Expected::Refused(statuses),
        };
        cases.push(case(name, expected));
    }
    // No rule forbids these; that few file systems hold the first is the client's matter.
    deep(forge, "deep", 3000);
    cases.push(case("deep", Expected::Zip(2)));
    wide(forge, "wide", 20_000);
    cases.push(case("wide", Expected::Zip(20_001)));
    cases
}

/// A commit that no time and no memory is enough for.
pub(crate) fn bombs(forge: &GitServer) -> Vec<Case> {
    bomb(forge, "tree-bomb");
    vec![case("tree-bomb", Expected::Refused(&[404, 502, 504]))]
}

/// Folder in folder.
fn deep(forge: &GitServer, name: &str, levels: usize) {
    let repository = repository(forge, name);
    let file = blob(&repository, go_mod(name).as_bytes());
    // All levels in one stream, because each process takes its time.
    let path = "d/".repeat(levels) + "a.go";
    let text = format!(
        "blob\nmark :1\ndata 0\n\ncommit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 0\n\
         M 100644 {file} go.mod\nM 100644 :1 {path}\n"
    );
    repository.git_with_input(&["fast-import", "--quiet"], text.as_bytes());
    repository.git(&["update-ref", "refs/tags/v1.0.0", "refs/heads/main"]);
}

/// One folder with more files than a zip of git's can name in the old way.
fn wide(forge: &GitServer, name: &str, count: usize) {
    let repository = repository(forge, name);
    let file = blob(&repository, go_mod(name).as_bytes());
    let names: Vec<String> =
        (0..count).map(|number| format!("f{number:06}")).chain(["go.mod".to_owned()]).collect();
    let entries: Vec<_> = names.iter().map(|name| ("100644", name.as_bytes(), file.as_str())).collect();
    commit(&repository, &tree(&entries));
}

/// Ten folders that are the same one, eight levels deep: a hundred million files in nine small objects.
fn bomb(forge: &GitServer, name: &str) {
    let repository = repository(forge, name);
    let file = blob(&repository, go_mod(name).as_bytes());
    let names: Vec<String> = (0..10).map(|number| format!("d{number}")).collect();
    let mut below = object(&repository, "tree", &tree(&[("100644", b"f", &file)]));
    for _ in 0..8 {
        let entries: Vec<_> = names.iter().map(|name| ("40000", name.as_bytes(), below.as_str())).collect();
        below = object(&repository, "tree", &tree(&entries));
    }
    commit(&repository, &tree(&[("40000", b"d", &below), ("100644", b"go.mod", &file)]));
}
