//! Commits, tags, references and packs that are broken, strange or large.

use std::fmt::Write as _;

use larder_testkit::{Commit, GitRepository, GitServer, Rng};

use crate::trees::{blob, object, tree};
use crate::{Case, Expected, ONLY_GO_MOD, case, go_mod, repository};

const NOWHERE: &str = "1234567812345678123456781234567812345678";

/// Writes a commit of a go.mod whose lines behind the tree are these, and tags it.
fn raw_commit(forge: &GitServer, name: &str, lines: &str) -> (GitRepository, String) {
    let repository = repository(forge, name);
    let file = blob(&repository, go_mod(name).as_bytes());
    let root = object(&repository, "tree", &tree(&[("100644", b"go.mod", &file)]));
    let commit = object(&repository, "commit", format!("tree {root}\n{lines}\n\nmessage\n").as_bytes());
    point(&repository, "refs/heads/main", &commit);
    point(&repository, "refs/tags/v1.0.0", &commit);
    (repository, commit)
}

/// Writes a reference as a file, whatever it names.
fn point(repository: &GitRepository, reference: &str, hash: &str) {
    let file = repository.folder().join(reference);
    fs_err::create_dir_all(file.parent().expect("a folder")).expect("a temporary folder");
    fs_err::write(file, format!("{hash}\n")).expect("a temporary folder");
}

fn simple(forge: &GitServer, name: &str) -> (GitRepository, String) {
    let mut repository = repository(forge, name);
    let mark = repository.files(&[("go.mod", &go_mod(name))]);
    repository.tag("v1.0.0", mark);
    let hash = repository.hash(mark);
    (repository, hash)
}

pub(crate) fn cases(forge: &GitServer) -> Vec<Case> {
    let mut cases = dates(forge);
    cases.extend(references(forge));
    cases.extend(missing(forge));
    cases.extend(histories(forge));
    many_references(forge, "many-references", 100_000);
    cases.push(case("many-references", ONLY_GO_MOD));
    cases.push(Case { ask: "list", ..case("many-references", Expected::Text("v0.0.99999\n")) });
    zeros(forge, "zeros", 16);
    cases.push(case("zeros", Expected::Files(&["go.mod", "zeros.bin"])));
    deltas(forge, "deltas", 40, 2);
    cases.push(case("deltas", Expected::Files(&["go.mod", "data.bin"])));
    cases
}

/// What takes gibibytes and minutes.
pub(crate) fn huge_cases(forge: &GitServer) -> Vec<Case> {
    many_references(forge, "a-million-references", 1_000_000);
    zeros(forge, "too-many-zeros", 501);
    large_pack(forge, "large-pack", 2100);
    vec![
        case("a-million-references", ONLY_GO_MOD),
        Case { ask: "list", ..case("a-million-references", Expected::Text("v0.0.999999\n")) },
        case("too-many-zeros", Expected::Refused(&[404])),
        case("large-pack", Expected::Refused(&[507])),
    ]
}

fn dates(forge: &GitServer) -> Vec<Case> {
    const WHO: &str = "A <a@example.com>";
    let mut cases = Vec::new();
    for (name, author, committer, expected) in [
        ("date-negative", "1 +0000", "-1000 +0000", Expected::Refused(&[404, 502])),
        ("date-huge", "1 +0000", "99999999999999999999999 +0000", Expected::Refused(&[404, 502])),
        ("date-beyond-years", "1 +0000", "9223372036854775807 +0000", Expected::Refused(&[404, 502])),
        ("date-zone", "1 +0000", "1700000000 +99999999", ONLY_GO_MOD),
        ("date-text", "1 +0000", "yesterday", Expected::Refused(&[404, 502])),
        ("date-none", "1 +0000", "", Expected::Refused(&[404, 502])),
    ] {
        raw_commit(forge, name, &format!("author {WHO} {author}\ncommitter {WHO} {committer}"));
        cases.push(case(name, expected));
    }
    raw_commit(forge, "commit-without-committer", "");
    cases.push(case("commit-without-committer", Expected::Refused(&[404, 502])));
    let long = "x".repeat(1 << 20);
    raw_commit(
        forge,
        "commit-long-header",
        &format!("author {WHO} 1700000000 +0000\ncommitter {long} <{long}> 1700000000 +0000"),
    );
    cases.push(case("commit-long-header", ONLY_GO_MOD));
    cases
}

fn references(forge: &GitServer) -> Vec<Case> {
    let (blobs, _) = simple(forge, "tag-of-a-blob");
    point(&blobs, "refs/tags/v1.0.0", &blob(&blobs, b"no commit"));
    let (trees, _) = simple(forge, "tag-of-a-tree");
    let file = blob(&trees, b"x");
    point(&trees, "refs/tags/v1.0.0", &object(&trees, "tree", &tree(&[("100644", b"go.mod", &file)])));
    let (branches, _) = simple(forge, "branch-of-a-blob");
    point(&branches, "refs/heads/main", &blob(&branches, b"no commit"));
    let (nothing, _) = simple(forge, "tag-of-nothing");
    point(&nothing, "refs/tags/v1.0.0", NOWHERE);
    let (chain, mut at) = simple(forge, "tag-of-tags");
    let mut kind = "commit";
    for number in 0..50 {
        let text = format!(
            "object {at}\ntype {kind}\ntag t{number}\ntagger A <a@example.com> 1700000000 +0000\n\nx\n"
        );
        at = object(&chain, "tag", text.as_bytes());
        kind = "tag";
    }
    point(&chain, "refs/tags/v1.0.0", &at);
    let (replaced, hash) = simple(forge, "replace-references");
    point(&replaced, &format!("refs/replace/{hash}"), &blob(&replaced, b"something else"));
    let (clash, hash) = simple(forge, "references-that-clash");
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for name in [
        "heads/a",
        "heads/a/b",
        "heads/A",
        "heads/HEAD",
        "heads/-x",
        "heads/--upload-pack=x",
        "heads/refs/tags/v1.0.0",
    ] {
        writeln!(packed, "{hash} refs/{name}").expect("a string");
    }
    fs_err::write(clash.folder().join("packed-refs"), packed).expect("a temporary folder");
    vec![
        case("tag-of-a-blob", Expected::Refused(&[404, 502])),
        case("tag-of-a-tree", Expected::Refused(&[404, 502])),
        Case { ask: "main.info", ..case("branch-of-a-blob", Expected::Refused(&[404, 502])) },
        case("tag-of-nothing", Expected::Refused(&[404])),
        case("tag-of-tags", ONLY_GO_MOD),
        case("replace-references", ONLY_GO_MOD),
        case("references-that-clash", ONLY_GO_MOD),
    ]
}

fn missing(forge: &GitServer) -> Vec<Case> {
    let remove = |repository: &GitRepository, hash: &str| {
        fs_err::remove_file(repository.folder().join("objects").join(&hash[..2]).join(&hash[2..]))
            .expect("a loose object");
    };
    const LINES: &str =
        "author A <a@example.com> 1700000000 +0000\ncommitter A <a@example.com> 1700000000 +0000";
    let (one, commit) = raw_commit(forge, "missing-file", LINES);
    let file = one.git(&["rev-parse", &format!("{commit}:go.mod")]);
    remove(&one, &file);
    let (two, commit) = raw_commit(forge, "missing-tree", LINES);
    remove(&two, &two.git(&["rev-parse", &format!("{commit}^{{tree}}")]));
    raw_commit(forge, "missing-parent", &format!("parent {NOWHERE}\n{LINES}"));
    let (four, commit) = raw_commit(forge, "flipped-object", LINES);
    let file = four.git(&["rev-parse", &format!("{commit}:go.mod")]);
    let file = four.folder().join("objects").join(&file[..2]).join(&file[2..]);
    fs_err::remove_file(&file).expect("a loose object");
    fs_err::write(&file, b"x\x9cnoise").expect("a temporary folder");
    vec![
        case("missing-file", Expected::Refused(&[404, 502])),
        case("missing-tree", Expected::Refused(&[404, 502])),
        // One commit is fetched without its parents.
        case("missing-parent", ONLY_GO_MOD),
        case("flipped-object", Expected::Refused(&[404, 502])),
    ]
}

fn histories(forge: &GitServer) -> Vec<Case> {
    // Each commit merges the two before it: more ways through than any walk may take one by one.
    let mut weave = repository(forge, "woven-history");
    let mut before = weave.files(&[("go.mod", &go_mod("woven-history"))]);
    let mut last = weave.commit(Commit::on("side").parent(before));
    for _ in 0..300 {
        let next = weave.commit(Commit::on("main").parent(last).merge(before));
        (before, last) = (last, next);
    }
    weave.tag("v1.0.0", last);
    weave.save();
    let (grafts, hash) = simple(forge, "grafts");
    fs_err::create_dir_all(grafts.folder().join("info")).expect("a temporary folder");
    // A commit that claims to be its own parent.
    fs_err::write(grafts.folder().join("info/grafts"), format!("{hash} {hash}\n"))
        .expect("a temporary folder");
    vec![
        case("woven-history", ONLY_GO_MOD),
        Case { ask: "main.info", ..case("woven-history", Expected::Text("v1.0.0")) },
        case("grafts", Expected::Refused(&[200, 404, 502])),
    ]
}

fn many_references(forge: &GitServer, name: &str, count: usize) {
    let (repository, hash) = simple(forge, name);
    let mut names: Vec<String> = (0..count).map(|number| format!("refs/tags/v0.0.{number}")).collect();
    names.push("refs/tags/v1.0.0".to_owned());
    names.push("refs/heads/main".to_owned());
    names.sort_unstable();
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for name in names {
        writeln!(packed, "{hash} {name}").expect("a string");
    }
    fs_err::write(repository.folder().join("packed-refs"), packed).expect("a temporary folder");
}

/// A file of zeros, which a pack holds in a thousandth.
fn zeros(forge: &GitServer, name: &str, mebibytes: usize) {
    let mut repository = repository(forge, name);
    let commit = Commit::on("main").file("go.mod", go_mod(name)).file("zeros.bin", vec![0; mebibytes << 20]);
    let mark = repository.commit(commit);
    repository.tag("v1.0.0", mark);
    repository.save();
}

/// Versions of one large file that a pack holds as a chain of deltas.
fn deltas(forge: &GitServer, name: &str, versions: usize, mebibytes: usize) {
    let mut repository = repository(forge, name);
    let mut content = vec![b'a'; mebibytes << 20];
    let mut mark = repository.files(&[("go.mod", &go_mod(name))]);
    for number in 0..versions {
        content[number] = b'b';
        // Each is written on its own, so that the memory of the test stays small.
        mark = repository.commit(Commit::on("main").file("data.bin", &content));
        if number % 8 == 7 {
            repository.save();
        }
    }
    repository.tag("v1.0.0", mark);
    repository.save();
    repository.git(&["repack", "-adfq", "--depth=4000", "--window=3"]);
}

/// Bytes that nothing makes smaller.
fn large_pack(forge: &GitServer, name: &str, mebibytes: usize) {
    let mut repository = repository(forge, name);
    let mut rng = Rng::new(1);
    let mut mark = repository.files(&[("go.mod", &go_mod(name))]);
    for number in 0..mebibytes / 50 {
        mark = repository.commit(Commit::on("main").file(&format!("{number}.bin"), rng.bytes(50 << 20)));
        repository.save();
    }
    repository.tag("v1.0.0", mark);
    repository.save();
}
