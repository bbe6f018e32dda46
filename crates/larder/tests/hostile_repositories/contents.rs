//! Files that want git, or whoever reads them, to do something: attributes, submodules, links, sizes.

use larder_testkit::git_stage::CANARY;
use larder_testkit::{Commit, GitServer};

use crate::{Case, Expected, ONLY_GO_MOD, case, go_mod, repository};

const NOWHERE: &str = "1234567812345678123456781234567812345678";

pub(crate) fn cases(forge: &GitServer) -> Vec<Case> {
    let mut cases = attributes(forge);
    cases.extend(links(forge));
    cases.extend(large(forge));
    for (number, url) in [
        format!("--upload-pack=touch {CANARY}"),
        format!("ext::touch {CANARY}"),
        "../../../../etc".to_owned(),
        "file:///etc".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let name = format!("submodule-{number}");
        let modules = format!("[submodule \"x\"]\n\tpath = x\n\turl = {url}\n\tupdate = !touch {CANARY}\n");
        one(forge, &name, |commit| commit.file(".gitmodules", &modules).submodule("x", NOWHERE));
        cases.push(Case { name, ask: "v1.0.0.zip", expected: Expected::Files(&[".gitmodules", "go.mod"]) });
    }
    cases.push(served_hooks(forge));
    cases
}

/// Makes a repository with one commit, tagged.
fn one(forge: &GitServer, name: &str, files: impl Fn(Commit) -> Commit) {
    let mut repository = repository(forge, name);
    let mark = repository.commit(files(Commit::on("main").file("go.mod", go_mod(name))));
    repository.tag("v1.0.0", mark);
    repository.save();
}

fn attributes(forge: &GitServer) -> Vec<Case> {
    const FILES: Expected = Expected::Files(&[".gitattributes", "a.go", "go.mod"]);
    let many: String =
        (0..2000).map(|number| format!("[attr]m{number} m{} m{}\n", number + 1, number + 2)).collect();
    let config = format!(
        "[filter \"evil\"]\n\tsmudge = touch {CANARY}\n\tclean = touch {CANARY}\n\tprocess = touch {CANARY}\n\
         [merge \"evil\"]\n\tdriver = touch {CANARY}\n[diff \"evil\"]\n\ttextconv = touch {CANARY}\n"
    );
    let mut cases = Vec::new();
    for (name, text) in [
        ("attributes-filter", "* filter=evil filter=lfs\n".to_owned()),
        ("attributes-drivers", "* merge=evil diff=evil textconv=evil\n".to_owned()),
        ("attributes-export", "* export-subst export-ignore\n".to_owned()),
        ("attributes-long-line", format!("*.go {}\n", "a".repeat(1 << 20))),
        ("attributes-long-pattern", format!("{} text\n", "*a".repeat(50_000))),
        ("attributes-macros", format!("{many}* m0\n")),
        ("attributes-control", "a\x01\x1b[31m \x02=\x03\n\x00 x\n".to_owned()),
        ("attributes-quotes", "\"\\777\\\" text eol=\n* eol=--upload-pack\n".to_owned()),
    ] {
        one(forge, name, |commit| {
            commit.file(".gitattributes", &text).file("a.go", "package a // $Format:%H$\n")
        });
        cases.push(case(name, FILES));
    }
    let files = |commit: Commit| {
        commit
            .file(".gitattributes", "*.go working-tree-encoding=--upload-pack\n")
            .file("a.go", "package a\n")
    };
    one(forge, "attributes-encoding", files);
    cases.push(case("attributes-encoding", FILES));
    one(forge, "config-in-the-tree", |commit| {
        commit.file(".gitconfig", &config).file("config", &config).file(".gitattributes", "* filter=evil\n")
    });
    cases.push(case(
        "config-in-the-tree",
        Expected::Files(&[".gitattributes", ".gitconfig", "config", "go.mod"]),
    ));
    one(forge, "attributes-link", |commit| commit.symlink(".gitattributes", "/etc/passwd"));
    cases.push(case("attributes-link", ONLY_GO_MOD));
    cases
}

/// Attributes that git passes over because there are more than 100 MiB of them.
pub(crate) fn huge_cases(forge: &GitServer) -> Vec<Case> {
    one(forge, "attributes-large", |commit| commit.file(".gitattributes", vec![b'\n'; 101 << 20]));
    vec![case("attributes-large", Expected::Files(&[".gitattributes", "go.mod"]))]
}

fn links(forge: &GitServer) -> Vec<Case> {
    one(forge, "link-outside", |commit| {
        commit
            .symlink("a", "/etc/passwd")
            .symlink("b", "../../../../../../etc")
            .symlink("c", ".git/config")
            .symlink("d", "d")
    });
    one(forge, "link-license", |commit| commit.symlink("LICENSE", "/etc/passwd"));
    let mut repository = repository(forge, "link-go-mod");
    let mark =
        repository.commit(Commit::on("main").symlink("go.mod", "/etc/passwd").file("a.go", "package a\n"));
    repository.tag("v1.0.0", mark);
    repository.save();
    vec![
        case("link-outside", ONLY_GO_MOD),
        case("link-license", ONLY_GO_MOD),
        Case { ask: "v1.0.0.mod", ..case("link-go-mod", Expected::Refused(&[200, 404])) },
    ]
}

fn large(forge: &GitServer) -> Vec<Case> {
    let mut cases = Vec::new();
    let comment = |size: usize| "// comment\n".repeat(size / 11 + 1);
    for (name, ask, size, expected) in [
        // The go command reads a go.mod of any size from git, and refuses the zip; no store keeps one of that size.
        ("go-mod-large", "v1.0.0.mod", 17, Expected::Refused(&[404])),
        ("go-mod-large-zip", "v1.0.0.zip", 17, Expected::Refused(&[404])),
        ("go-mod-huge", "v1.0.0.mod", 33, Expected::Refused(&[404])),
    ] {
        let text = go_mod(name) + &comment(size << 20);
        one(forge, name, |commit| commit.file("go.mod", &text));
        cases.push(Case { ask, ..case(name, expected) });
    }
    // As large as one may be, and of the lines that say most in the least room.
    let legal = go_mod("go-mod-legal") + "require (\n" + &"a v0.0.0\n".repeat((16 << 20) / 9 - 10) + ")\n";
    one(forge, "go-mod-legal", |commit| commit.file("go.mod", &legal));
    for ask in ["v1.0.0.mod", "v1.0.0.zip"] {
        let expected = if ask.ends_with("mod") { Expected::Text("require (") } else { ONLY_GO_MOD };
        cases.push(Case { ask, ..case("go-mod-legal", expected) });
    }
    one(forge, "license-large", |commit| commit.file("LICENSE", comment(17 << 20)));
    cases.push(case("license-large", Expected::Refused(&[404])));
    for (name, text) in [
        ("go-mod-binary", vec![0xff; 100_000]),
        ("go-mod-empty", Vec::new()),
        ("go-mod-one-line", b"a".repeat(1 << 20)),
        ("go-mod-brackets", b"(".repeat(1 << 20)),
        ("go-mod-other-path", b"module github.com/other/thing/v7\n".to_vec()),
    ] {
        one(forge, name, |commit| commit.file("go.mod", &text));
        cases.push(Case { ask: "v1.0.0.mod", ..case(name, Expected::Refused(&[404])) });
    }
    cases
}

/// What lies in the served repository beside its objects is nobody's business.
fn served_hooks(forge: &GitServer) -> Case {
    one(forge, "served-hooks", |commit| commit);
    let folder = forge.root().join(format!("{}.git", crate::module("served-hooks")));
    fs_err::create_dir_all(folder.join("hooks")).expect("a temporary folder");
    for name in ["post-checkout", "post-merge", "reference-transaction", "fsmonitor-watchman"] {
        larder_testkit::watch::script(&folder.join("hooks").join(name), &format!("touch /tmp/{CANARY}"));
    }
    fs_err::create_dir_all(folder.join("objects/info")).expect("a temporary folder");
    fs_err::write(folder.join("objects/info/alternates"), "/nonexistent/objects\n../../../../..\n")
        .expect("a temporary folder");
    case("served-hooks", ONLY_GO_MOD)
}
